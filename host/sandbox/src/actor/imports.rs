//! The imports of an actor: the interfaces `kernel`, `batch`, `metrics` and `state` of the contract, and WASI with outgoing HTTP.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Metadata, Turn};
use wasmtime::component::{Linker, LinkerInstance, ResourceTable, WasmList, WasmStr};
use wasmtime::{Engine, StoreContextMut, Trap};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::direct::state::Bridge;
use super::incarnation::Current;
use super::wasi_context::WasiContext;
use crate::contract::{
    ActorState, AskError, BATCH, BadFrame, End, Envelope, GuestPairs, KERNEL, MEMBER, METRICS, MetricError, Reply,
    Resolved, STATE, SendError, SpawnError, SpawnOptions, StateError, StateLimits, StopError, TimerError, WatchError,
    count, metadata, record, whole_millis,
};
use crate::limits::MemoryLimiter;
use crate::output::{HandledMessage, Logger};
use crate::run::{Panic, RunFacts};
use crate::wasi::filesystem::{self, Files, View};
use crate::wasi::http::{self, Http};
use crate::wasi::keyvalue::{self, KeyValue};
use crate::wasi::logging::{self, Logging};
use crate::wasi::polling;

/// The longest timeout of an ask; it keeps sums of times in range.
pub(super) const LONGEST_ASK: Duration = Duration::from_hours(24);

/// The data of a store.
pub(crate) struct ActorData {
    pub(crate) incarnation: Current,
    /// Whether the guest handles a batch that it got as a frame, and answers with frames.
    pub(crate) in_turns: bool,
    pub(crate) memory: MemoryLimiter,
    /// The panic that the guest reported before its trap.
    pub(crate) panic: Option<Panic>,
    pub(crate) wasi: WasiContext,
    pub(crate) files: Arc<Files>,
    pub(crate) http: Http,
    pub(crate) resources: ResourceTable,
    /// For a program that is called without its component.
    pub(crate) bridge: Bridge,
}

impl ActorData {
    /// The message that the guest handles, if it is exactly one.
    fn handled_message(&mut self) -> Option<HandledMessage> {
        let turn = self.incarnation.turn.get_mut();
        if self.in_turns && turn.len() != 1 {
            return None;
        }
        turn.envelope().map(|envelope| HandledMessage { id: envelope.id, flow: envelope.flow })
    }
}

impl WasiView for ActorData {
    /// Called before each function of WASI, so also before each write: the one place where a line gets its message, which
    /// costs a guest that writes nothing no instruction.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let message = self.handled_message();
        self.incarnation.logger.set_message(message);
        self.wasi.write_to(&self.incarnation);
        WasiCtxView { ctx: self.wasi.get(), table: &mut self.resources }
    }
}

impl Logging for ActorData {
    fn logger(&mut self) -> &Logger {
        let message = self.handled_message();
        self.incarnation.logger.set_message(message);
        &self.incarnation.logger
    }
}

impl WasiHttpView for ActorData {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http.hooks.attribute_to(self.incarnation.logger.writer());
        WasiHttpCtxView { hooks: &mut self.http.hooks, table: &mut self.resources, ctx: &mut self.http.context }
    }
}

impl http::Requests for ActorData {
    fn requests(&mut self) -> (&mut Http, &mut ResourceTable) {
        (&mut self.http, &mut self.resources)
    }
}

impl KeyValue for ActorData {
    fn state(&mut self) -> (&mut Turn, &mut ResourceTable) {
        (self.incarnation.turn.get_mut(), &mut self.resources)
    }
}

impl RunFacts for ActorData {
    fn memory(&self) -> &MemoryLimiter {
        &self.memory
    }

    fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }
}

/// All imports of an actor, granted or not: an import that a component does not use costs it nothing.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<ActorData>> {
    let mut linker = Linker::new(engine);
    add_wasi_to(&mut linker)?;
    add_kernel_to(&mut linker)?;
    add_batch_to(&mut linker)?;
    add_metrics_to(&mut linker)?;
    add_state_to(&mut linker)?;
    add_member_to(&mut linker)?;
    keyvalue::add_to(&mut linker)?;
    Ok(linker)
}

fn add_wasi_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    polling::add_to(linker, |data: &ActorData| data.memory.most_resources)?;
    filesystem::add_to(linker, |data: &mut ActorData| View::new(&data.files, &mut data.resources))?;
    logging::add_to(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    http::add_to(linker)
}

fn add_kernel_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    let mut kernel = linker.instance(KERNEL)?;
    kernel.func_wrap("address", |store: Caller<'_>, (): ()| {
        Ok((store.data().incarnation.turn.borrow().address().to_string(),))
    })?;
    kernel.func_wrap("incarnation", |store: Caller<'_>, (): ()| {
        Ok((store.data().incarnation.turn.borrow().incarnation(),))
    })?;
    kernel.func_wrap("config", |store: Caller<'_>, (key,): (WasmStr,)| {
        let key = key.to_str(&store)?;
        Ok((store.data().incarnation.config.get(&*key).cloned(),))
    })?;
    kernel.func_wrap("message", |store: Caller<'_>, (): ()| {
        Ok((Envelope::of(&store.data().incarnation.turn.borrow()),))
    })?;
    kernel.func_wrap("tell", |store: Caller<'_>, (to, body): (WasmStr, WasmList<u8>)| {
        let to = to.to_str(&store)?;
        let body = body.as_le_slice(&store);
        let told = recorded(&store, |turn| turn.tell(&to, body))?;
        Ok((told.map_err(SendError::from),))
    })?;
    kernel.func_wrap(
        "tell-with",
        |mut store: Caller<'_>, (to, body, pairs): (WasmStr, WasmList<u8>, GuestPairs)| {
            let metadata = match metadata(&mut store, &pairs)? {
                Ok(metadata) => metadata,
                Err(error) => return Ok((Err(error),)),
            };
            let to = to.to_str(&store)?;
            let body = body.as_le_slice(&store);
            let told = recorded(&store, |turn| turn.tell_with(&to, &metadata, body))?;
            Ok((told.map_err(SendError::from),))
        },
    )?;
    kernel.func_wrap_async(
        "tell-all-with",
        |mut store: Caller<'_>, (to, body, pairs): (String, Vec<u8>, GuestPairs)| {
            Box::new(async move {
                let metadata = match metadata(&mut store, &pairs)? {
                    Ok(metadata) => metadata,
                    Err(error) => return Ok((Err(error),)),
                };
                let turn = store.data_mut().incarnation.turn.get_mut();
                let told = turn.tell_all_with(&to, &metadata, &body).await;
                turn.within_limits()?;
                Ok((told.map(count).map_err(SendError::from),))
            })
        },
    )?;
    kernel.func_wrap("reply-metadata", |mut store: Caller<'_>, (pairs,): (GuestPairs,)| {
        let set = metadata(&mut store, &pairs)?.map(|metadata| store.data_mut().incarnation.reply_metadata = metadata);
        Ok((set,))
    })?;
    kernel.func_wrap_async("tell-all", |mut store: Caller<'_>, (to, body): (String, Vec<u8>)| {
        Box::new(async move {
            let turn = store.data_mut().incarnation.turn.get_mut();
            let told = turn.tell_all(&to, &body).await;
            turn.within_limits()?;
            Ok((told.map(count).map_err(SendError::from),))
        })
    })?;
    kernel.func_wrap_async("ask", |mut store: Caller<'_>, (to, body, timeout_ms): (String, Vec<u8>, u64)| {
        Box::new(async move {
            let timeout = Duration::from_millis(timeout_ms).min(LONGEST_ASK);
            let answer = running(&mut store)?.ask(&to, &body, timeout).await;
            Ok((answer.map_err(AskError::from),))
        })
    })?;
    kernel.func_wrap_async(
        "ask-with",
        |mut store: Caller<'_>, (to, body, pairs, timeout_ms): (String, Vec<u8>, GuestPairs, u64)| {
            Box::new(async move {
                let timeout = Duration::from_millis(timeout_ms).min(LONGEST_ASK);
                let metadata = match metadata(&mut store, &pairs)? {
                    Ok(metadata) => metadata,
                    Err(error) => return Ok((Err(AskError::NotSent(error)),)),
                };
                let answer = running(&mut store)?.ask_with(&to, &metadata, &body, timeout).await;
                Ok((answer.map(Reply::from).map_err(AskError::from),))
            })
        },
    )?;
    add_children_to(&mut kernel)?;
    add_timers_to(&mut kernel)?;
    kernel.func_wrap("watch", |store: Caller<'_>, (to,): (WasmStr,)| {
        let to = to.to_str(&store)?;
        let watch = recorded(&store, |turn| turn.watch(&to))?;
        Ok((watch.map_err(WatchError::from),))
    })?;
    kernel.func_wrap("unwatch", |store: Caller<'_>, (watch,): (u64,)| recorded(&store, |turn| turn.unwatch(watch)))?;
    kernel.func_wrap("panicked", |mut store: Caller<'_>, (message, traceback): (WasmStr, WasmList<WasmStr>)| {
        let panic = Panic::read(&mut store, &message, &traceback)?;
        store.data_mut().panic = Some(panic);
        // The trap is returned from here, since a trap raised by the processor needs a signal, which costs as much as a small
        // restart.
        Err::<(), _>(Trap::UnreachableCodeReached.into())
    })
}

fn add_batch_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    let mut batch = linker.instance(BATCH)?;
    batch.func_wrap("resolve", |store: Caller<'_>, (to, message): (WasmStr, u32)| {
        let to = to.to_str(&store)?;
        let resolved = store.data().incarnation.turn.borrow_mut().bulk().resolve(&to, message as usize);
        Ok((resolved.map(Resolved::from).map_err(SendError::from),))
    })?;
    batch.func_wrap(
        "spawn",
        |store: Caller<'_>, (name, plugin, options, message): (WasmStr, WasmStr, SpawnOptions, u32)| {
            let (name, plugin) = (name.to_str(&store)?, plugin.to_str(&store)?);
            let reserved =
                recorded(&store, |turn| turn.bulk().reserve(&name, &plugin, options.config(), message as usize))?;
            Ok((reserved.map_err(SpawnError::from),))
        },
    )?;
    batch.func_wrap("stop", |store: Caller<'_>, (child,): (WasmStr,)| {
        let child = child.to_str(&store)?;
        let found = store.data().incarnation.turn.borrow_mut().bulk().find_child(&child);
        Ok((found.map_err(StopError::from),))
    })?;
    batch.func_wrap("own-route", |store: Caller<'_>, (): ()| {
        Ok((Resolved::from(store.data().incarnation.turn.borrow_mut().bulk().resolve_own()),))
    })?;
    batch.func_wrap("timers-left", |store: Caller<'_>, (): ()| {
        let (left, most) = store.data().incarnation.turn.borrow_mut().bulk().timer_capacity();
        Ok(((count(left), count(most)),))
    })?;
    batch.func_wrap("timer-base", |store: Caller<'_>, (): ()| {
        Ok((store.data().incarnation.turn.borrow_mut().bulk().timer_base(),))
    })?;
    batch.func_wrap("sender", |store: Caller<'_>, (message,): (u32,)| {
        let sender = store.data().incarnation.turn.borrow_mut().bulk().sender_of(message as usize);
        Ok((sender.map(|address| address.to_string()),))
    })?;
    batch.func_wrap("time-left", |store: Caller<'_>, (message,): (u32,)| {
        let left = store.data().incarnation.turn.borrow_mut().bulk().time_left_of(message as usize);
        Ok((left.map(whole_millis),))
    })?;
    batch.func_wrap("hand-over", |mut store: Caller<'_>, (frame,): (Vec<u8>,)| {
        let data = store.data_mut();
        if !data.in_turns {
            return Err(BadFrame::NoTurns.into());
        }
        record(data.incarnation.turn.get_mut(), frame, End::Open)?;
        Ok(())
    })
}

fn add_metrics_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    let mut metrics = linker.instance(METRICS)?;
    metrics.func_wrap("resolve", |store: Caller<'_>, (name,): (WasmStr,)| {
        let name = name.to_str(&store)?;
        let number = store.data().incarnation.turn.borrow().metric(&name);
        Ok((number.map_err(MetricError::from),))
    })?;
    metrics.func_wrap("count", |store: Caller<'_>, (metric, by): (u32, u64)| {
        let counted = recorded(&store, |turn| turn.count_metric(metric, by))?;
        Ok((counted.map_err(MetricError::from),))
    })?;
    metrics.func_wrap("observe", |store: Caller<'_>, (metric, value): (u32, f64)| {
        let observed = recorded(&store, |turn| turn.observe_metric(metric, value))?;
        Ok((observed.map_err(MetricError::from),))
    })
}

fn add_state_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    let mut state = linker.instance(STATE)?;
    state.func_wrap_async("get", |mut store: Caller<'_>, (key,): (String,)| {
        Box::new(async move {
            let value = store.data_mut().incarnation.turn.get_mut().state_value(&key).await;
            Ok((value.map_err(StateError::from),))
        })
    })?;
    state.func_wrap_async("set", |mut store: Caller<'_>, (key, value): (String, Vec<u8>)| {
        Box::new(async move {
            let turn = store.data_mut().incarnation.turn.get_mut();
            let set = turn.set_state(&key, &value).await;
            turn.within_limits()?;
            Ok((set.map_err(StateError::from),))
        })
    })?;
    state.func_wrap_async("set-for", |mut store: Caller<'_>, (key, value, milliseconds): SetForParams| {
        Box::new(async move {
            let turn = store.data_mut().incarnation.turn.get_mut();
            let set = turn.set_state_for(&key, &value, Duration::from_millis(milliseconds)).await;
            turn.within_limits()?;
            Ok((set.map_err(StateError::from),))
        })
    })?;
    state.func_wrap("delete", |store: Caller<'_>, (key,): (WasmStr,)| {
        let key = key.to_str(&store)?;
        let deleted = recorded(&store, |turn| turn.delete_state(&key))?;
        Ok((deleted.map_err(StateError::from),))
    })?;
    state.func_wrap_async("keys", |mut store: Caller<'_>, (prefix, after, most): KeysParams| {
        Box::new(async move {
            let turn = store.data_mut().incarnation.turn.get_mut();
            let keys = turn.state_keys(&prefix, after.as_deref(), most as usize).await;
            Ok((keys.map_err(StateError::from),))
        })
    })?;
    state.func_wrap_async("limits", |mut store: Caller<'_>, (): ()| {
        Box::new(async move {
            let limits = store.data_mut().incarnation.turn.get_mut().measured_state_limits().await;
            Ok((limits.map(StateLimits::from).map_err(StateError::from),))
        })
    })
}

fn add_member_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    let mut member = linker.instance(MEMBER)?;
    member.func_wrap("current", |store: Caller<'_>, (): ()| Ok((store.data().incarnation.number,)))
}

/// Records an effect in the turn. A turn that exceeds its limits ends here, as a trap.
fn recorded<T>(store: &Caller<'_>, record: impl FnOnce(&mut Turn) -> T) -> wasmtime::Result<T> {
    recorded_in(store.data(), record)
}

/// As `recorded`, in the data of a store.
pub(super) fn recorded_in<T>(data: &ActorData, record: impl FnOnce(&mut Turn) -> T) -> wasmtime::Result<T> {
    let mut turn = data.incarnation.turn.borrow_mut();
    let done = record(&mut turn);
    turn.within_limits()?;
    Ok(done)
}

/// The turn of an incarnation that has not ended.
fn running<'a>(store: &'a mut Caller<'_>) -> wasmtime::Result<&'a mut Turn> {
    running_in(store.data_mut())
}

/// As `running`, in the data of a store.
pub(super) fn running_in(data: &mut ActorData) -> wasmtime::Result<&mut Turn> {
    let incarnation = &mut data.incarnation;
    if incarnation.has_ended {
        wasmtime::bail!("it asks while the value of an actor that has ended is dropped");
    }
    Ok(incarnation.turn.get_mut())
}

/// The functions about children and other actors.
fn add_children_to(kernel: &mut LinkerInstance<'_, ActorData>) -> wasmtime::Result<()> {
    kernel.func_wrap("spawn", |store: Caller<'_>, (name, plugin, options): (WasmStr, WasmStr, SpawnOptions)| {
        let (name, plugin) = (name.to_str(&store)?, plugin.to_str(&store)?);
        let spawned = recorded(&store, |turn| turn.spawn(&name, &plugin, options.config()))?;
        Ok((spawned.map_err(SpawnError::from),))
    })?;
    kernel.func_wrap("stop", |store: Caller<'_>, (child,): (WasmStr,)| {
        let child = child.to_str(&store)?;
        let stopped = recorded(&store, |turn| turn.stop(&child))?;
        Ok((stopped.map_err(StopError::from),))
    })?;
    kernel
        .func_wrap("children", |store: Caller<'_>, (): ()| Ok((store.data().incarnation.turn.borrow().children(),)))?;
    kernel.func_wrap("lookup", |store: Caller<'_>, (path,): (WasmStr,)| {
        let path = path.to_str(&store)?;
        let found = store.data().incarnation.turn.borrow().lookup(&path);
        Ok((found.map(|address| address.to_string()),))
    })?;
    kernel.func_wrap_async("status", |mut store: Caller<'_>, (path,): (String,)| {
        Box::new(async move {
            let state = store.data_mut().incarnation.turn.get_mut().state(&path).await;
            Ok((state.map(ActorState::from),))
        })
    })
}

fn add_timers_to(kernel: &mut LinkerInstance<'_, ActorData>) -> wasmtime::Result<()> {
    for (name, set) in [("tell-after", Turn::tell_after as SetTimer), ("tell-every", Turn::tell_every)] {
        kernel.func_wrap(name, move |store: Caller<'_>, (to, body, wait_ms): (WasmStr, WasmList<u8>, u64)| {
            let to = to.to_str(&store)?;
            let body = body.as_le_slice(&store);
            let set = recorded(&store, |turn| set(turn, &to, body, Duration::from_millis(wait_ms)))?;
            Ok((set.map_err(TimerError::from),))
        })?;
    }
    for (name, set) in
        [("tell-after-with", Turn::tell_after_with as SetTimerWith), ("tell-every-with", Turn::tell_every_with)]
    {
        kernel.func_wrap(
            name,
            move |mut store: Caller<'_>, (to, body, pairs, wait_ms): (WasmStr, WasmList<u8>, GuestPairs, u64)| {
                let metadata = match metadata(&mut store, &pairs)? {
                    Ok(metadata) => metadata,
                    Err(error) => return Ok((Err(TimerError::NotSent(error)),)),
                };
                let to = to.to_str(&store)?;
                let body = body.as_le_slice(&store);
                let set = recorded(&store, |turn| set(turn, &to, &metadata, body, Duration::from_millis(wait_ms)))?;
                Ok((set.map_err(TimerError::from),))
            },
        )?;
    }
    kernel.func_wrap("cancel", |store: Caller<'_>, (timer,): (u64,)| recorded(&store, |turn| turn.cancel(timer)))
}

/// The parameters of `state.keys`: a prefix, the key before the first, and the number of keys.
type KeysParams = (String, Option<String>, u32);
/// The parameters of `state.set-for`: a key, its value, and the time in milliseconds.
type SetForParams = (String, Vec<u8>, u64);
pub(super) type SetTimer = fn(&mut Turn, &str, &[u8], Duration) -> Result<u64, playhouse_kernel::TimerError>;
pub(super) type SetTimerWith =
    fn(&mut Turn, &str, &Metadata, &[u8], Duration) -> Result<u64, playhouse_kernel::TimerError>;
type Caller<'a> = StoreContextMut<'a, ActorData>;
