//! The kernel of the test harness: a few collections, and the host's rules for the commit of a turn's effects.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use playhouse_frame::{Metadata, check_key, cost_of};

use super::address::check_address;
use super::effects::{Child, Sent};
use super::turn_effects::{Effect, Timer, Value};
use crate::envelope::Envelope;
use crate::errors::{AskError, MetricError, SendError, SpawnError, StateError, StopError, TimerError, WatchError};
use crate::kernel::Kernel;
use crate::log::Level;
use crate::reply::Reply;
use crate::result::Result;
use crate::spawn_options::SpawnOptions;
use crate::status::ActorState;
use crate::timer::TimerId;

pub(super) type Answer = Box<dyn FnMut(&Sent) -> Result<Reply, AskError>>;

/// The default of `limits.effects`.
const MOST_EFFECTS: usize = 65_536;

/// The kernel of a test. Its fields are of three kinds: the answers that a test prepares, the effects that the actor recorded,
/// and the clock.
#[derive(Default)]
pub(super) struct FakeKernel {
    pub(super) address: String,
    pub(super) incarnation: u64,
    pub(super) config: HashMap<String, String>,
    pub(super) answers: RefCell<HashMap<String, Answer>>,
    pub(super) refusals: HashMap<String, SendError>,
    pub(super) refused_spawns: HashMap<String, SpawnError>,
    pub(super) others: BTreeMap<String, ActorState>,
    pub(super) most_timers: u32,
    /// The declared metrics; none when the test declares none, and all names are allowed.
    pub(super) metrics: Option<BTreeSet<String>>,
    /// The envelope of the current message.
    pub(super) envelope: RefCell<Option<Envelope>>,
    /// The metadata of the reply to the current message.
    pub(super) reply_metadata: RefCell<Metadata>,
    /// The effects of the current turn, in order: committed, or dropped.
    done: RefCell<Vec<Effect>>,
    pub(super) sent: RefCell<Vec<Sent>>,
    pub(super) asked: RefCell<Vec<Sent>>,
    pub(super) logged: RefCell<Vec<(Level, String)>>,
    pub(super) spawned: RefCell<Vec<Child>>,
    /// The watches in the order in which they were set.
    pub(super) watched: RefCell<Vec<(u64, String)>>,
    /// The sums of counts, and the observed values, by metric.
    pub(super) counted: RefCell<BTreeMap<String, u64>>,
    pub(super) observed: RefCell<BTreeMap<String, Vec<f64>>>,
    /// The actor's state, and its bounds: `state.bytes` and `state.value`. No bounds: the actor has no state.
    pub(super) state: RefCell<BTreeMap<String, Value>>,
    pub(super) state_bounds: Option<(u64, u64)>,
    /// The time of values that have no time of their own: `state.expire`.
    pub(super) state_expire_ms: Option<u64>,
    /// Whether the actor has a durable mailbox: then the timers and watches of its messages belong to it, and not to an incarnation.
    pub(super) is_durable: bool,
    /// The plugins whose actors have a durable mailbox: such children of a durable actor belong to it.
    pub(super) durable_plugins: BTreeSet<String>,
    /// Set in hooks that run at each start.
    pub(super) is_starting: Cell<bool>,
    /// The watches that belong to the actor.
    kept_watches: RefCell<BTreeSet<u64>>,
    last_watch: Cell<u64>,
    now_ms: Cell<u64>,
    last_timer: Cell<u64>,
    /// The timers by due time, and in the order in which they were set.
    set: RefCell<BTreeMap<(u64, u64), Timer>>,
}

/// The longest time of a value in the host: 100 years.
const LONGEST_LIFETIME_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

impl FakeKernel {
    pub(super) fn new() -> Self {
        let state_bounds = Some((64 << 20, 1 << 20));
        Self { address: "/actor".to_owned(), incarnation: 1, most_timers: 1024, state_bounds, ..Self::default() }
    }

    pub(super) fn end_turn(&self, commit: bool) {
        self.envelope.take();
        let done = self.done.take();
        for effect in done.into_iter().filter(|_| commit) {
            match effect {
                Effect::Told(message) => self.sent.borrow_mut().push(message),
                Effect::Spawned(child) => self.spawned.borrow_mut().push(child),
                Effect::Stopped(name) => self.spawned.borrow_mut().retain(|child| child.name != name),
                Effect::Set(id, timer) => {
                    let due = self.now_ms.get().saturating_add(timer.wait_ms);
                    self.set.borrow_mut().insert((due, id), timer);
                }
                Effect::Watched(id, to, is_kept) => {
                    self.watched.borrow_mut().push((id, to));
                    self.kept_watches.borrow_mut().extend(is_kept.then_some(id));
                }
                Effect::Unwatched(id) => self.watched.borrow_mut().retain(|(other, _)| *other != id),
                Effect::Counted(name, by) => {
                    let mut counted = self.counted.borrow_mut();
                    let sum = counted.entry(name).or_default();
                    *sum = sum.saturating_add(by);
                }
                Effect::Observed(name, value) => self.observed.borrow_mut().entry(name).or_default().push(value),
                Effect::Changed(key, Some((bytes, time_ms))) => {
                    let ends_ms = time_ms.map(|time| self.now_ms.get().saturating_add(time));
                    self.state.borrow_mut().insert(key, Value { bytes, ends_ms });
                }
                Effect::Changed(key, None) => drop(self.state.borrow_mut().remove(&key)),
                Effect::Cancelled(id) => self.set.borrow_mut().retain(|(_, set), _| *set != id),
            }
        }
    }

    /// Ends the incarnation as a crash does: what belonged to it goes.
    pub(super) fn end_incarnation(&mut self) {
        self.envelope.take();
        self.done.take();
        self.set.get_mut().retain(|_, timer| timer.is_kept);
        let kept = self.kept_watches.get_mut();
        self.watched.get_mut().retain(|(id, _)| kept.contains(id));
        let durable = &self.durable_plugins;
        self.spawned.get_mut().retain(|child| durable.contains(&child.plugin));
        self.incarnation += 1;
    }

    /// The state with the changes of the current turn.
    pub(super) fn state_now(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.borrow();
        let is_there = |value: &Value| value.ends_ms.is_none_or(|ends| ends > self.now_ms.get());
        let there = state.iter().filter(|(_, value)| is_there(value));
        let mut state: BTreeMap<_, _> = there.map(|(key, value)| (key.clone(), value.bytes.clone())).collect();
        for effect in &*self.done.borrow() {
            match effect {
                Effect::Changed(key, Some((value, _))) => drop(state.insert(key.clone(), value.clone())),
                Effect::Changed(key, None) => drop(state.remove(key)),
                _ => {}
            }
        }
        state
    }

    /// The bounds of the state, for a key that keeps the rule.
    fn state_for(&self, key: &str) -> Result<(u64, u64), StateError> {
        let why = || {
            format!(
                "`{}` has no state: add a table [actor.state] to its [[actor]], whose mailbox must be durable",
                self.address
            )
        };
        let bounds = self.state_bounds.ok_or_else(|| StateError::NotGranted(why()))?;
        check_key(key).map_err(|error| StateError::BadKey(error.to_string()))?;
        Ok(bounds)
    }

    /// Records that the current message gives a key a value, with a time in milliseconds.
    fn set(&self, key: &str, value: &[u8], time_ms: Option<u64>) -> Result<(), StateError> {
        let (limit_bytes, value_bytes) = self.state_for(key)?;
        if value.len() as u64 > value_bytes {
            return Err(StateError::TooLarge { limit_bytes: value_bytes });
        }
        let mut state = self.state_now();
        state.insert(key.to_owned(), value.to_vec());
        if state.iter().map(|(key, value)| cost_of(key, value.len())).sum::<u64>() > limit_bytes {
            return Err(StateError::Full { limit_bytes });
        }
        self.did(Effect::Changed(key.to_owned(), Some((value.to_vec(), time_ms))));
        Ok(())
    }

    pub(super) fn advance(&self, ms: u64) {
        let until = self.now_ms.get().saturating_add(ms);
        let mut set = self.set.borrow_mut();
        while let Some(first) = set.first_entry().filter(|first| first.key().0 <= until) {
            let ((due, id), timer) = first.remove_entry();
            self.sent.borrow_mut().push(timer.message.clone());
            if timer.again {
                set.insert((due.saturating_add(timer.wait_ms), id), timer);
            }
        }
        self.now_ms.set(until);
    }

    /// Whether a timer, a watch or a child keeps the actor from being passivated.
    pub(super) fn is_attached(&self) -> bool {
        let below = format!("{}/", self.address);
        let has_children =
            !self.spawned.borrow().is_empty() || self.others.keys().any(|other| other.starts_with(&below));
        let has_timers = self.set.borrow().values().any(|timer| !timer.is_kept);
        let kept = self.kept_watches.borrow();
        has_children || has_timers || self.watched.borrow().iter().any(|(id, _)| !kept.contains(id))
    }

    pub(super) fn timers(&self) -> Vec<TimerId> {
        self.set.borrow().keys().map(|(_, id)| TimerId(*id)).collect()
    }

    fn full(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.address) }
    }

    fn address_message(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<Sent, SendError> {
        let to = self.full(to);
        check_address(&to)?;
        match self.refusals.get(&to) {
            Some(error) => Err(error.clone()),
            None => Ok(Sent { to, body: body.to_owned(), metadata: metadata.clone() }),
        }
    }

    /// Whether a child of this name was spawned, in this turn or before, and not stopped.
    fn has_spawned(&self, name: &str) -> bool {
        let before = self.spawned.borrow().iter().any(|child| child.name == name);
        let is_child = |effect: &&Effect| matches!(effect, Effect::Spawned(child) if child.name == name);
        before || self.done.borrow().iter().any(|effect| is_child(&effect))
    }

    /// The addresses of a group, sorted: other actors of the setup, and children that were spawned, in this turn or before.
    fn members(&self, group: &str) -> Result<Vec<String>, SendError> {
        let (top, all_below) = if let Some(top) = group.strip_suffix("**") {
            (top, true)
        } else {
            let no_group = || SendError::BadAddress(format!("{group:?} does not end with `*` or `**`"));
            (group.strip_suffix('*').ok_or_else(no_group)?, false)
        };
        let below = self.full(top);
        if let Some(top) = below.strip_suffix('/').filter(|top| !top.is_empty()) {
            check_address(top)?;
            if top != self.address && !self.others.contains_key(top) && !self.is_child(top) {
                return Err(SendError::UnknownAddress(top.to_owned()));
            }
        }
        let others =
            self.others.iter().filter(|(_, state)| **state != ActorState::Ended).map(|(address, _)| address.clone());
        let mut there: Vec<_> = others.chain(self.children_now()).collect();
        there.retain(|address| match address.strip_prefix(&below) {
            Some(rest) => *address != self.address && (all_below || !rest.contains('/')),
            None => false,
        });
        there.sort();
        Ok(there)
    }

    /// The addresses of the children that were spawned and not stopped, in this turn or before.
    fn children_now(&self) -> Vec<String> {
        let mut names: Vec<_> = self.spawned.borrow().iter().map(|child| child.name.clone()).collect();
        for effect in &*self.done.borrow() {
            match effect {
                Effect::Spawned(child) => names.push(child.name.clone()),
                Effect::Stopped(name) => names.retain(|other| other != name),
                _ => {}
            }
        }
        names.iter().map(|name| self.full(name)).collect()
    }

    fn is_child(&self, address: &str) -> bool {
        self.children_now().iter().any(|child| child == address)
    }

    fn check_metric(&self, name: &str) -> Result<(), MetricError> {
        match &self.metrics {
            Some(declared) if !declared.contains(name) => Err(MetricError::Undeclared(format!(
                "`{}` has no metric `{}`: add the name to `metrics` of its [[actor]] in the manifest",
                self.address,
                name.escape_debug()
            ))),
            _ => Ok(()),
        }
    }

    /// Records an effect. Beyond the limit the host ends the incarnation; here the test panics.
    fn did(&self, effect: Effect) {
        let fits = self.done.borrow().len() < MOST_EFFECTS;
        assert!(fits, "asked for more than {MOST_EFFECTS} sends and other effects in one turn (limits.effects)");
        self.done.borrow_mut().push(effect);
    }
}

impl Kernel for Rc<FakeKernel> {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn config(&self, key: &str) -> Option<String> {
        self.config.get(key).cloned()
    }

    fn envelope(&self) -> Option<Envelope> {
        self.envelope.borrow().clone()
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        self.tell_with(to, &Metadata::new(), body)
    }

    fn tell_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError> {
        let message = self.address_message(to, metadata, body)?;
        self.did(Effect::Told(message));
        Ok(())
    }

    fn tell_all(&self, to: &str, body: &[u8]) -> Result<u32, SendError> {
        self.tell_all_with(to, &Metadata::new(), body)
    }

    fn tell_all_with(&self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<u32, SendError> {
        let sends: Vec<_> =
            self.members(to)?.iter().map(|to| self.address_message(to, metadata, body)).collect::<Result<_, _>>()?;
        let count = sends.len() as u32;
        for message in sends {
            self.did(Effect::Told(message));
        }
        Ok(count)
    }

    fn ask(&self, to: &str, body: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        self.ask_with(to, &Metadata::new(), body, timeout).map(|reply| reply.body)
    }

    fn ask_with(&self, to: &str, metadata: &Metadata, body: &[u8], _timeout: Duration) -> Result<Reply, AskError> {
        let question = self.address_message(to, metadata, body)?;
        let mut answers = self.answers.borrow_mut();
        let answer = answers.get_mut(&question.to).ok_or_else(|| SendError::UnknownAddress(question.to.clone()))?;
        self.asked.borrow_mut().push(question.clone());
        answer(&question)
    }

    fn reply_metadata(&self, metadata: &Metadata) {
        self.reply_metadata.replace(metadata.clone());
    }

    fn spawn(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        if let Some(error) = self.refused_spawns.get(name) {
            return Err(error.clone());
        }
        let address = format!("{}/{name}", self.address);
        if name.contains('/') {
            return Err(SpawnError::BadName(format!("{name:?} is no name: `/` is not allowed")));
        }
        check_address(&address).map_err(|error| match address.matches('/').count() {
            ..=16 => SpawnError::BadName(error.to_string()),
            _ => SpawnError::TooDeep,
        })?;
        let is_durable = self.durable_plugins.contains(plugin);
        // A durable child that is there already stays as it was spawned first.
        let is_it = |child: &Child| is_durable && child.name == name && child.plugin == plugin;
        if self.is_starting.get() && self.spawned.borrow().iter().any(is_it) {
            return Ok(());
        }
        if self.has_spawned(name) || self.others.contains_key(&address) {
            return Err(SpawnError::Duplicate(address));
        }
        if is_durable && !self.is_durable {
            return Err(SpawnError::NotLasting(plugin.to_owned()));
        }
        let config = options.config.clone();
        self.did(Effect::Spawned(Child { name: name.to_owned(), plugin: plugin.to_owned(), config }));
        Ok(())
    }

    fn stop(&self, child: &str) -> Result<(), StopError> {
        let address = self.full(child);
        check_address(&address).map_err(|error| StopError::BadAddress(error.to_string()))?;
        let name = address.strip_prefix(&format!("{}/", self.address)).unwrap_or_default();
        if self.has_spawned(name) {
            self.did(Effect::Stopped(name.to_owned()));
            Ok(())
        } else if self.others.contains_key(&address) || address == self.address {
            Err(StopError::NotSpawned(address))
        } else {
            Err(StopError::UnknownAddress(address))
        }
    }

    fn children(&self) -> Vec<String> {
        let below = format!("{}/", self.address);
        let others = self.others.keys().filter_map(|other| other.strip_prefix(&below)).map(str::to_owned);
        let mut names: Vec<_> = self.spawned.borrow().iter().map(|child| child.name.clone()).collect();
        names.extend(others.filter(|name| !name.contains('/')));
        names.sort();
        names
    }

    fn lookup(&self, path: &str) -> Option<String> {
        let there = self.status(path).filter(|state| *state != ActorState::Ended);
        there.map(|_| self.full(path))
    }

    fn status(&self, path: &str) -> Option<ActorState> {
        let address = self.full(path);
        let spawned =
            || self.spawned.borrow().iter().any(|child| address == format!("{}/{}", self.address, child.name));
        match self.others.get(&address) {
            Some(state) => Some(*state),
            None if address == self.address => Some(ActorState::Running),
            None => spawned().then_some(ActorState::Idle),
        }
    }

    fn timer(&self, to: &str, body: &[u8], wait_ms: u64, again: bool) -> Result<u64, TimerError> {
        self.timer_with(to, &Metadata::new(), body, wait_ms, again)
    }

    fn timer_with(
        &self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait_ms: u64,
        again: bool,
    ) -> Result<u64, TimerError> {
        let message = self.address_message(to, metadata, body)?;
        let in_turn = self.done.borrow().iter().filter(|effect| matches!(effect, Effect::Set(..))).count();
        if self.set.borrow().len() + in_turn >= self.most_timers as usize {
            return Err(TimerError::TooManyTimers { most: self.most_timers });
        }
        let id = self.last_timer.get() + 1;
        self.last_timer.set(id);
        let wait_ms = if again { wait_ms.max(1) } else { wait_ms };
        let is_kept = self.is_durable && !self.is_starting.get();
        self.did(Effect::Set(id, Timer { message, wait_ms, again, is_kept }));
        Ok(id)
    }

    fn watch(&self, to: &str) -> Result<u64, WatchError> {
        let to = self.full(to);
        check_address(&to).map_err(|error| WatchError::BadAddress(error.to_string()))?;
        self.last_watch.update(|last| last + 1);
        let is_kept = self.is_durable && !self.is_starting.get();
        self.did(Effect::Watched(self.last_watch.get(), to, is_kept));
        Ok(self.last_watch.get())
    }

    fn log(&self, level: Level, text: &str) {
        self.logged.borrow_mut().push((level, text.to_owned()));
    }

    fn unwatch(&self, watch: u64) {
        self.did(Effect::Unwatched(watch));
    }

    fn count(&self, name: &str, by: u64) -> Result<(), MetricError> {
        self.check_metric(name)?;
        self.did(Effect::Counted(name.to_owned(), by));
        Ok(())
    }

    fn observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        self.check_metric(name)?;
        if !value.is_finite() || value < 0.0 {
            return Err(MetricError::BadValue(format!(
                "`{name}` of `{}` cannot observe {value}: a value is finite and not negative",
                self.address
            )));
        }
        self.did(Effect::Observed(name.to_owned(), value));
        Ok(())
    }

    fn state_get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.state_for(key)?;
        Ok(self.state_now().remove(key))
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.set(key, value, self.state_expire_ms)
    }

    fn state_set_for(&self, key: &str, value: &[u8], milliseconds: u64) -> Result<(), StateError> {
        self.set(key, value, Some(milliseconds.clamp(1, LONGEST_LIFETIME_MS)))
    }

    fn state_delete(&self, key: &str) -> Result<(), StateError> {
        self.state_for(key)?;
        self.did(Effect::Changed(key.to_owned(), None));
        Ok(())
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StateError> {
        self.state_for("")?;
        let keys = self.state_now().into_keys();
        let wanted = keys.filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(wanted.take(most as usize).collect())
    }

    fn cancel(&self, timer: u64) {
        self.did(Effect::Cancelled(timer));
    }
}
