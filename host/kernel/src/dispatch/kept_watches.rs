//! The watches of stored actors. They belong to the actor, and not to one of its incarnations: a crash, a passivation and the end of the
//! host do not end them. The module `supervisor` begins them and sends their notices.
//!
//! A watch enters with the turn that set it. A notice and the new state of its watch are one entry, and so are the last notice and the
//! end of the watch. The watches lie among the positions of sources, as kept answers do: see [`Origin`].
//!
//! Lock order: the journal, the kept watches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::dispatch::origins::{Origin, origin_gone};
use crate::dispatch::routing::output::Output;
use crate::journal::entry::{FIRST_CHOSEN_TIMER, StoredOrigin};
use crate::journal::order::Draft;
use crate::journal::store::{Store, StoreError};
use crate::words::address::Address;
use crate::words::message::{ActorId, kept_number};

/// The source of all kept watches in the store.
const SOURCE: &str = "watch";
/// The place of the highest id that a watch of an actor ever had, among the ids of its watches.
const LAST_ID: u64 = 0;
/// Watches that are read at a time.
const PAGE: usize = 256;

/// A watch, by its actor and its id.
pub(crate) type WatchPlace = (ActorId, u64);

/// A watch of a stored actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptWatch {
    /// The address that is watched.
    pub(crate) to: Address,
    /// The actor that the supervision found there; none before.
    pub(crate) target: Option<ActorId>,
    /// The number of the target's latest run that the watcher knows of; 0 when it knows of none.
    pub(crate) incarnation: u64,
    /// Whether the target is up, as far as the watcher knows.
    pub(crate) is_up: bool,
    /// Whether the target is stored: then it goes on in the next run of the host.
    pub(crate) lasts: bool,
}

/// The watches of all stored actors.
#[derive(Default)]
pub(crate) struct KeptWatches {
    inner: Mutex<Inner>,
    /// Their number: most plays have none.
    count: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    watches: BTreeMap<WatchPlace, KeptWatch>,
    /// The watches of each target.
    by_target: HashMap<ActorId, BTreeSet<WatchPlace>>,
    /// The highest ids that were given to code, committed or not.
    last_ids: HashMap<ActorId, u64>,
}

impl KeptWatches {
    /// Whether there is no watch.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The number of an actor's watches.
    pub(crate) fn count_of(&self, actor: ActorId) -> usize {
        if self.is_empty() { 0 } else { self.inner.lock().of_actor(actor).count() }
    }

    /// An id that no watch of the actor ever had. Watches of incarnations have lower ones.
    pub(crate) fn choose_id(&self, actor: ActorId) -> u64 {
        let mut inner = self.inner.lock();
        let last = inner.last_ids.entry(actor).or_insert(FIRST_CHOSEN_TIMER - 1);
        *last = kept_number(*last + 1);
        *last
    }

    /// Adds a watch, as a part of the entry of its turn. The supervision has to learn of it.
    pub(crate) fn begin(&self, draft: &mut Draft<Output>, (actor, id): WatchPlace, to: Address) {
        let watch = KeptWatch { to, target: None, incarnation: 0, is_up: false, lasts: false };
        Origin { source: SOURCE, position: &position_of((actor, LAST_ID)), value: &id.to_le_bytes(), is_unique: false }
            .enter_in(draft);
        self.change(draft, (actor, id), watch);
    }

    /// Gives a watch another state, as a part of an entry.
    pub(crate) fn change(&self, draft: &mut Draft<Output>, place: WatchPlace, watch: KeptWatch) {
        let (position, value) = (position_of(place), value_of(&watch));
        Origin { source: SOURCE, position: &position, value: &value, is_unique: false }.enter_in(draft);
        self.insert(place, watch);
    }

    /// Ends a watch, as a part of an entry. An id without a watch has no effect.
    pub(crate) fn end(&self, draft: &mut Draft<Output>, place: WatchPlace) {
        if self.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.remove(place).is_some() {
            origin_gone(draft, SOURCE, &position_of(place));
        }
        self.count.store(inner.watches.len(), Ordering::Release);
    }

    /// Ends all watches of an actor that is gone, as a part of that entry.
    pub(crate) fn end_all_of(&self, draft: &mut Draft<Output>, actor: ActorId) {
        let mut inner = self.inner.lock();
        let places: Vec<_> = inner.of_actor(actor).collect();
        for place in places {
            inner.remove(place);
            origin_gone(draft, SOURCE, &position_of(place));
        }
        if inner.last_ids.remove(&actor).is_some() {
            origin_gone(draft, SOURCE, &position_of((actor, LAST_ID)));
        }
        self.count.store(inner.watches.len(), Ordering::Release);
    }

    /// A watch as it is now; none when it has ended.
    pub(crate) fn get(&self, place: WatchPlace) -> Option<KeptWatch> {
        self.inner.lock().watches.get(&place).cloned()
    }

    /// The watches of a target, in order.
    pub(crate) fn of_target(&self, target: ActorId) -> Vec<WatchPlace> {
        self.inner.lock().by_target.get(&target).into_iter().flatten().copied().collect()
    }

    /// The watches of an actor, in order.
    pub(crate) fn of(&self, actor: ActorId) -> Vec<WatchPlace> {
        self.inner.lock().of_actor(actor).collect()
    }

    /// All watches, in order.
    pub(crate) fn all(&self) -> Vec<WatchPlace> {
        self.inner.lock().watches.keys().copied().collect()
    }

    fn insert(&self, place: WatchPlace, watch: KeptWatch) {
        let mut inner = self.inner.lock();
        inner.remove(place);
        if let Some(target) = watch.target {
            inner.by_target.entry(target).or_default().insert(place);
        }
        inner.watches.insert(place, watch);
        self.count.store(inner.watches.len(), Ordering::Release);
    }

    /// Takes over the watches of earlier runs. Those of actors for which `is_there` does not hold stay in the store alone.
    pub(crate) async fn restore(
        &self,
        store: &dyn Store,
        is_there: impl Fn(ActorId) -> bool,
    ) -> Result<(), StoreError> {
        let mut from = Vec::new();
        loop {
            let page = store.origins(SOURCE, &from, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            // The next one in the order of bytes.
            from = [&last.position[..], &[0]].concat();
            for StoredOrigin { position, value } in page {
                let damaged = || StoreError::Damaged { at: "a watch".to_owned() };
                let (actor, id) = place_of(&position).ok_or_else(damaged)?;
                if !is_there(actor) {
                    continue;
                }
                if id == LAST_ID {
                    let last = u64::from_le_bytes(value[..].try_into().map_err(|_| damaged())?);
                    self.inner.lock().last_ids.insert(actor, last);
                } else {
                    self.insert((actor, id), read(&value).ok_or_else(damaged)?);
                }
            }
        }
    }
}

impl Inner {
    fn of_actor(&self, actor: ActorId) -> impl Iterator<Item = WatchPlace> {
        self.watches.range((actor, 0)..=(actor, u64::MAX)).map(|(place, _)| *place)
    }

    fn remove(&mut self, place: WatchPlace) -> Option<KeptWatch> {
        let watch = self.watches.remove(&place)?;
        if let Some(target) = watch.target
            && let Some(watches) = self.by_target.get_mut(&target)
        {
            watches.remove(&place);
            if watches.is_empty() {
                self.by_target.remove(&target);
            }
        }
        Some(watch)
    }
}

fn position_of((actor, id): WatchPlace) -> [u8; 16] {
    let mut position = [0; 16];
    position[..8].copy_from_slice(&actor.0.to_be_bytes());
    position[8..].copy_from_slice(&id.to_be_bytes());
    position
}

fn place_of(position: &[u8]) -> Option<WatchPlace> {
    let (actor, id) = position.split_first_chunk()?;
    Some((ActorId(u64::from_be_bytes(*actor)), u64::from_be_bytes(id.try_into().ok()?)))
}

/// The flags in a value.
const IS_UP: u8 = 1;
const LASTS: u8 = 2;

/// The target, 0 when there is none; the incarnation; the flags; the address.
fn value_of(watch: &KeptWatch) -> Vec<u8> {
    let KeptWatch { to, target, incarnation, is_up, lasts } = watch;
    let mut value = target.map_or(0, |target| target.0).to_le_bytes().to_vec();
    value.extend_from_slice(&incarnation.to_le_bytes());
    value.push(u8::from(*is_up) * IS_UP + u8::from(*lasts) * LASTS);
    value.extend_from_slice(to.as_str().as_bytes());
    value
}

fn read(value: &[u8]) -> Option<KeptWatch> {
    let (target, rest) = value.split_first_chunk()?;
    let (incarnation, rest) = rest.split_first_chunk()?;
    let (&flags, to) = rest.split_first()?;
    let target = Some(u64::from_le_bytes(*target)).filter(|target| *target != 0).map(ActorId);
    Some(KeptWatch {
        to: Address::parse(std::str::from_utf8(to).ok()?).ok()?,
        target,
        incarnation: u64::from_le_bytes(*incarnation),
        is_up: flags & IS_UP != 0,
        lasts: flags & LASTS != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_comes_back_from_its_value() {
        let to = Address::parse("/a/b").expect("good");
        for (target, is_up, lasts) in
            [(None, false, false), (Some(ActorId(7)), true, false), (Some(ActorId(9)), false, true)]
        {
            let watch = KeptWatch { to: to.clone(), target, incarnation: 3, is_up, lasts };
            let value = value_of(&watch);
            assert_eq!(read(&value), Some(watch));
            assert_eq!(read(&value[..16]), None);
        }
        let place = (ActorId(7), 9);
        assert_eq!(place_of(&position_of(place)), Some(place));
        assert_eq!(place_of(&position_of(place)[1..]), None);
    }

    #[test]
    fn id_of_a_watch_is_never_given_again() {
        let watches = KeptWatches::default();
        let first = watches.choose_id(ActorId(1));
        assert!(first >= FIRST_CHOSEN_TIMER && watches.choose_id(ActorId(1)) > first);
        assert_eq!(watches.choose_id(ActorId(2)), first, "each actor counts alone");
    }
}
