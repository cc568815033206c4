//! Space for all sends of a turn, before the turn enters the journal. A turn that waits for space in one mailbox holds none in
//! others: else two turns could wait for each other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::host_wait::BlockedOn;
use crate::actor::instance::Instance;
use crate::dispatch::routing::Routing;
use crate::mailbox::{Load, Overflow, Refused};
use crate::words::dead_letter::DeadReason;
use crate::words::message::ActorId;

/// Whether a delivery may wait for space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Yes,
    No,
}

/// The actor whose turn sends, and its instance.
pub(crate) type Sender<'a> = (ActorId, &'a Instance);

/// Space in one mailbox. Dropping it gives it back, unless it was used.
pub(crate) struct Reserved {
    pub(crate) target: Arc<Actor>,
    pub(crate) load: Load,
    /// False under an overflow rule that makes space itself.
    pub(crate) is_counted: bool,
    used: bool,
}

impl Reserved {
    fn new(target: &Arc<Actor>, load: Load) -> Self {
        Self { target: target.clone(), load, is_counted: true, used: false }
    }

    fn uncounted(target: &Arc<Actor>, load: Load) -> Self {
        Self { target: target.clone(), load, is_counted: false, used: false }
    }

    /// Hands the space over: the messages come in, and give it back.
    pub(super) fn use_up(&mut self) {
        debug_assert!(!self.used, "space is used once");
        self.used = true;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.used && self.is_counted {
            self.target.mailbox.unreserve(self.load);
        }
    }
}

/// The sends of a turn to one target.
pub(crate) struct Wanted {
    pub(crate) target: Arc<Actor>,
    pub(crate) load: Load,
}

/// Space, or the reason why the messages become dead letters.
pub(crate) type Given = Result<Reserved, DeadReason>;

impl Routing {
    /// Reserves space for the sends of a turn, one result for each target. May wait, for each target as long as its mailbox
    /// says. If this future is dropped, nothing is reserved.
    pub(crate) async fn reserve_all(
        &self,
        wanted: &[Wanted],
        (patience, sender): (Patience, Sender<'_>),
    ) -> Vec<Given> {
        let mut given: Vec<Option<Given>> = wanted.iter().map(|_| None).collect();
        // For each target, when its sender has waited long enough.
        let mut deadlines: Vec<Option<Instant>> = vec![None; wanted.len()];
        loop {
            let mut full = None;
            for (at, Wanted { target, load }) in wanted.iter().enumerate() {
                if given[at].is_none() {
                    given[at] = try_reserve(target, *load, patience);
                }
                if given[at].is_none() {
                    full = Some(at);
                    break;
                }
            }
            let Some(at) = full else { break };
            for got in &mut given {
                if matches!(got, Some(Ok(_))) {
                    *got = None;
                }
            }
            let Wanted { target, load } = &wanted[at];
            let block_timeout = target.mailbox.spec().block_timeout;
            let deadline = deadlines[at].get_or_insert_with(|| Instant::now() + block_timeout);
            given[at] = Some(self.wait_reserved(target, *load, *deadline, sender).await);
            deadlines[at] = None;
        }
        given.into_iter().map(|given| given.unwrap_or(Err(DeadReason::MailboxFull))).collect()
    }

    async fn wait_reserved(
        &self,
        target: &Arc<Actor>,
        load: Load,
        mut deadline: Instant,
        (actor, instance): Sender<'_>,
    ) -> Given {
        let mut waited: Duration = target.host_waited();
        let place = target.mailbox.queue_up(actor);
        let _blocked = BlockedOn::begin(instance, target, place.since());
        loop {
            match place.reserve(load, deadline).await {
                Ok(()) => return Ok(Reserved::new(target, load)),
                Err(Refused::Closed) => return Err(target.closed_because()),
                // The receiver waits for the host, so the sender's time begins again.
                Err(Refused::Full) if self.waited_for_host(target, &mut waited) => {
                    deadline = Instant::now() + target.mailbox.spec().block_timeout;
                }
                Err(Refused::Full) => return Err(DeadReason::MailboxFull),
            }
        }
    }

    /// Reserves space for one message of a sender that gets the result.
    pub(super) async fn reserve_one(
        &self,
        target: &Arc<Actor>,
        load: Load,
        deadline: Instant,
        sender: ActorId,
    ) -> Result<Reserved, Refused> {
        if target.mailbox.is_closed() {
            return Err(Refused::Closed);
        }
        match target.mailbox.reserve(&**target, load) {
            Err(Refused::Full) if target.mailbox.overflow() == Overflow::Block => {
                let place = target.mailbox.queue_up(sender);
                place.reserve(load, deadline).await?;
            }
            reserved => reserved?,
        }
        Ok(Reserved::new(target, load))
    }
}

/// None: the sender has to wait.
pub(crate) fn try_reserve(target: &Arc<Actor>, load: Load, patience: Patience) -> Option<Given> {
    let overflow = target.mailbox.overflow();
    if overflow == Overflow::DropOldest {
        return Some(Ok(Reserved::uncounted(target, load)));
    }
    match (target.mailbox.reserve(&**target, load), overflow) {
        (Ok(()), _) => Some(Ok(Reserved::new(target, load))),
        (Err(Refused::Closed), _) => Some(Err(target.closed_because())),
        (Err(Refused::Full), Overflow::Block) if patience == Patience::Yes => None,
        (Err(Refused::Full), Overflow::Block | Overflow::Reject) => Some(Err(DeadReason::MailboxFull)),
        (Err(Refused::Full), Overflow::DropNewest | Overflow::DropOldest) => Some(Err(DeadReason::Overflow)),
    }
}

/// As [`Routing::reserve_one`], without waiting.
pub(crate) fn reserve_now(target: &Arc<Actor>, load: Load) -> Result<Reserved, Refused> {
    target.mailbox.reserve(&**target, load)?;
    Ok(Reserved::new(target, load))
}
