//! Members of families, as senders meet them: a member that is not in memory is made, or loaded from the store, for the message that is
//! about to be sent.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::family::Family;
use crate::actor::member::Member;
use crate::actor::pinned::Pinned;
use crate::actor::spec::ActorSpec;
use crate::actor::stored_members::{Left, StoredMembers};
use crate::actor::subtree::{Membership, Subtree};
use crate::actor::{Actor, Presence, Spawned};
use crate::dispatch::Shared;
use crate::dispatch::expiry::{Expiry, Seconds};
use crate::dispatch::policies::attend;
use crate::dispatch::requests::Request;
use crate::dispatch::routing::dead_letter::log_letter;
use crate::dispatch::shared::restoring::MailboxRestore;
use crate::journal::entry::{Op, TimerIds};
use crate::journal::order::EntrySpace;
use crate::journal::store::{Store, StoreError, StoredActor};
use crate::words::address::Address;
use crate::words::dead_letter::DeadReason;
use crate::words::keyed_state::StateSize;
use crate::words::message::ActorId;
use crate::words::restart::StartKind;
use crate::words::send_error::SendError;

/// Members that come into memory at the start of a host, because they have messages: no more than this and four times `live`, while
/// others leave it.
const MOST_WOKEN: usize = 1024;
/// Members of a family that are read at a time for a group.
const MEMBERS_PAGE: usize = 1024;
/// A member that has messages waits no longer for others to leave the memory.
const WAKE_PAUSE: Duration = Duration::from_secs(1);

/// The result of adding a member.
enum Added {
    There(Pinned),
    /// Another one was added meanwhile.
    Beside,
    /// The play is over.
    TooLate,
}

impl Shared {
    /// The actor to which a message is about to be sent. If it is a member of a family and not in memory, it is loaded or made. `sender`:
    /// the actor that would bring it into being.
    #[inline]
    pub(crate) async fn receiver(self: &Arc<Self>, to: &Address, sender: ActorId) -> Result<Pinned, SendError> {
        match self.routing.registry.pin(to) {
            Some(pinned) => Ok(pinned),
            None => Box::pin(self.member(to, sender)).await,
        }
    }

    /// As [`Shared::receiver`], for a sender that may not be in memory itself.
    pub(crate) async fn receiver_from(self: &Arc<Self>, to: &Address, sender: &Address) -> Result<Pinned, SendError> {
        match self.routing.registry.pin(to) {
            Some(pinned) => Ok(pinned),
            None => Box::pin(self.made_by(to, sender)).await,
        }
    }

    #[cold]
    async fn member(self: &Arc<Self>, to: &Address, sender: ActorId) -> Result<Pinned, SendError> {
        let sender = self.routing.registry.by_id(sender);
        self.made_by(to, &sender.map_or_else(Address::root, |sender| sender.address().clone())).await
    }

    async fn made_by(self: &Arc<Self>, to: &Address, creator: &Address) -> Result<Pinned, SendError> {
        let family = self.routing.registry.family_of(to).ok_or_else(|| SendError::UnknownAddress(to.clone()))?;
        match &family.stored {
            None => self.new_in_memory(&family, to, creator),
            Some(stored) => self.from_store(&family, stored, to, Some(creator)).await,
        }
    }

    /// As [`Shared::receiver`], where nobody can wait. `Ok(None)`: that takes a look into the store.
    pub(crate) fn receiver_now(self: &Arc<Self>, to: &Address, sender: ActorId) -> Result<Option<Pinned>, SendError> {
        let registry = &self.routing.registry;
        if let Some(pinned) = registry.pin(to) {
            return Ok(Some(pinned));
        }
        let family = registry.family_of(to).ok_or_else(|| SendError::UnknownAddress(to.clone()))?;
        if family.stored.is_some() {
            return Ok(None);
        }
        let creator = registry.by_id(sender).map_or_else(Address::root, |sender| sender.address().clone());
        self.new_in_memory(&family, to, &creator).map(Some)
    }

    /// The actor at an address, for an operator: a member of a family comes into memory if it is in the store, and is not made.
    pub(crate) async fn existing(self: &Arc<Self>, address: &Address) -> Option<Pinned> {
        if let Some(pinned) = self.routing.registry.pin(address) {
            return Some(pinned);
        }
        let family = self.routing.registry.family_of(address)?;
        let stored = family.stored.as_ref()?;
        self.from_store(&family, stored, address, None).await.ok()
    }

    /// Brings members into memory that have messages from earlier runs of the host.
    pub(crate) async fn wake_members(self: Arc<Self>, members: Vec<(Arc<Family>, Address)>) {
        let _not_idle = self.activity.guard();
        for (family, member) in members {
            let in_memory = || {
                let head = self.routing.registry.by_id(family.head);
                head.map_or(0, |head| head.children.lock().len())
            };
            let most = family.slots.usage().1.saturating_mul(4).saturating_add(MOST_WOKEN);
            let space = async {
                while in_memory() >= most {
                    family.left.notified().await;
                }
            };
            let _ = tokio::time::timeout(WAKE_PAUSE, space).await;
            // An error ends the play, which says it.
            drop(self.existing(&member).await);
        }
    }

    /// Adds the members that only the store has to the actors of a group: those directly below `top`, or also those of all families below it.
    /// They are stand-ins: see [`Shared::stand_in`]. No more are added than a turn of the sender may send to, and one.
    pub(crate) async fn add_stored_members(
        &self,
        top: &Address,
        all_below: bool,
        (sender, space): (&Actor, usize),
        found: &mut Vec<Arc<Actor>>,
    ) -> Result<(), SendError> {
        let is_in = |family: &Arc<Family>| {
            family.address() == top || all_below && (top.is_root() || family.address().is_below(top))
        };
        let registry = &self.routing.registry;
        let mut families: Vec<_> =
            registry.families().into_iter().filter(|one| one.stored.is_some() && is_in(one)).collect();
        if families.is_empty() {
            return Ok(());
        }
        families.sort_by(|a, b| a.address().cmp(b.address()));
        let not_stored = |error: StoreError| SendError::not_stored(top, &error);
        let store = self.routing.store().map_err(not_stored)?;
        if let Some(journal) = &self.routing.journal {
            // Only a store that has their birth knows all of them.
            journal.all_durable().await.map_err(not_stored)?;
        }
        let there: HashSet<_> = found.iter().map(|actor| actor.address().clone()).collect();
        for family in families {
            let mut after = None;
            while found.len() <= space {
                let page = store.children(family.address(), after.as_ref(), MEMBERS_PAGE).await;
                let page = page.map_err(|error| not_stored(self.routing.store_read_failed(error)))?;
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                let missing = page.into_iter().filter(|member| !there.contains(member) && member != sender.address());
                for member in missing.filter(|member| family.has_name(member.name())) {
                    found.push(self.stand_in(member)?);
                }
            }
        }
        found.sort_by(|a, b| a.address().cmp(b.address()));
        Ok(())
    }

    /// Measures the state of a member, and lets the supervision look at it again.
    pub(crate) fn measure_member(self: &Arc<Self>, member: Arc<Actor>) {
        let shared = self.clone();
        self.spawn(async move {
            // An error ends the play, which says it.
            if shared.routing.measure_state(&member).await.is_ok() {
                let _ = shared.supervisor.request(Request::Unused(member.id));
            }
        });
    }

    fn new_in_memory(
        self: &Arc<Self>,
        family: &Arc<Family>,
        to: &Address,
        creator: &Address,
    ) -> Result<Pinned, SendError> {
        loop {
            if let Some(pinned) = self.routing.registry.pin(to) {
                return Ok(pinned);
            }
            let head = self.running_head(family).ok_or_else(|| SendError::Stopped(to.clone()))?;
            family.let_in(to, creator)?;
            let member = new_member(family, &head, self.routing.new_id(), family.member_spec(to.clone()), true);
            match self.add_member(&head, member) {
                Added::There(pinned) => return Ok(pinned),
                Added::Beside => {}
                Added::TooLate => return Err(SendError::Stopped(to.clone())),
            }
        }
    }

    /// The member as the store has it; without one there, `creator` makes it.
    async fn from_store(
        self: &Arc<Self>,
        family: &Arc<Family>,
        stored: &StoredMembers,
        to: &Address,
        creator: Option<&Address>,
    ) -> Result<Pinned, SendError> {
        let _loading = family.load(stored, to).await;
        let registry = &self.routing.registry;
        if let Some(pinned) = registry.pin(to) {
            return Ok(pinned);
        }
        let not_stored = |error: StoreError| SendError::not_stored(to, &error);
        let store = self.routing.store().map_err(not_stored)?;
        let removals = self.routing.value_ends.removals();
        let known = self.known_member(stored, &*store, to).await.map_err(not_stored)?;
        let stopped = || SendError::Stopped(to.clone());
        let head = registry.by_id(family.head).ok_or_else(stopped)?;
        let member = if let Some(known) = known {
            let loaded = self.loaded_member((family, stored), &head, &known, &*store).await;
            loaded.map_err(|error| not_stored(self.routing.store_read_failed(error)))?
        } else {
            // Also while the play ends: its message waits in the store then.
            let creator = creator.ok_or_else(|| SendError::UnknownAddress(to.clone()))?;
            family.let_in(to, creator)?;
            self.born_member(family, &head, to)
        };
        if let Some(member) = member.member() {
            member.is_in_store();
        }
        if self.running_head(family).is_none() {
            // The play ends: messages that turns still send wait in the store.
            let (_, _) = member.mailbox.close_at_end();
            let unhandled = member.mailbox.accepted();
            self.routing.count_unhandled(&member, unhandled);
            member.finish(unhandled);
            member.set_presence(Presence::There);
            return registry.add_member(&Arc::new(member)).ok_or_else(stopped);
        }
        match self.add_member(&head, member) {
            Added::There(pinned) => {
                if let Some(state) = pinned.keyed_state.as_ref()
                    && self.routing.value_ends.is_removal_since(removals)
                {
                    state.may_be_smaller();
                }
                Ok(pinned)
            }
            Added::Beside | Added::TooLate => Err(stopped()),
        }
    }

    /// Notes in the store that a member is in use, where members expire. `before`: the time that the store has.
    fn note_use(&self, family: &Family, actor: &Actor, before: Option<Seconds>) {
        let (Some(expiry), Some(member), Some(journal)) = (Expiry::of(family), actor.member(), &self.routing.journal)
        else {
            return;
        };
        let now = self.now_seconds();
        let since = match before {
            Some(before) if !expiry.is_outdated(Some(before), now) => before,
            _ => {
                let note = |draft: &mut _| expiry.note(draft, actor.address(), before, now);
                self.routing.enter(journal, None, EntrySpace::NONE, note);
                now
            }
        };
        member.set_idle_since(since);
    }

    /// A new member, which the store has from now on.
    fn born_member(&self, family: &Arc<Family>, head: &Actor, address: &Address) -> Actor {
        let id = self.routing.new_id();
        let member = new_member(family, head, id, family.member_spec(address.clone()), true);
        if let Some(state) = &member.keyed_state {
            state.restore(StateSize::default(), Vec::new());
        }
        if let Some(journal) = &self.routing.journal {
            let born = Op::Born { actor: id, address: address.clone() };
            self.routing.enter(journal, None, EntrySpace::NONE, |draft| draft.op(born));
        }
        self.note_use(family, &member, None);
        member
    }

    /// The member as the store has it, when everything that is about it is there.
    pub(super) async fn known_member(
        &self,
        stored: &StoredMembers,
        store: &dyn Store,
        to: &Address,
    ) -> Result<Option<StoredActor>, StoreError> {
        let Some(journal) = &self.routing.journal else { return Ok(None) };
        while let Some(left) = stored.left(to) {
            match left {
                Left::After(last) => {
                    journal.durable(last).await?;
                    break;
                }
                Left::Now => tokio::task::yield_now().await,
            }
        }
        store.actor(to).await.map_err(|error| self.routing.store_read_failed(error))
    }

    async fn loaded_member(
        &self,
        (family, stored): (&Arc<Family>, &StoredMembers),
        head: &Actor,
        known: &StoredActor,
        store: &dyn Store,
    ) -> Result<Actor, StoreError> {
        let start = if known.halted == Some(true) { StartKind::Manual } else { StartKind::OnMessage };
        let spec = ActorSpec { start, ..family.member_spec(known.address.clone()) };
        let member = new_member(family, head, known.id, spec, false);
        if let Some(state) = &member.keyed_state {
            state.restore(known.state, known.values.clone());
        }
        if known.timer_ids != TimerIds::default() {
            self.routing.kept_timers.restore_ids(known.id, known.timer_ids);
        }
        if head.mailbox.is_closed() {
            member.mailbox.restore(&[], 0, known.last_number);
            return Ok(member);
        }
        if let Some(expiry) = Expiry::of(family) {
            self.note_use(family, &member, self.idle_since(store, &expiry, &known.address).await?);
        }
        let (suspects, is_unclean) = stored.suspects_of(known.id);
        let restore = MailboxRestore { is_unclean, suspects, host_died: Vec::new() };
        let died = restore.run(self, &member, known, store).await?;
        let Some(journal) = self.routing.journal.as_ref().filter(|_| !died.is_empty()) else { return Ok(member) };
        self.routing.enter(journal, None, EntrySpace::NONE, |draft| {
            for (message, ends) in &died {
                self.routing.letter_in(draft, &member, message.clone(), &DeadReason::HostDied(*ends));
            }
        });
        for (message, ends) in died {
            log_letter(None, &member, &message.envelope, &DeadReason::HostDied(ends));
        }
        Ok(member)
    }

    /// Adds a member to the registry and to the tree.
    fn add_member(self: &Arc<Self>, head: &Actor, member: Actor) -> Added {
        let member = Arc::new(member);
        member.set_presence(Presence::There);
        let Some(pinned) = self.routing.registry.add_member(&member) else { return Added::Beside };
        attend(self, &member);
        if !self.supervisor.request(Request::Spawn(head.id, member.clone())) {
            self.routing.forget(&member);
            return Added::TooLate;
        }
        Added::There(pinned)
    }

    /// The target of a recorded send to a member that is not in memory: it is gone from the beginning, so that the commit looks for the
    /// member, and makes it.
    pub(crate) fn stand_in(&self, to: Address) -> Result<Arc<Actor>, SendError> {
        let registry = &self.routing.registry;
        let family = registry.family_of(&to).ok_or_else(|| SendError::UnknownAddress(to.clone()))?;
        let head = registry.by_id(family.head).ok_or_else(|| SendError::UnknownAddress(to.clone()))?;
        let stand_in = new_member(&family, &head, self.routing.new_id(), family.member_spec(to), false);
        stand_in.set_presence(Presence::Gone);
        Ok(Arc::new(stand_in))
    }

    /// The head of a family whose members may start.
    fn running_head(&self, family: &Family) -> Option<Arc<Actor>> {
        self.routing.registry.by_id(family.head).filter(|head| !head.mailbox.is_closed())
    }
}

/// `counts`: whether the family has counted it.
fn new_member(family: &Arc<Family>, head: &Actor, id: ActorId, spec: ActorSpec, counts: bool) -> Actor {
    let subtree = Subtree::of(&spec.address, spec.limits.subtree.as_deref(), None);
    let member = Some(Box::new(Member::new(family.clone(), counts)));
    let spawned = Spawned { member, ..Spawned::new(head.id, head.incarnation(), spec.code.clone()) };
    Actor::new(id, spec, Some(spawned), Membership::uncounted(subtree))
}
