//! The limits of one call of an actor's code on the time in which it runs or waits for the host.

use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::instance::Instance;
use crate::dispatch::Shared;
use crate::words::watchdog::TimeLimit;

/// `limits.timeout` for one wait; and in total that time multiplied by the number of messages in the call, since a message
/// last got its outcome.
#[derive(Clone, Copy)]
pub(super) struct CallLimit<'a> {
    pub(super) shared: &'a Shared,
    pub(super) actor: &'a Actor,
    pub(super) instance: &'a Instance,
}

impl TimeLimit for CallLimit<'_> {
    fn stretch(self) -> Duration {
        self.instance.timeout
    }

    fn whole(self) -> Duration {
        self.instance.call_timeout()
    }

    fn progress(self) -> u64 {
        self.instance.progress()
    }

    fn hosts(self, now: Instant) -> Duration {
        self.shared.clock.delayed(now) + self.instance.host_waits.total()
    }

    fn is_the_hosts(self) -> bool {
        self.shared.routing.instance_waits_for_host(self.actor, self.instance)
    }
}
