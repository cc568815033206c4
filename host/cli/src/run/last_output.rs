//! The last output: once the actors ended, the reader of stdout gets some time to take the output that is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::output::Stdout;
use super::signals::Signals;
use crate::console::Console;
use crate::events::OutputWaiting;
use playhouse_runtime::AboutHost;
use playhouse_runtime::printable::counted;

/// Time after which a line reports the wait for the reader.
const QUIET: Duration = Duration::from_secs(1);

/// The result of the last output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastOutput {
    /// All output is written.
    Written,
    /// Stdout cannot be written, or its reader did not take it in time.
    Lost,
    /// A second signal came first.
    CutOff,
}

/// Waits until all output is written. After a signal, or in a run that is `bounded`, the wait is at most `bound`.
pub(super) async fn finish(
    stdout: &Arc<Stdout>,
    console: &Console,
    signals: &mut Signals,
    bounded: bool,
    bound: Duration,
) -> LastOutput {
    let writing = stdout.clone();
    let mut writing = tokio::task::spawn_blocking(move || writing.finish());
    let until = |bounded: bool| bounded.then(|| Instant::now().checked_add(bound)).flatten();
    let mut deadline = until(bounded || signals.is_heard());
    let mut report_at = Some(Instant::now() + QUIET.min(bound / 2));
    loop {
        tokio::select! {
            biased;
            written = &mut writing => {
                return if written.unwrap_or(false) { LastOutput::Written } else { LastOutput::Lost };
            }
            () = signals.next() => {
                if signals.is_second() {
                    return LastOutput::CutOff;
                }
                if deadline.is_none() {
                    deadline = until(true);
                    say(stdout, console, &format!("the host ends without it after {bound:?}; Ctrl-C again ends it at once"));
                    report_at = None;
                }
            }
            () = reached(report_at) => {
                report_at = None;
                let way_out = if deadline.is_some() { "the host ends without it after" } else { "Ctrl-C ends the host within" };
                say(stdout, console, &format!("{way_out} {bound:?}"));
            }
            () = reached(deadline) => {
                stdout.give_up(format!("its reader did not take all of it within {bound:?} after the actors had ended"));
                return LastOutput::Lost;
            }
        }
    }
}

/// Resolves at this time, or never without one.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn say(stdout: &Stdout, console: &Console, way_out: &str) {
    let left_bytes = stdout.waiting_bytes();
    let left = counted(left_bytes, "byte");
    console.say(&OutputWaiting { subject: AboutHost, left_bytes, left: &left, way_out });
}
