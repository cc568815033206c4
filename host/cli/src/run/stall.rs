//! A run with `--until-idle` that does not end: reports once what the run waits for.

use std::convert::Infallible;
use std::time::Duration;

use playhouse_runtime::{AboutHost, ActorView, RunningPlay, State};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::output::Stdout;
use crate::console::Console;
use crate::events::{PlayStalled, StdoutStalled};
use playhouse_runtime::printable::counted;

/// Time without progress after which the wait is reported.
const QUIET: Duration = Duration::from_secs(1);
/// Maximum number of actors named in one line.
const NAMED: usize = 8;

/// The progress of a run.
#[derive(PartialEq, Eq)]
struct Progress {
    handled: u64,
    /// Bytes written while actors wait for the reader of stdout.
    written: Option<u64>,
}

/// Watches until the future is dropped.
pub(super) async fn watch(play: &RunningPlay, stdout: &Stdout, console: &Console) -> Infallible {
    let mut ticks = interval_at(Instant::now() + QUIET, QUIET);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let progress = || Progress { handled: play.handled(), written: stdout.written_while_full() };
    let (mut last, mut said_stdout, mut said_stopped) = (progress(), false, false);
    while !(said_stdout && said_stopped) {
        ticks.tick().await;
        let now = progress();
        if now == last {
            if now.written.is_some() {
                if !said_stdout {
                    console.say(&StdoutStalled { subject: AboutHost });
                    said_stdout = true;
                }
            } else if !said_stopped && let Some(shown) = stopped(&play.actors().await) {
                console.say(&PlayStalled { subject: AboutHost, shown: &shown });
                said_stopped = true;
            }
        }
        last = now;
    }
    std::future::pending().await
}

/// The stopped actors whose messages keep the run from its end; `None` while another actor still has work.
fn stopped(actors: &[ActorView]) -> Option<String> {
    let is_at_work = |actor: &ActorView| match actor.state {
        State::Running => actor.waiting_for.is_none(),
        State::Starting | State::Draining | State::Stopping | State::BackingOff => true,
        State::Waiting | State::Passivated => actor.waiting > 0,
        State::Idle | State::Failed | State::Down | State::Stopped | State::Ended => false,
    };
    let waits: Vec<_> = actors.iter().filter(|actor| actor.state == State::Stopped && actor.waiting > 0).collect();
    if waits.is_empty() || actors.iter().any(is_at_work) {
        return None;
    }
    let named: Vec<_> = waits.iter().take(NAMED).map(|actor| actor.address.to_string()).collect();
    let starts: Vec<_> = named.iter().map(|address| format!("`playhouse start {address}`")).collect();
    let more = match waits.len() - named.len() {
        0 => String::new(),
        more => format!(" and {}", counted(more as u64, "more actor")),
    };
    let are = if waits.len() == 1 { "which is" } else { "which are" };
    Some(format!("{}{more}, {are} stopped: {}, or Ctrl-C", named.join(", "), starts.join(", ")))
}
