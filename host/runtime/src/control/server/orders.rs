//! The outcome of an operator's order to start or stop an actor, and the reason why an actor that ended takes no messages.

use std::pin::pin;
use std::time::Duration;

use playhouse_kernel::{Address, SendError, Stage, State};
use tokio::time::Instant;

use super::Server;
use crate::control::protocol::{Refusal, Response};

/// How long `stop` waits for the actor.
const SETTLING: Duration = Duration::from_secs(10);

impl Server {
    /// Waits until an order is in the store; when that stays full, not for long. `done`: the part of the order that is done then.
    pub(super) async fn kept<T>(
        &self,
        order: impl Future<Output = T>,
        done: impl FnOnce() -> String,
    ) -> Result<T, Refusal> {
        let mut order = pin!(order);
        loop {
            if let Ok(kept) = tokio::time::timeout(SETTLING, order.as_mut()).await {
                return Ok(kept);
            }
            if let Some(full) = self.kernel.store_status().and_then(|store| store.full) {
                return Err(Refusal::not_kept(&done(), &full));
            }
        }
    }

    /// Waits until the actor's state is one that `settled` accepts, and returns the states before and after.
    pub(super) async fn settle(
        &self,
        address: &Address,
        before: Option<State>,
        settled: impl Fn(State) -> bool,
    ) -> Result<Response, Refusal> {
        let Some(before) = before else {
            return Err(self.refusal(SendError::UnknownAddress(address.clone())).await);
        };
        let until = Instant::now() + SETTLING;
        loop {
            let actors = self.kernel.actors().await;
            let Some(actor) = actors.iter().find(|actor| actor.address == *address) else {
                return Err(Refusal::new("refused", "the play is over"));
            };
            let over = Instant::now() >= until;
            if over && actor.state.is_up() {
                let why = format!(
                    "`{address}` did not stop within {SETTLING:?}, or was started again: it is {}",
                    actor.state.name()
                );
                return Err(Refusal::new("refused", why));
            }
            if settled(actor.state) || over {
                return Ok(Response::Moved { before: before.name().to_owned(), now: actor.state.name().to_owned() });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Why an actor takes no messages any more, and the way out.
    pub(super) async fn why_ended(&self, address: &Address) -> String {
        if let Some(why) = why_over(&self.kernel.stage()) {
            return format!("`{address}` takes no more messages: {why}");
        }
        let actors = self.kernel.actors().await;
        let has_ended = actors.iter().any(|actor| actor.address == *address && actor.state == State::Ended);
        if !has_ended {
            return format!(
                "`{address}` is stopping and takes no more messages: `playhouse tree` shows where it stands"
            );
        }
        let way_out = match address.parent().filter(|parent| !parent.is_root()) {
            Some(parent) => {
                format!("it starts again with its parent: `playhouse stop {parent}`, then `playhouse start {parent}`")
            }
            None => "it starts again with the play, or with `restart.kind = \"permanent\"` whenever it ends".to_owned(),
        };
        format!("`{address}` has ended and takes no more messages: {way_out}")
    }
}

/// The reason why no actor of the play takes messages; `None` while it runs.
fn why_over(stage: &Stage) -> Option<&'static str> {
    match stage {
        Stage::Starting | Stage::Running => None,
        Stage::Stopping => Some("the play is stopping, and its host ends"),
        Stage::Stopped => Some("the play has stopped, and its host ends"),
        Stage::GaveUp(_) => Some("the play was given up, and its host ends"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn play_that_stops_is_the_reason_of_its_actors() {
        assert_eq!([Stage::Starting, Stage::Running].map(|stage| why_over(&stage)), [None, None]);
        let why = why_over(&Stage::Stopping).expect("its actors take no messages");
        assert_eq!(why, "the play is stopping, and its host ends");
    }
}
