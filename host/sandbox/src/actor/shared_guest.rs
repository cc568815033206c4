//! One incarnation of an actor that shares an instance with others. Each call takes the instance for itself, puts the data of the
//! incarnation into the store, and takes them out again. A call that traps, or is cut off, breaks the instance.

use std::sync::Arc;

use playhouse_kernel::{
    Behavior, BoxFuture, ChildFailed, Crash, CrashReason, Directive, Gate, LogEvent, TaskDone, Turn,
};
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;

use super::exports::Hook;
use super::group::{Group, SharedInstance};
use super::guest::Guest;
use super::incarnation::IncarnationData;
use super::setup::ActorSetup;
use crate::events::SharedInstanceEnded;
use crate::limits::CpuMeter;
use crate::run::metered;

/// The data are in the store only while a call has them.
const BETWEEN_CALLS: &str = "no call of the incarnation is under way";

/// One incarnation in a shared instance.
pub(super) struct SharedGuest(Option<Membership>);

/// The place of an incarnation in an instance.
struct Membership {
    group: Arc<Group>,
    instance: Arc<SharedInstance>,
    number: u32,
    /// None during a call.
    incarnation: Option<Box<IncarnationData>>,
    progress: Progress,
}

/// How far the code of an incarnation came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It has no value yet, and may begin in another instance.
    NotBegun,
    Begun,
    /// Its value was dropped.
    Forgotten,
    /// It left the instance, which ends.
    Left,
}

/// A call of the instance. Unless it ends in order, it breaks the instance.
struct Call<'a> {
    guest: OwnedMutexGuard<Option<Guest>>,
    home: &'a mut Option<Box<IncarnationData>>,
    progress: &'a mut Progress,
    instance: &'a SharedInstance,
    number: u32,
    /// The reason why the instance breaks at the end of the call, as the rest of a sentence; none when it does not.
    breaks: Option<String>,
}

impl SharedGuest {
    /// Makes an incarnation, and the instance if this is the first one in it.
    pub(super) async fn launch(group: &Arc<Group>, setup: &ActorSetup, turn: Turn) -> Result<Self, Crash> {
        let (instance, number) = group.join(turn.task_crashes());
        let incarnation = Some(setup.incarnation(turn, number));
        let progress = Progress::NotBegun;
        let mut membership = Membership { group: group.clone(), instance, number, incarnation, progress };
        if !membership.instance.is_made() {
            membership.take_instance().await?;
        }
        Ok(Self(Some(membership)))
    }

    fn membership(&mut self) -> &mut Membership {
        self.0.as_mut().expect("it is taken at the drop alone")
    }
}

impl Membership {
    /// Takes the instance for a call, and makes the instance if there is none.
    async fn take_instance(&mut self) -> Result<OwnedMutexGuard<Option<Guest>>, Crash> {
        loop {
            let incarnation = self.incarnation.as_mut().expect(BETWEEN_CALLS);
            let mut guest = self.instance.take(incarnation).await;
            if guest.is_some() {
                return Ok(guest);
            }
            match self.instance.loss() {
                Some(_) if self.progress == Progress::NotBegun => self.join_again(),
                Some(loss) => return Err(loss),
                None => {
                    let uses = Some(&self.group.uses);
                    *guest = Some(Guest::make(&self.group.setup, &mut self.incarnation, uses).await?);
                    self.instance.set_made();
                    return Ok(guest);
                }
            }
        }
    }

    fn join_again(&mut self) {
        let incarnation = self.incarnation.as_mut().expect(BETWEEN_CALLS);
        let (instance, number) = self.group.join(incarnation.turn.get_mut().task_crashes());
        self.group.release(&self.instance, self.number);
        (self.instance, self.number, incarnation.number) = (instance, number, number);
    }

    async fn call(&mut self) -> Result<Call<'_>, Crash> {
        let mut guest = self.take_instance().await?;
        let entered = guest.as_mut().expect("it was just made, or is there");
        entered.enter(&mut self.incarnation);
        Ok(Call {
            guest,
            home: &mut self.incarnation,
            progress: &mut self.progress,
            instance: &self.instance,
            number: self.number,
            breaks: Some("was cut off in the middle of a call, by a time limit or a stop".to_owned()),
        })
    }

    /// Drops the value of the incarnation, which has ended. Nothing waits for this.
    async fn forget(mut self) {
        let incarnation = self.incarnation.as_mut().expect(BETWEEN_CALLS);
        incarnation.has_ended = true;
        let limit = incarnation.turn.get_mut().timeout();
        let Ok(mut call) = self.call().await else { return };
        let meter = call.meter();
        // A call that takes longer is cut off here, and breaks the instance.
        if let Ok(done) = tokio::time::timeout(limit, metered(meter, call.guest().forget())).await {
            let _ = call.end(done);
        }
    }
}

impl Call<'_> {
    fn guest(&mut self) -> &mut Guest {
        self.guest.as_mut().expect("it is there until the end of the call")
    }

    fn meter(&mut self) -> Arc<CpuMeter> {
        self.guest().meter.clone()
    }

    /// Ends the call in order. After an error that the code returned by itself, the instance goes on.
    fn end<T>(mut self, result: Result<T, Crash>) -> Result<T, Crash> {
        self.breaks = match &result {
            Err(crash) if !is_returned(crash) => Some(crash.reason.to_string()),
            _ => None,
        };
        result
    }
}

/// Whether the code returned this error by itself.
fn is_returned(crash: &Crash) -> bool {
    matches!(crash.reason, CrashReason::Start { .. } | CrashReason::Shutdown { .. })
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        *self.home = self.guest().exit();
        let Some(how) = self.breaks.take() else { return };
        let writer = self.home.as_ref().expect("it just came back").logger.writer().clone();
        let others = self.instance.break_by(self.number, writer.actor().clone(), how.clone());
        if others > 0 {
            SharedInstanceEnded { subject: writer.about(), others, how: &how }.log();
        }
        *self.guest = None;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if self.progress != Progress::Left {
            self.group.release(&self.instance, self.number);
        }
    }
}

impl Drop for SharedGuest {
    fn drop(&mut self) {
        let Some(mut membership) = self.0.take() else { return };
        if membership.progress != Progress::Begun || membership.instance.loss().is_some() {
            return;
        }
        if membership.group.release_last(&membership.instance, membership.number) {
            membership.progress = Progress::Left;
        } else if let Ok(runtime) = Handle::try_current() {
            membership.incarnation.as_mut().expect(BETWEEN_CALLS).turn.get_mut().end_timers();
            runtime.spawn(membership.forget());
        }
    }
}

impl Behavior for SharedGuest {
    fn turn(&mut self) -> &mut Turn {
        self.membership().incarnation.as_mut().expect(BETWEEN_CALLS).turn.get_mut()
    }

    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            let meter = call.meter();
            let decided = metered(meter, call.guest().gate()).await;
            call.end(decided)
        })
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            *call.progress = Progress::Begun;
            call.instance.begin(call.number);
            let (meter, guest) = (call.meter(), call.guest());
            let done = metered(meter, guest.start_hook(Hook::Init)).await;
            call.end(done)
        })
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            let (meter, guest) = (call.meter(), call.guest());
            let done = metered(meter, guest.start_hook(Hook::PrepareChildren)).await;
            call.end(done)
        })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            let meter = call.meter();
            let done = metered(meter, call.guest().handle_all()).await;
            call.end(done)
        })
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            let meter = call.meter();
            let done = metered(meter, call.guest().directive(failure)).await;
            call.end(done)
        })
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            let meter = call.meter();
            let told = metered(meter, call.guest().tell_done(done)).await;
            call.end(told)
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let mut call = self.membership().call().await?;
            let (meter, others) = (call.meter(), call.instance.has_others());
            let guest = call.guest();
            let stopped = metered(meter, async {
                let stopped = guest.shut_down().await;
                // The last one leaves its value to the end of the instance.
                if others && stopped.as_ref().err().is_none_or(is_returned) {
                    guest.forget().await?;
                }
                stopped
            });
            let stopped = stopped.await;
            if others {
                *call.progress = Progress::Forgotten;
            }
            call.end(stopped)
        })
    }
}
