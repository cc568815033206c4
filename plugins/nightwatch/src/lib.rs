//! A night watch: it does not start while the sun is up, and stops when it gets no message for a while. It shows two features:
//! the gate of an actor, and `idle = "stop"` in its manifest.
//!
//! ```toml
//! [[actor]]
//! address = "/watch"
//! plugin = "nightwatch"
//! start = "on-message"    # no instance before the first call
//! idle = "stop"           # and none after a quiet minute
//! config = { sun = "/sun", recheck_ms = 5000 }
//! ```
//!
//! While `/sun` is up, calls wait in the mailbox of `/watch`, and `playhouse tree` shows it as `waiting`. After
//! `playhouse stop /sun` the next call, or the time `recheck_ms`, opens the gate.

use std::time::Duration;

use playhouse_sdk::{Actor, ActorState, Context, Decision, Gate, Message, Result, export_actor};

/// The time after which the gate is called again, unless the manifest sets another.
const RECHECK_MS: u64 = 5_000;

#[derive(Default)]
struct Nightwatch {
    calls: u64,
}

impl Actor for Nightwatch {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        self.calls += 1;
        let (night, call) = (ctx.incarnation(), self.calls);
        println!("call {call}: {}", msg.text()?);
        ctx.reply(format!("run {night}, call {call}"));
        Ok(())
    }

    /// Runs also before passivation. State that must outlive the incarnation is printed, or sent to an actor that keeps it.
    fn shutdown(&mut self, _: &mut Context) -> Result {
        println!("goes home after {}", self.calls);
        Ok(())
    }
}

impl Gate for Nightwatch {
    fn decide_to_start(ctx: &mut Context) -> Decision {
        let sun = ctx.config("sun").unwrap_or_else(|| "/sun".to_owned());
        if !ctx.status(&sun).is_some_and(ActorState::is_up) {
            return Decision::Start;
        }
        let recheck_ms = ctx.config("recheck_ms").and_then(|ms| ms.parse().ok()).unwrap_or(RECHECK_MS);
        Decision::wait_for(Duration::from_millis(recheck_ms))
    }
}

export_actor!(Nightwatch, gate);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn watch_starts_only_at_night() -> Result {
        let day = ActorHarness::<Nightwatch>::setup().actor("/sun", ActorState::Idle).config("recheck_ms", "100");
        let (said, day) = day.start_gated()?.err().expect("the sun is up");
        assert_eq!(said, Decision::wait_for(Duration::from_millis(100)));
        let mut night = day.actor("/sun", ActorState::Stopped).start_gated()?.ok().expect("it is night");
        assert_eq!(night.ask("noise")?, b"run 2, call 1", "each call of the gate counts as an incarnation");
        Ok(())
    }

    #[test]
    fn idle_watch_is_passivated_and_starts_again() -> Result {
        let mut harness = ActorHarness::<Nightwatch>::start()?;
        assert_eq!(harness.ask("noise")?, b"run 1, call 1");
        let mut next = harness.passivate_after(Duration::from_mins(1)).ok().expect("nothing keeps it").start()?;
        assert_eq!(next.ask("noise")?, b"run 2, call 1");
        Ok(())
    }
}
