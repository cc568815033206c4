//! The common part of each run of a component, of an actor or a mailbox plugin: a store with its limits, and WASI without grants.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use playhouse_kernel::ResourceUse;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi::cli::StdoutStream;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::shared::Shared;
use crate::limits::{CpuMeter, Limits, MemoryLimiter};

/// Random bytes that a guest may take in one call.
pub(crate) const MAX_RANDOM_BYTES: u64 = 1 << 20;
/// The lowest bound on the bytes that a guest may pass in one call, even if its memory is smaller.
const MIN_HOSTCALL_BYTES: u64 = 1 << 20;

/// A store that enforces `limits` on its code, and the meter of its CPU time, started for one message. `uses` are the counts
/// of the actor, for readers.
pub(crate) fn confined<T: 'static>(
    sandbox: &Shared,
    limits: &Limits,
    uses: Arc<ResourceUse>,
    data: T,
    memory: fn(&mut T) -> &mut MemoryLimiter,
) -> (Store<T>, Arc<CpuMeter>) {
    let mut store = Store::new(&sandbox.engine, data);
    store.limiter(move |data| memory(data));
    store.set_max_component_handles(limits.resources);
    store.set_hostcall_fuel(usize::try_from(hostcall_bytes(limits.memory_bytes)).unwrap_or(usize::MAX));
    let meter = Arc::new(CpuMeter::new(sandbox.clock.clone(), limits.cpu, uses));
    store.epoch_deadline_callback({
        let meter = meter.clone();
        move |_: StoreContextMut<'_, T>| Ok(meter.ticked())
    });
    store.set_epoch_deadline(1);
    meter.restart(1);
    (store, meter)
}

/// The table of the guest's open resources, with its bound.
pub(crate) fn resources(limits: &Limits) -> ResourceTable {
    let mut resources = ResourceTable::new();
    resources.set_max_capacity(limits.resources);
    resources
}

/// Clocks, random numbers and two streams to write to; nothing else.
pub(crate) fn bare_wasi<S: StdoutStream + Clone + 'static>(name: &str, stdout: &S, stderr: &S) -> WasiCtxBuilder {
    let mut builder = WasiCtx::builder();
    builder
        .arg(name)
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .max_random_size(MAX_RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(|_, _| Box::pin(async { false }));
    builder
}

/// Counts the CPU time of each poll.
pub(crate) async fn metered<T>(meter: impl AsRef<CpuMeter>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| meter.as_ref().poll(cx, |cx| future.as_mut().poll(cx))).await
}

/// The bound on the bytes that a guest passes in one call: the host copies them, so they may not exceed the guest's own memory.
pub(crate) fn hostcall_bytes(memory_bytes: u64) -> u64 {
    memory_bytes.max(MIN_HOSTCALL_BYTES)
}
