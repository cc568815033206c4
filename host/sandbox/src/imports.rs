//! The imports of an actor: the interfaces `kernel` and `batch` of the contract, and WASI with outgoing HTTP.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Config, Hand};
use wasmtime::component::{Linker, LinkerInstance, ResourceTable, WasmList, WasmStr};
use wasmtime::{StoreContextMut, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::autopsy::Remains;
use crate::contract::{
    ActorState, AskError, BATCH, Envelope, KERNEL, Resolved, SendError, SpawnError, SpawnOptions, StopError,
    TimerError, WatchError, count,
};
use crate::filesystem::{self, Files, View};
use crate::http::{self, Http};
use crate::limits::MemoryLimiter;
use crate::panic::Panic;
use crate::polling;
use crate::turns::{self, BadFrame, End};

/// The longest timeout of an ask; it keeps sums of times in range.
const LONGEST_ASK: Duration = Duration::from_hours(24);

/// The data of one incarnation's store.
pub(crate) struct Room {
    /// The actor's side of the kernel. In a cell, so that an import can read the guest's memory and write here without a copy
    /// between.
    pub(crate) hand: RefCell<Hand>,
    /// Whether the guest handles a batch that it got as a frame, and answers with frames.
    pub(crate) in_turns: bool,
    pub(crate) config: Arc<Config>,
    pub(crate) memory: MemoryLimiter,
    /// The panic that the guest reported before its trap.
    pub(crate) panic: Option<Panic>,
    pub(crate) wasi: WasiCtx,
    pub(crate) files: Arc<Files>,
    pub(crate) http: Http,
    pub(crate) resources: ResourceTable,
}

impl WasiView for Room {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl WasiHttpView for Room {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.http.hooks, table: &mut self.resources, ctx: &mut self.http.context }
    }
}

impl http::Requests for Room {
    fn requests(&mut self) -> (&mut Http, &mut ResourceTable) {
        (&mut self.http, &mut self.resources)
    }
}

impl Remains for Room {
    fn memory(&self) -> &MemoryLimiter {
        &self.memory
    }

    fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }
}

/// Adds all imports of an actor, granted or not: an import that a component does not use costs it nothing.
pub(crate) fn add_to(linker: &mut Linker<Room>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    polling::add_to(linker)?;
    filesystem::add_to(linker, |room: &mut Room| View::new(&room.files, &mut room.resources))?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    http::add_to(linker)?;
    let mut kernel = linker.instance(KERNEL)?;
    kernel.func_wrap("address", |store: Caller<'_>, (): ()| Ok((store.data().hand.borrow().address().to_string(),)))?;
    kernel.func_wrap("incarnation", |store: Caller<'_>, (): ()| Ok((store.data().hand.borrow().incarnation(),)))?;
    kernel.func_wrap("config", |store: Caller<'_>, (key,): (WasmStr,)| {
        let key = key.to_str(&store)?;
        Ok((store.data().config.get(&*key).cloned(),))
    })?;
    kernel.func_wrap("message", |store: Caller<'_>, (): ()| Ok((Envelope::of(&store.data().hand.borrow()),)))?;
    kernel.func_wrap("tell", |store: Caller<'_>, (to, body): (WasmStr, WasmList<u8>)| {
        let to = to.to_str(&store)?;
        let body = body.as_le_slice(&store);
        let told = recorded(&store, |hand| hand.tell(&to, body))?;
        Ok((told.map_err(SendError::from),))
    })?;
    kernel.func_wrap("tell-all", |store: Caller<'_>, (to, body): (WasmStr, WasmList<u8>)| {
        let to = to.to_str(&store)?;
        let body = body.as_le_slice(&store);
        let told = recorded(&store, |hand| hand.tell_all(&to, body))?;
        Ok((told.map(count).map_err(SendError::from),))
    })?;
    kernel.func_wrap_async("ask", |mut store: Caller<'_>, (to, body, timeout_ms): (String, Vec<u8>, u64)| {
        Box::new(async move {
            let timeout = Duration::from_millis(timeout_ms).min(LONGEST_ASK);
            let answer = store.data_mut().hand.get_mut().ask(&to, &body, timeout).await;
            Ok((answer.map_err(AskError::from),))
        })
    })?;
    add_children_to(&mut kernel)?;
    add_timers_to(&mut kernel)?;
    kernel.func_wrap("watch", |store: Caller<'_>, (to,): (WasmStr,)| {
        let to = to.to_str(&store)?;
        let watch = recorded(&store, |hand| hand.watch(&to))?;
        Ok((watch.map_err(WatchError::from),))
    })?;
    kernel.func_wrap("unwatch", |store: Caller<'_>, (watch,): (u64,)| recorded(&store, |hand| hand.unwatch(watch)))?;
    kernel.func_wrap("panicked", |mut store: Caller<'_>, (message, traceback): (WasmStr, WasmList<WasmStr>)| {
        let panic = Panic::read(&mut store, &message, &traceback)?;
        store.data_mut().panic = Some(panic);
        // The trap is returned from here, since a trap raised by the processor needs a signal, which costs as much as a small
        // restart.
        Err::<(), _>(Trap::UnreachableCodeReached.into())
    })?;
    let mut batch = linker.instance(BATCH)?;
    batch.func_wrap("resolve", |store: Caller<'_>, (to, message): (WasmStr, u32)| {
        let to = to.to_str(&store)?;
        let resolved = store.data().hand.borrow_mut().resolve(&to, message as usize);
        Ok((resolved.map(Resolved::from).map_err(SendError::from),))
    })?;
    batch.func_wrap(
        "spawn",
        |store: Caller<'_>, (name, plugin, options, message): (WasmStr, WasmStr, SpawnOptions, u32)| {
            let (name, plugin) = (name.to_str(&store)?, plugin.to_str(&store)?);
            let reserved = recorded(&store, |hand| hand.reserve(&name, &plugin, options.config(), message as usize))?;
            Ok((reserved.map_err(SpawnError::from),))
        },
    )?;
    batch.func_wrap("stop", |store: Caller<'_>, (child,): (WasmStr,)| {
        let child = child.to_str(&store)?;
        let found = store.data().hand.borrow_mut().find_child(&child);
        Ok((found.map_err(StopError::from),))
    })?;
    batch.func_wrap("own-route", |store: Caller<'_>, (): ()| {
        Ok((Resolved::from(store.data().hand.borrow_mut().resolve_own()),))
    })?;
    batch.func_wrap("timer-room", |store: Caller<'_>, (): ()| {
        let (room, most) = store.data().hand.borrow().timer_room();
        Ok(((count(room), count(most)),))
    })?;
    batch.func_wrap("sender", |store: Caller<'_>, (message,): (u32,)| {
        let sender = store.data().hand.borrow().sender_of(message as usize);
        Ok((sender.map(|address| address.to_string()),))
    })?;
    batch.func_wrap("hand-over", |mut store: Caller<'_>, (frame,): (Vec<u8>,)| {
        let room = store.data_mut();
        if !room.in_turns {
            return Err(BadFrame::NoTurns.into());
        }
        turns::record(room.hand.get_mut(), frame, End::Open)?;
        Ok(())
    })
}

/// Records an effect in the turn. A turn that exceeds its limits ends here, as a trap.
fn recorded<T>(store: &Caller<'_>, record: impl FnOnce(&mut Hand) -> T) -> wasmtime::Result<T> {
    let mut hand = store.data().hand.borrow_mut();
    let done = record(&mut hand);
    hand.within_limits()?;
    Ok(done)
}

/// The functions about children and other actors.
fn add_children_to(kernel: &mut LinkerInstance<'_, Room>) -> wasmtime::Result<()> {
    kernel.func_wrap("spawn", |store: Caller<'_>, (name, plugin, options): (WasmStr, WasmStr, SpawnOptions)| {
        let (name, plugin) = (name.to_str(&store)?, plugin.to_str(&store)?);
        let spawned = recorded(&store, |hand| hand.spawn(&name, &plugin, options.config()))?;
        Ok((spawned.map_err(SpawnError::from),))
    })?;
    kernel.func_wrap("stop", |store: Caller<'_>, (child,): (WasmStr,)| {
        let child = child.to_str(&store)?;
        let stopped = recorded(&store, |hand| hand.stop(&child))?;
        Ok((stopped.map_err(StopError::from),))
    })?;
    kernel.func_wrap("children", |store: Caller<'_>, (): ()| Ok((store.data().hand.borrow().children(),)))?;
    kernel.func_wrap("lookup", |store: Caller<'_>, (path,): (WasmStr,)| {
        let path = path.to_str(&store)?;
        let found = store.data().hand.borrow().lookup(&path);
        Ok((found.map(|address| address.to_string()),))
    })?;
    kernel.func_wrap_async("status", |mut store: Caller<'_>, (path,): (String,)| {
        Box::new(async move {
            let state = store.data_mut().hand.get_mut().state(&path).await;
            Ok((state.map(ActorState::from),))
        })
    })
}

fn add_timers_to(kernel: &mut LinkerInstance<'_, Room>) -> wasmtime::Result<()> {
    for (name, set) in [("tell-after", Hand::tell_after as SetTimer), ("tell-every", Hand::tell_every)] {
        kernel.func_wrap(name, move |store: Caller<'_>, (to, body, wait_ms): (WasmStr, WasmList<u8>, u64)| {
            let to = to.to_str(&store)?;
            let body = body.as_le_slice(&store);
            let set = recorded(&store, |hand| set(hand, &to, body, Duration::from_millis(wait_ms)))?;
            Ok((set.map_err(TimerError::from),))
        })?;
    }
    kernel.func_wrap("cancel", |store: Caller<'_>, (timer,): (u64,)| recorded(&store, |hand| hand.cancel(timer)))
}

type SetTimer = fn(&mut Hand, &str, &[u8], Duration) -> Result<u64, playhouse_kernel::TimerError>;
type Caller<'a> = StoreContextMut<'a, Room>;
