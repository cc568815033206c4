//! The answer to an operator's order to start an actor.

use playhouse_kernel::{Address, StartedActor, State};

use crate::control::protocol::{Refusal, Response};

/// The answer to an order to start, once the start has an outcome.
pub(super) fn outcome_of_start(
    address: &Address,
    StartedActor { before, now }: StartedActor,
) -> Result<Response, Refusal> {
    match now {
        State::Stopped | State::Stopping | State::Draining => {
            let why = "it was stopped again before it was up, by another `playhouse stop` or with an actor above it";
            Err(Refusal::new("refused", format!("`{address}` did not start: {why}; it is {}", now.name())))
        }
        now => Ok(Response::Moved { before: before.name().to_owned(), now: now.name().to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_that_a_stop_overtook_is_an_error() {
        let address = Address::parse("/a").expect("good");
        let started = |now| outcome_of_start(&address, StartedActor { before: State::Stopped, now });
        let refusal = started(State::Stopped).expect_err("it is stopped");
        assert!(refusal.message.contains("was stopped again before it was up"), "{refusal}");
        assert!(matches!(started(State::Idle), Ok(Response::Moved { now, .. }) if now == "idle"));
    }
}
