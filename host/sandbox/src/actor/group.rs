//! Actors that share an instance: a group for each set of limits and grants, and one instance of it after another.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use playhouse_kernel::{Address, Crash, CrashReason, ResourceUse, TaskCrashes};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::guest::Guest;
use super::incarnation::IncarnationData;
use super::setup::InstanceSetup;

/// The numbers of groups, for the kernel.
static LAST_GROUP: AtomicU64 = AtomicU64::new(0);

/// Actors of one plugin that share an instance, because nothing distinguishes what they may do.
pub(crate) struct Group {
    /// Unique in the process.
    pub(super) number: u64,
    pub(super) setup: InstanceSetup,
    /// The grants of the parent that their own ones are limited to; none for actors without grants, and without a parent.
    above: Option<Arc<dyn Any + Send + Sync>>,
    /// The memory of its instance, and the heads of its requests, for readers.
    pub(super) uses: Arc<ResourceUse>,
    /// The instance that new incarnations join; none without any incarnation.
    current: Mutex<Option<Arc<SharedInstance>>>,
}

/// One instance of a group, and the incarnations in it.
pub(super) struct SharedInstance {
    /// Entered in order of arrival. None before it is made, and after it broke.
    guest: Arc<AsyncMutex<Option<Guest>>>,
    /// Whether it was made.
    is_made: AtomicBool,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// By their numbers.
    all: Vec<Option<Member>>,
    free: Vec<u32>,
    /// Why it broke.
    broken: Option<CrashReason>,
}

struct Member {
    crashes: TaskCrashes,
    /// Whether its code has begun, so that it is lost with the instance.
    has_begun: bool,
}

impl Group {
    pub(super) fn new(setup: InstanceSetup, above: Option<Arc<dyn Any + Send + Sync>>) -> Arc<Self> {
        let number = LAST_GROUP.fetch_add(1, Relaxed);
        Arc::new(Self { number, setup, above, uses: Arc::default(), current: Mutex::default() })
    }

    /// Whether an actor with this setup, and grants limited to those of this parent, belongs to the group.
    pub(super) fn is_for(&self, setup: &InstanceSetup, above: Option<&Arc<dyn Any + Send + Sync>>) -> bool {
        let same_above = match (&self.above, above) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        // A native parent, such as a gateway, limits no grants: an actor without any must not get those of an actor below that one.
        let same_grants = self.setup.resources.grants.gives_the_same(&setup.resources.grants);
        let same_bounds = self.setup.limits == setup.limits && self.setup.accounts.is_same(&setup.accounts);
        same_above && same_grants && same_bounds
    }

    /// Admits an incarnation to the instance of the group, and gives the incarnation a number.
    pub(super) fn join(&self, crashes: TaskCrashes) -> (Arc<SharedInstance>, u32) {
        let mut current = lock(&self.current);
        let usable = current.as_ref().filter(|instance| lock(&instance.members).broken.is_none());
        let instance = usable.cloned().unwrap_or_default();
        let number = lock(&instance.members).join(crashes);
        *current = Some(instance.clone());
        (instance, number)
    }

    /// Removes an incarnation if it is the last one in its instance, which ends with it.
    pub(super) fn release_last(&self, instance: &Arc<SharedInstance>, number: u32) -> bool {
        let mut current = lock(&self.current);
        let mut members = lock(&instance.members);
        let is_last = members.len() == 1;
        if is_last {
            members.remove(number);
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, instance)) {
                // The last but one reference: that of the caller is dropped with the incarnation.
                *current = None;
            }
        }
        is_last
    }

    /// Removes an incarnation whose value is not in the instance any more, or never was.
    pub(super) fn release(&self, instance: &Arc<SharedInstance>, number: u32) {
        if !self.release_last(instance, number) {
            lock(&instance.members).remove(number);
        }
    }
}

impl Default for SharedInstance {
    fn default() -> Self {
        Self { guest: Arc::default(), is_made: AtomicBool::new(false), members: Mutex::default() }
    }
}

impl SharedInstance {
    pub(super) fn is_made(&self) -> bool {
        self.is_made.load(Relaxed)
    }

    pub(super) fn set_made(&self) {
        self.is_made.store(true, Relaxed);
    }

    /// Whether other incarnations are in the instance.
    pub(super) fn has_others(&self) -> bool {
        lock(&self.members).len() > 1
    }

    /// Notes that the code of an incarnation begins.
    pub(super) fn begin(&self, number: u32) {
        if let Some(Some(member)) = lock(&self.members).all.get_mut(number as usize) {
            member.has_begun = true;
        }
    }

    /// The crash of an incarnation that was in the instance when it broke; none while it has not.
    pub(super) fn loss(&self) -> Option<Crash> {
        lock(&self.members).broken.clone().map(Crash::new)
    }

    /// Waits for the instance. The wait is a wait for the host.
    pub(super) async fn take(&self, incarnation: &mut IncarnationData) -> OwnedMutexGuard<Option<Guest>> {
        if let Ok(guest) = self.guest.clone().try_lock_owned() {
            return guest;
        }
        let wait = incarnation.turn.get_mut().host_wait("shared instance");
        wait.wait(self.guest.clone().lock_owned()).await
    }

    /// Ends all incarnations in the instance because of this one, which ends by itself. Gives the number of the others.
    pub(super) fn break_by(&self, number: u32, culprit: Address, how: String) -> usize {
        let reason = CrashReason::SharedInstance { culprit, how };
        let mut members = lock(&self.members);
        members.broken = Some(reason.clone());
        let others = members.all.iter_mut().enumerate().filter(|(other, _)| *other != number as usize);
        let lost = others.filter_map(|(_, member)| member.as_mut().filter(|member| member.has_begun));
        lost.map(|member| member.crashes.report(Crash::new(reason.clone()))).count()
    }
}

impl Members {
    fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    fn remove(&mut self, number: u32) {
        self.all[number as usize] = None;
        self.free.push(number);
    }

    fn join(&mut self, crashes: TaskCrashes) -> u32 {
        let member = Some(Member { crashes, has_begun: false });
        if let Some(number) = self.free.pop() {
            self.all[number as usize] = member;
            return number;
        }
        self.all.push(member);
        u32::try_from(self.all.len() - 1).expect("an instance has no memory for more")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
