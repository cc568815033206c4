//! The progress of the orderly shutdown: the actors that have not stopped yet, and their waiting messages.

use std::time::Duration;

use playhouse_runtime::{AboutHost, ActorView, LogEvent, RunningPlay};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::console::Console;
use crate::events::{PlayStopping, StopWaiting};
use playhouse_runtime::printable::counted;

/// Time between two lines; on a terminal the spinner's text changes more often.
const REPORT: Duration = Duration::from_secs(1);
const REFRESH: Duration = Duration::from_millis(100);
/// Maximum number of actors named in one line.
const NAMED: usize = 8;

/// Tells an operator that Ctrl-C began the orderly end.
pub(super) fn announce(console: &Console) {
    console.say(&PlayStopping { subject: AboutHost });
}

/// Shuts down and waits until all actors have stopped. With `asked`, an operator waits for the end, and is told at once.
pub(super) async fn drain(play: &RunningPlay, console: &Console, asked: bool) {
    play.begin_stop();
    let mut said = look(play).await;
    if asked {
        announce(console);
    }
    if !asked || console.is_terminal() {
        // A line is printed only for a wait that takes longer; on a terminal the spinner shows it.
        said = None;
    } else if let Some((actors, shown)) = &said {
        console.say(&StopWaiting { subject: AboutHost, actors: *actors, shown });
    }
    let period = if console.is_terminal() { REFRESH } else { REPORT };
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bar = None;
    loop {
        tokio::select! {
            _ = play.wait() => break,
            _ = ticks.tick() => {}
        }
        let waiting = look(play).await;
        let Some((actors, shown)) = waiting.as_ref().filter(|_| waiting != said) else { continue };
        let event = StopWaiting { subject: AboutHost, actors: *actors, shown };
        if console.is_terminal() {
            let bar = bar.get_or_insert_with(|| console.spinner(event.text()));
            if let Some(bar) = bar {
                bar.set_message(event.text());
            }
        } else {
            console.say(&event);
        }
        said = waiting;
    }
    if let Some(bar) = bar.flatten() {
        console.clear(&bar);
    }
}

/// The actors that have not stopped yet: their number, and their names; `None` when all have.
async fn look(play: &RunningPlay) -> Option<(usize, String)> {
    let actors = play.actors().await;
    let up: Vec<_> = actors.iter().filter(|actor| is_up(actor)).map(shown).collect();
    let shown = match up.len() {
        0 => return None,
        n if n > NAMED => format!("{} and {}", up[..NAMED].join(", "), counted((n - NAMED) as u64, "more actor")),
        _ => up.join(", "),
    };
    Some((up.len(), shown))
}

fn is_up(actor: &ActorView) -> bool {
    actor.state.is_up() || actor.state.is_on_its_way()
}

fn shown(actor: &ActorView) -> String {
    match (actor.waiting_for, actor.waiting) {
        (Some(host), _) => format!("{} (waiting for {host})", actor.address),
        (None, 0) => actor.address.to_string(),
        (None, n) => format!("{} ({n} waiting)", actor.address),
    }
}
