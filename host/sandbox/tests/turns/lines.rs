//! The source of the lines that a guest writes: plugin, incarnation, and the message that it handles.

use std::sync::{Arc, Mutex};

use playhouse_kernel::{ActorSpec, Kernel, MessageId, Plan};
use playhouse_sandbox::{HandledMessage, Limits, LineOrigin, Output};

use crate::harness::{PATIENCE, address};
use crate::puppet::Interface;

/// Keeps each line of stderr: its text, its incarnation and its message.
#[derive(Default)]
struct Lines(Mutex<Vec<Line>>);

/// The text, the incarnation and the message.
type Line = (String, Option<u64>, Option<HandledMessage>);

impl Output for Lines {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        assert_eq!((from.actor, from.plugin), (&address("/a"), "puppet"));
        let line = String::from_utf8_lossy(line).into_owned();
        self.0.lock().unwrap().push((line, from.incarnation, from.message));
    }
}

/// Runs the puppet, lets it find all messages of `bodies` at once, and returns their ids and the lines.
async fn lines_of(interface: Interface, bodies: &[&str]) -> (Vec<MessageId>, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let config = [("prints".to_owned(), "yes".to_owned())].into();
    let launcher = interface.plugin().unwrap().launcher(Limits::default(), config, lines.clone());
    let kernel = Kernel::start(&Plan { actors: vec![ActorSpec::new(address("/a"), launcher)], ..Plan::default() });
    let kernel = kernel.unwrap();
    kernel.wait_booted().await;
    let mut ids = Vec::new();
    for body in bodies {
        ids.push(kernel.tell(&address("/a"), body.as_bytes(), PATIENCE).await.unwrap());
    }
    kernel.wait_idle().await;
    (ids, lines)
}

fn message(id: MessageId) -> HandledMessage {
    HandledMessage { id, flow: id.flow() }
}

#[tokio::test(start_paused = true)]
async fn line_has_the_message_that_the_guest_handles() {
    for interface in [Interface::Plain, Interface::Turns] {
        let (ids, lines) = lines_of(interface, &["print one"]).await;
        let expected = [("hook".to_owned(), Some(1), None), ("one".to_owned(), Some(1), Some(message(ids[0])))];
        assert_eq!(*lines.0.lock().unwrap(), expected, "{interface:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn line_of_a_batch_in_one_call_has_no_message() {
    let bodies = ["print"; 20];
    let messages = |lines: &Lines| lines.0.lock().unwrap()[1..].iter().map(|line| line.2).collect::<Vec<_>>();
    let (_, lines) = lines_of(Interface::Turns, &bodies).await;
    assert_eq!(messages(&lines).last(), Some(&None), "the last ones wait while the first is handled");
    let (ids, lines) = lines_of(Interface::Plain, &bodies).await;
    assert_eq!(
        messages(&lines),
        ids.into_iter().map(|id| Some(message(id))).collect::<Vec<_>>(),
        "each has a call of its own"
    );
}

#[tokio::test(start_paused = true)]
async fn line_has_the_incarnation_that_wrote_it() {
    let (_, lines) = lines_of(Interface::Turns, &["print one;trap"]).await;
    let hooks = lines.0.lock().unwrap().iter().filter(|line| line.0 == "hook").map(|line| line.1).collect::<Vec<_>>();
    assert_eq!(hooks[..2], [Some(1), Some(2)]);
}
