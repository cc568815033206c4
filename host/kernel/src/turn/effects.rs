//! Effects of a message other than sends: children that start and stop, timers, watches. They are recorded among its sends
//! and committed in their order.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::{Hook, Route, Turn};
use crate::actor::Actor;
use crate::actor::code::Code;
use crate::actor::template::Config;
use crate::dispatch::requests::Request;
use crate::dispatch::routing::delivery::{Run, check_size};
use crate::dispatch::timers::{Timer, Timers};
use crate::turn::spawn::{Draft, SpawnError, StopError};
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::message::{ActorId, Envelope};
use crate::words::notice::{Change, Notice, WatchError, Watcher};
use crate::words::overrun::{MAX_CONFIG_BYTES, Overrun};
use crate::words::send_error::SendError;
use crate::words::state::State;

/// Timer ids that the kernel chooses begin here; those that the code chooses are below.
pub(super) const CHOSEN_HERE: u64 = 1 << 63;
/// The shortest period of a timer.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// Why a timer was not set. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimerError {
    /// Its message could not be sent.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The actor has all timers that its limit allows.
    #[error("`{actor}` has all {most} timers that `limits.timers` allows")]
    TooManyTimers {
        /// The actor.
        actor: Address,
        /// The limit.
        most: usize,
    },
}

/// An effect other than a send, ordered among the sends.
pub(super) enum Effect {
    Spawn {
        route: usize,
    },
    Adopt {
        route: usize,
        code: Code,
    },
    Stop {
        route: usize,
    },
    /// The body lies in the range of this effect's run.
    Timer {
        route: usize,
        id: u64,
        wait: Duration,
        again: bool,
        bytes: usize,
        envelope: Envelope,
    },
    Cancel {
        id: u64,
    },
    Watch {
        id: u64,
        address: Address,
    },
    Unwatch {
        id: u64,
    },
}

/// A reserved child: its name is taken until the turn is over.
pub(super) struct Reservation {
    pub(super) route: usize,
    /// The message that reserved it; none for a hook.
    pub(super) message: Option<usize>,
    /// Whether the spawn was recorded; otherwise it is only reserved.
    pub(super) recorded: bool,
    adopts: Option<Code>,
}

/// The effects that are recorded and not yet committed, and the timers that are set.
#[derive(Default)]
pub(super) struct Effects {
    /// One for each run with the route [`Run::EFFECT`], in the same order.
    pub(super) queue: VecDeque<Effect>,
    pub(super) reserved: Vec<Reservation>,
    /// The watches of this incarnation, those in the queue included.
    watches: BTreeSet<u64>,
    last_watch: u64,
    /// Number of timers in the queue, and bytes of their messages.
    timers: usize,
    timer_bytes: usize,
    /// The last id of each kind: given by the code, and chosen by the kernel.
    pub(super) last_given: u64,
    last_chosen: u64,
    set: Option<Timers>,
    /// The incarnation is at its end: no more timers are set.
    ended: bool,
}

impl Effects {
    /// Drops the last `count` recorded effects.
    fn drop_last(&mut self, count: usize) {
        for effect in self.queue.drain(self.queue.len() - count..) {
            match effect {
                Effect::Timer { bytes, .. } => {
                    self.timers -= 1;
                    self.timer_bytes -= bytes;
                }
                Effect::Watch { id, .. } => drop(self.watches.remove(&id)),
                _ => {}
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.drop_last(self.queue.len());
        self.reserved.clear();
    }
}

impl Turn {
    /// Records that a child starts: `plugin` is one of the plan's, `name` is taken from now on.
    pub fn spawn(&mut self, name: &str, plugin: &str, config: Config) -> Result<(), SpawnError> {
        let message = self.current();
        let route = self.reserve_for(name, plugin, config, message)?;
        self.record_spawn(route)?;
        Ok(())
    }

    /// Takes the name for a child of one message of the turn, which records the spawn by [`super::Bulk::spawn`]. Returns the
    /// number of its route.
    pub fn reserve(&mut self, name: &str, plugin: &str, config: Config, message: usize) -> Result<u32, SpawnError> {
        let route = self.reserve_for(name, plugin, config, Some(message))?;
        Ok(super::bulk::number(route))
    }

    fn reserve_for(
        &mut self,
        name: &str,
        plugin: &str,
        config: Config,
        message: Option<usize>,
    ) -> Result<usize, SpawnError> {
        if self.hook == Some(Hook::Shutdown) {
            // This holds for a passivation, too, although no one stopped the actor.
            return Err(SpawnError::Stopping(self.address().clone()));
        }
        if let Ok(address) = self.address().child(name)
            && self.reserved_at(&address).is_some()
        {
            return Err(SpawnError::Duplicate(address));
        }
        if config.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_CONFIG_BYTES {
            self.too_far(Overrun::Config)?;
        }
        let reserved = self.effects.reserved.iter().filter(|child| child.adopts.is_none()).count();
        let adopting = self.hook.is_some();
        let parent = (&*self.actor, self.incarnation);
        let (target, adopts) = match self.shared.draft(parent, (name, plugin), config, reserved, adopting)? {
            Draft::New(child) => (child, None),
            Draft::Orphan(orphan, code) => (orphan, Some(code)),
        };
        self.routes.push(Route { target, lasting: adopts.is_some() });
        let route = self.routes.len() - 1;
        self.effects.reserved.push(Reservation { route, message, recorded: false, adopts });
        Ok(route)
    }

    /// Records the spawn of a child that the current message reserved; false when it did not reserve it, or has recorded it
    /// already.
    pub(super) fn record_spawn(&mut self, route: usize) -> Result<bool, Overrun> {
        let message = self.current();
        let of_message =
            |child: &&mut Reservation| (child.route, child.message, child.recorded) == (route, message, false);
        let Some(child) = self.effects.reserved.iter_mut().find(of_message) else { return Ok(false) };
        child.recorded = true;
        let effect = match child.adopts.clone() {
            Some(code) => Effect::Adopt { route, code },
            None => Effect::Spawn { route },
        };
        self.push_effect(effect)?;
        Ok(true)
    }

    /// Records that a child stops for good. `child` is its name or its address.
    pub fn stop(&mut self, child: &str) -> Result<(), StopError> {
        let route = self.child_route(child)?;
        Ok(self.push_effect(Effect::Stop { route })?)
    }

    /// The number of a spawned child for [`super::Bulk::stop`].
    pub fn find_child(&mut self, child: &str) -> Result<u32, StopError> {
        self.child_route(child).map(super::bulk::number)
    }

    fn child_route(&mut self, child: &str) -> Result<usize, StopError> {
        let address = self.address().resolve(child)?;
        match (self.reserved_at(&address), self.shared.routing.registry.get(&address)) {
            (Some(route), _) => Ok(route),
            (None, None) => Err(StopError::UnknownAddress(address)),
            (None, Some(target)) if self.has_spawned(&target) => Ok(self.route_to(target, true)),
            (None, Some(_)) => Err(StopError::NotSpawned(address)),
        }
    }

    pub(super) fn has_spawned(&self, child: &Actor) -> bool {
        child.is_spawned_by(&self.actor, self.incarnation)
    }

    /// The names of the children that exist, sorted.
    pub fn children(&self) -> Vec<String> {
        self.actor.names_of_children(self.incarnation)
    }

    /// The address at a path, absolute or relative, if an actor there takes messages now.
    pub fn lookup(&self, path: &str) -> Option<Address> {
        let address = self.address().resolve(path).ok()?;
        self.shared.routing.registry.get(&address).filter(|actor| actor.is_there()).map(|_| address)
    }

    /// The state of the actor at a path, after everything committed so far; none when there is no such actor.
    pub async fn state(&self, path: &str) -> Option<State> {
        let address = self.address().resolve(path).ok()?;
        self.shared.state(address).await
    }

    /// Records a timer: it sends to `to` once, `delay` after the commit. `to` may be this actor itself. Returns the timer's
    /// id.
    pub fn tell_after(&mut self, to: &str, body: &[u8], delay: Duration) -> Result<u64, TimerError> {
        self.timer(to, body, delay, false)
    }

    /// As [`Turn::tell_after`], and then again after each `period`.
    pub fn tell_every(&mut self, to: &str, body: &[u8], period: Duration) -> Result<u64, TimerError> {
        self.timer(to, body, period, true)
    }

    /// Records that a timer of this incarnation is cancelled.
    pub fn cancel(&mut self, id: u64) {
        let _ = self.push_effect(Effect::Cancel { id });
    }

    /// The notice in the current message, about an actor that this one watches; none for an ordinary message.
    pub fn notice(&self) -> Option<Notice> {
        if !self.has_notices {
            return None;
        }
        let index = self.current().filter(|&index| self.batch.envelope(index).sender == ActorId::NOTICE)?;
        Notice::read(self.batch.body(index)).map(|(_, notice)| notice)
    }

    /// Whether the messages of the turn may contain a notice.
    pub fn has_notices(&self) -> bool {
        self.has_notices
    }

    /// Records a watch: from the commit on, for the rest of this incarnation, this actor gets notices about another one.
    /// Returns the watch's id. An address without an actor causes a notice, too.
    pub fn watch(&mut self, to: &str) -> Result<u64, WatchError> {
        let (from, spec) = (self.address().clone(), &self.actor.spec);
        let to = from.resolve(to)?;
        if !spec.code.watches() || spec.instances > 1 {
            return Err(WatchError::NotAWatcher(from));
        }
        if !to.is_below(&from) && from.parent().as_ref() != Some(&to) && !spec.is_granted(&to) {
            return Err(WatchError::NotGranted { from, to });
        }
        let most = spec.max_watches;
        if self.effects.watches.len() >= most {
            return Err(WatchError::TooManyWatches { actor: from, most });
        }
        let id = self.effects.last_watch + 1;
        self.push_effect(Effect::Watch { id, address: to })?;
        self.effects.last_watch = id;
        self.effects.watches.insert(id);
        Ok(id)
    }

    /// Records that a watch of this incarnation ends. A notice that is already in the mailbox is still handled.
    pub fn unwatch(&mut self, id: u64) {
        let _ = self.push_effect(Effect::Unwatch { id });
    }

    /// Whether a notice is for this incarnation. The last notice of a watch frees its place for another watch.
    pub(crate) fn hears(&mut self, notice: &[u8]) -> bool {
        let Some((incarnation, notice)) = Notice::read(notice) else { return false };
        let hears = incarnation == self.incarnation;
        if hears && notice.change == Change::Gone {
            self.effects.watches.remove(&notice.watch);
        }
        hears
    }

    fn timer(&mut self, to: &str, body: &[u8], wait: Duration, again: bool) -> Result<u64, TimerError> {
        let own = self.address().resolve(to).is_ok_and(|address| address == *self.address());
        let sender = self.cause().sender;
        let route = if own { self.own() } else { self.route(to, sender)? };
        check_size(&self.routes[route].target, body)?;
        if let (0, most) = self.timer_capacity() {
            return Err(TimerError::TooManyTimers { actor: self.address().clone(), most });
        }
        self.admit_timer(body.len()).map_err(SendError::from)?;
        let id = CHOSEN_HERE + self.effects.last_chosen;
        self.effects.last_chosen += 1;
        let from = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.push_timer((route, id, wait, again), from, self.bytes.len());
        Ok(id)
    }

    /// How many more timers may be recorded, and the limit on timers.
    pub fn timer_capacity(&self) -> (usize, usize) {
        let set = self.effects.set.as_ref().map_or(0, Timers::len);
        let most = self.actor.spec.max_timers;
        (most.saturating_sub(set + self.effects.timers), most)
    }

    /// The route to this actor itself.
    pub(super) fn own(&mut self) -> usize {
        let granted = self.actor.spec.is_granted(self.address());
        self.route_to(self.actor.clone(), granted)
    }

    pub(super) fn push_effect(&mut self, effect: Effect) -> Result<(), Overrun> {
        self.admit(0)?;
        self.push_effect_at(effect, 0, 0);
        Ok(())
    }

    fn push_effect_at(&mut self, effect: Effect, from: usize, to: usize) {
        self.recorded += 1;
        self.runs.push(Run { route: Run::EFFECT, from, to, messages: 0 });
        self.effects.queue.push_back(effect);
    }

    pub(super) fn push_timer(&mut self, timer: (usize, u64, Duration, bool), from: usize, to: usize) {
        let (route, id, wait, again) = timer;
        let envelope = self.caused_envelope(crate::ReplyToken::NONE);
        self.push_effect_at(Effect::Timer { route, id, wait, again, bytes: to - from, envelope }, from, to);
        self.effects.timers += 1;
        self.effects.timer_bytes += to - from;
    }

    /// Bytes of the messages of its timers, including timers that are not set yet.
    pub(super) fn timer_bytes(&self) -> usize {
        self.effects.timer_bytes + self.effects.set.as_ref().map_or(0, Timers::bytes)
    }

    /// The route of the reserved child with this address.
    pub(super) fn reserved_at(&self, address: &Address) -> Option<usize> {
        let routes = self.effects.reserved.iter().map(|child| child.route);
        routes.into_iter().find(|&route| self.routes[route].target.address() == address)
    }

    /// Whether messages may send to a child that does not exist yet: the commit of this turn starts it.
    pub(super) fn will_be_there(&self, route: usize) -> bool {
        self.effects.reserved.iter().any(|child| child.route == route && child.recorded)
    }

    /// Drops the effects among the runs from `first` on, which the current message, or the hook, recorded.
    pub(super) fn drop_effects_from(&mut self, first: usize) {
        let count = self.runs[first..].iter().filter(|run| run.route == Run::EFFECT).count();
        if count > 0 {
            self.effects.drop_last(count);
        }
        if !self.effects.reserved.is_empty() {
            let message = self.current();
            self.effects.reserved.retain(|child| child.message != message);
        }
    }

    /// Carries out the next effect in the queue; the next run is its place.
    pub(super) fn carry_out(&mut self) {
        match self.effects.queue.pop_front().expect("there is one for each such send") {
            Effect::Spawn { route } => {
                self.effects.reserved.retain(|child| child.route != route);
                let entry = &mut self.routes[route];
                entry.lasting = true;
                self.routes_by_id.insert(entry.target.id, route);
                self.shared.bring_up(&self.actor, &entry.target);
            }
            Effect::Adopt { route, code } => {
                self.effects.reserved.retain(|child| child.route != route);
                self.shared.adopt(&self.routes[route].target, code, self.incarnation);
            }
            Effect::Stop { route } => self.shared.dismiss(&self.routes[route].target),
            Effect::Timer { route, id, wait, again, bytes, envelope } => {
                self.effects.timers -= 1;
                self.effects.timer_bytes -= bytes;
                if self.effects.ended {
                    return;
                }
                let Run { from, to, .. } = self.runs[self.runs_delivered];
                let wait = if again { wait.max(SHORTEST_PERIOD) } else { wait };
                let timer = Timer {
                    target: self.routes[route].target.clone(),
                    envelope,
                    body: self.bytes[from..to].to_vec(),
                    period: again.then_some(wait),
                    latest: None,
                };
                let (shared, actor) = (&self.shared, &self.actor);
                let set = self.effects.set.get_or_insert_with(|| Timers::new(shared.clone(), actor.clone()));
                set.set(id, later(wait), timer);
            }
            Effect::Watch { id, address } => {
                let pending = self.shared.activity.guard();
                let _ = self.shared.supervisor.request(Request::Watch(self.watcher(), id, address, pending));
            }
            Effect::Unwatch { id } => {
                self.effects.watches.remove(&id);
                let _ = self.shared.supervisor.request(Request::Unwatch(self.watcher(), id));
            }
            Effect::Cancel { id } => {
                if let Some(set) = &self.effects.set {
                    set.cancel(id);
                }
            }
        }
    }

    /// Whether a timer, a watch or a child depends on this incarnation.
    pub(crate) fn is_attached(&self) -> bool {
        let effects = &self.effects;
        effects.set.as_ref().is_some_and(|set| set.len() > 0)
            || !effects.watches.is_empty()
            || !self.actor.children.lock().is_empty()
    }

    fn watcher(&self) -> Watcher {
        Watcher { actor: self.actor.id, incarnation: self.incarnation }
    }

    /// Ends all timers: the incarnation is at its end, and no timer fires or is set.
    pub(crate) fn end_timers(&mut self) {
        self.effects.ended = true;
        self.effects.set = None;
    }
}
