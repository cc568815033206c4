//! A family at work: its rules, its counts, and its members that are not in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;

use crate::actor::family_spec::{CreatorSpec, FamilySpec};
use crate::actor::spec::ActorSpec;
use crate::actor::stored_members::StoredMembers;
use crate::mailbox::Keep;
use crate::mailbox::admission::Slots;
use crate::words::address::Address;
use crate::words::message::ActorId;
use crate::words::restart::StartKind;
use crate::words::send_error::SendError;

/// A family, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyView {
    /// Members with an instance, without those that wait for the answer to an ask.
    pub live: usize,
    /// Their bound.
    pub most_live: usize,
    /// Members that exist.
    pub members: usize,
    /// Their bound.
    pub most_members: usize,
}

/// The part that the members of a family share.
pub(crate) struct Family {
    /// The actor in whose place in the tree the members are. It takes no messages.
    pub(crate) head: ActorId,
    /// The spec of a member, but for its address.
    template: ActorSpec,
    spec: Arc<FamilySpec>,
    creators: Box<[Mutex<Allowance>]>,
    /// Number of members that exist.
    members: AtomicUsize,
    /// The bound on live members.
    pub(crate) slots: Arc<Slots>,
    /// With stored mailboxes: what memory knows of members that are not in it.
    pub(crate) stored: Option<Box<StoredMembers>>,
    /// Notified when a member leaves the memory.
    pub(crate) left: Notify,
    /// Tells the supervision that a member is not in use any more.
    unused: Box<dyn Fn(ActorId) + Send + Sync>,
}

/// How many members a creator may make now.
struct Allowance {
    left: f64,
    counted_at: Instant,
}

impl Family {
    /// `spec`: that of the family. `seed`: of the plan.
    pub(crate) fn new(
        head: ActorId,
        spec: &ActorSpec,
        family: &Arc<FamilySpec>,
        seed: u64,
        unused: impl Fn(ActorId) + Send + Sync + 'static,
    ) -> Self {
        let full = |creator: &CreatorSpec| {
            Mutex::new(Allowance { left: f64::from(creator.per_second), counted_at: Instant::now() })
        };
        let rule = format!("all that `live` of the family `{}/*` admits", spec.address);
        Self {
            head,
            // It has no instance before the message that made it is there.
            template: ActorSpec { family: None, start: StartKind::OnMessage, ..spec.clone() },
            spec: family.clone(),
            creators: family.create.iter().map(full).collect(),
            members: AtomicUsize::new(0),
            slots: Arc::new(Slots::of_family(family.live, rule)),
            stored: (spec.mailbox.keep == Keep::Stored).then(|| Box::new(StoredMembers::new(seed))),
            left: Notify::new(),
            unused: Box::new(unused),
        }
    }

    /// The address above the members.
    pub(crate) fn address(&self) -> &Address {
        &self.template.address
    }

    /// The spec of its members, at the address of the family.
    pub(crate) fn template(&self) -> &ActorSpec {
        &self.template
    }

    /// The time after which a member that keeps nothing but its state is removed.
    pub(crate) fn expire(&self) -> Option<Duration> {
        self.spec.expire
    }

    /// Whether a member may have this name.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.spec.names.fits(name)
    }

    /// The spec of the member at an address.
    pub(crate) fn member_spec(&self, address: Address) -> ActorSpec {
        ActorSpec { address, ..self.template.clone() }
    }

    /// Counts a new member, or says why there is none.
    pub(crate) fn let_in(&self, member: &Address, creator: &Address) -> Result<(), SendError> {
        let may = |entry: &CreatorSpec| {
            *creator == entry.creator || !entry.creator.is_root() && creator.is_below(&entry.creator)
        };
        let Some(at) = self.spec.create.iter().position(may) else {
            return Err(SendError::NotCreated { to: member.clone(), from: creator.clone() });
        };
        let most = self.spec.members;
        let counted = self
            .members
            .try_update(Ordering::AcqRel, Ordering::Relaxed, |members| (members < most).then(|| members + 1));
        if counted.is_err() {
            return Err(SendError::TooManyMembers { to: member.clone(), most });
        }
        let per_second = self.spec.create[at].per_second;
        if !self.creators[at].lock().take(per_second) {
            self.count_out();
            return Err(SendError::CreatesTooFast { to: member.clone(), from: creator.clone(), per_second });
        }
        Ok(())
    }

    /// Counts members that the store has.
    pub(crate) fn count_in(&self, members: usize) {
        self.members.fetch_add(members, Ordering::AcqRel);
    }

    /// Uncounts a member that keeps nothing any more.
    pub(crate) fn count_out(&self) {
        self.members.fetch_sub(1, Ordering::AcqRel);
    }

    /// Its numbers, for operators.
    pub(crate) fn view(&self) -> FamilyView {
        let (live, most_live) = self.slots.usage();
        let (members, most_members) = (self.members.load(Ordering::Acquire), self.spec.members);
        FamilyView { live, most_live, members, most_members }
    }

    /// Waits until the member at an address can be loaded from the store.
    pub(crate) async fn load(self: &Arc<Self>, stored: &StoredMembers, member: &Address) -> Loading {
        Loading { family: self.clone(), guard: Some(stored.lock(member).await) }
    }

    pub(super) fn is_unused(&self, member: ActorId) {
        (self.unused)(member);
    }
}

/// The right to load a member. Members that were to leave the memory meanwhile are looked at again when it ends.
pub(crate) struct Loading {
    family: Arc<Family>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        drop(self.guard.take());
        let delayed = self.family.stored.as_ref().map(|stored| stored.take_delayed()).unwrap_or_default();
        for member in delayed {
            self.family.is_unused(member);
        }
    }
}

impl Allowance {
    /// Takes one, if there is one.
    fn take(&mut self, per_second: u32) -> bool {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.counted_at).min(Duration::from_secs(1));
        let most = f64::from(per_second);
        self.left = (self.left + since.as_secs_f64() * most).min(most);
        self.counted_at = now;
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}
