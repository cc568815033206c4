//! The effects of an actor, from its `init` on, as the harness recorded them.

use serde::de::DeserializeOwned;

use super::ActorHarness;
use crate::actor::Actor;
use crate::log::Level;
use crate::notice::WatchId;
use crate::result::Result;
use crate::testing::effects::{Child, Sent};
use crate::timer::TimerId;

impl<A: Actor> ActorHarness<A> {
    /// The value of a key of the actor's state, read as JSON; none when it has none. Changes of a failed message are not there.
    pub fn state<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let value = self.kernel.state_now().remove(key);
        Ok(value.map(|value| serde_json::from_slice(&value)).transpose()?)
    }

    /// The keys of the actor's state, in the order of their bytes.
    pub fn state_keys(&self) -> Vec<String> {
        self.kernel.state_now().into_keys().collect()
    }

    /// The watches that are set, with the absolute addresses of the watched, in the order in which they were set.
    pub fn watched(&self) -> Vec<(WatchId, String)> {
        self.kernel.watched.borrow().iter().map(|(watch, to)| (WatchId(*watch), to.clone())).collect()
    }

    /// The timers that are set, by due time.
    pub fn timers(&self) -> Vec<TimerId> {
        self.kernel.timers()
    }

    /// The children that the actor spawned and has not stopped, in the order of the spawns.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
    /// # #[derive(Default)] struct Team;
    /// impl Actor for Team {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         match msg.text()?.strip_prefix('-') {
    ///             Some(name) => Ok(ctx.stop_child(name)?),
    ///             None => Ok(ctx.spawn(msg.text()?, "worker")?),
    ///         }
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Team>::start()?;
    /// harness.tell("ann")?;
    /// harness.tell("bob")?;
    /// harness.tell("-ann")?;
    /// assert_eq!(harness.children(), [("bob", "worker")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn children(&self) -> Vec<Child> {
        self.kernel.spawned.borrow().clone()
    }

    /// The sum of all counts of a metric by messages and hooks that did not fail, from `init` on.
    pub fn counted(&self, metric: &str) -> u64 {
        self.kernel.counted.borrow().get(metric).copied().unwrap_or_default()
    }

    /// The values of a metric that messages and hooks observed which did not fail, from `init` on.
    pub fn observed(&self, metric: &str) -> Vec<f64> {
        self.kernel.observed.borrow().get(metric).cloned().unwrap_or_default()
    }

    /// The actor's state.
    pub fn actor(&self) -> &A {
        &self.instance.actor
    }

    /// All messages that were sent and delivered, from `init` on.
    pub fn sent(&self) -> Vec<Sent> {
        self.kernel.sent.borrow().clone()
    }

    /// All lines that the actor logged, from `init` on. A failure does not revert them.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Level, Message, Result, testing::ActorHarness};
    /// # #[derive(Default)] struct Till;
    /// impl Actor for Till {
    ///     fn msg_handler(&mut self, _: Message, ctx: &mut Context) -> Result {
    ///         ctx.log(Level::Warn, "the till is nearly empty");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Till>::start()?;
    /// harness.tell("pay")?;
    /// assert_eq!(harness.logged(), [(Level::Warn, "the till is nearly empty".to_owned())]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.kernel.logged.borrow().clone()
    }

    /// All asks, from `init` on. An ask is sent at once, so a failure does not revert it.
    pub fn asked(&self) -> Vec<Sent> {
        self.kernel.asked.borrow().clone()
    }
}
