//! One run of a mailbox plugin: a store of its own, the instance in it, and the calls into it.

use std::sync::Arc;

use playhouse_kernel::{About, Arrivals, BoxFuture, Crash, CrashReason, Key, MailboxPolicy, Rules};
use wasmtime::component::{ComponentNamedList, Lift, Linker, Lower, ResourceTable, TypedFunc, WasmList, WasmStr};
use wasmtime::{Store, StoreContextMut, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::Launcher;
use super::contract::{Entry, MAILBOX_HOST, Policy, Put, Settings, Size, Take};
use crate::accounts::Held;
use crate::autopsy::{self, Remains};
use crate::limits::{CpuMeter, MemoryLimiter};
use crate::output::{Kind, Lines};
use crate::panic::Panic;
use crate::polling;
use crate::sandbox::Admission;
use crate::store::{bare_wasi, confined, metered, resources};

/// The data of one run's store.
pub(crate) struct Desk {
    memory: MemoryLimiter,
    /// The panic that the guest reported before its trap.
    panic: Option<Panic>,
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl WasiView for Desk {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl Remains for Desk {
    fn memory(&self) -> &MemoryLimiter {
        &self.memory
    }

    fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }
}

/// Adds the imports of a mailbox plugin: WASI, and a function to report a panic. A mailbox plugin cannot send.
pub(crate) fn add_to(linker: &mut Linker<Desk>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    polling::add_to(linker)?;
    linker.instance(MAILBOX_HOST)?.func_wrap(
        "panicked",
        |mut store: StoreContextMut<'_, Desk>, (message, traceback): (WasmStr, WasmList<WasmStr>)| {
            let panic = Panic::read(&mut store, &message, &traceback)?;
            store.data_mut().panic = Some(panic);
            Err::<(), _>(Trap::UnreachableCodeReached.into())
        },
    )
}

/// One run. The order of the fields is the order of the drop: the store first, later the account of its memory and its admission.
pub(super) struct Run {
    store: Store<Desk>,
    doors: Doors,
    settings: Option<Settings>,
    meter: Arc<CpuMeter>,
    plugin: Arc<super::Inner>,
    stderr: Lines,
    _held: Arc<Held>,
    _admission: Admission,
}

/// The functions that it exports.
struct Doors {
    policy: Policy,
    put: Put,
    take: Take,
    size: Size,
}

impl Run {
    pub(super) async fn launch(launcher: &Launcher, about: About) -> Result<Self, Crash> {
        let (plugin, limits) = (&launcher.plugin, launcher.limits);
        let admission =
            Admission::ask(&plugin.sandbox).map_err(|message| Crash::new(CrashReason::Start { message }))?;
        let held = Held::new(launcher.accounts.memory());
        let stderr = Lines::new(Kind::Stderr(launcher.log.clone()), about.address.clone(), launcher.output.clone());
        let desk = Desk {
            memory: MemoryLimiter::new(&limits, held.clone(), plugin.sandbox.stack_bytes),
            panic: None,
            wasi: bare_wasi(&plugin.name, &stderr, &stderr).build(),
            resources: resources(&limits),
        };
        let (mut store, meter) = confined(&plugin.sandbox, &limits, desk, |desk| &mut desk.memory);
        let checked = &plugin.checked;
        let made = metered(&meter, async {
            let instance = checked.pre.instantiate_async(&mut store).await?;
            Ok(Doors {
                policy: instance.get_typed_func(&mut store, checked.policy)?,
                put: instance.get_typed_func(&mut store, checked.put)?,
                take: instance.get_typed_func(&mut store, checked.take)?,
                size: instance.get_typed_func(&mut store, checked.size)?,
            })
        });
        let made: wasmtime::Result<Doors> = made.await;
        let doors = made.map_err(|error| {
            stderr.finish();
            autopsy::failed_launch(&error, store.data(), &plugin.names, limits.cpu, &stderr)
        })?;
        let settings = Settings {
            address: about.address.to_string(),
            capacity: about.mailbox.capacity as u64,
            capacity_bytes: about.mailbox.capacity_bytes as u64,
            config: launcher.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        let plugin = launcher.plugin.clone();
        Ok(Self { store, doors, settings: Some(settings), meter, plugin, stderr, _held: held, _admission: admission })
    }

    /// One call, with the whole CPU budget; a refused growth of memory in an earlier call is forgotten. No call may follow an
    /// error.
    async fn call<P, R>(&mut self, door: TypedFunc<P, R>, params: P) -> Result<R, Crash>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.meter.restart(1);
        self.store.set_epoch_deadline(1);
        self.store.data_mut().memory.refused = None;
        let called = metered(self.meter.clone(), door.call_async(&mut self.store, params)).await;
        called.map_err(|error| {
            self.stderr.finish();
            autopsy::crash(&error, self.store.data(), &self.plugin.names, self.meter.budget(), &self.stderr)
        })
    }
}

impl MailboxPolicy for Run {
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>> {
        Box::pin(async move {
            let settings = self.settings.take().expect("rules are asked for once");
            let (rules,) = self.call(self.doors.policy, (settings,)).await?;
            rules.map(Rules::from).map_err(|message| {
                self.stderr.finish();
                Crash { stderr: self.stderr.tail(), ..Crash::new(CrashReason::Start { message }) }
            })
        })
    }

    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>> {
        Box::pin(async move {
            let entries = arrivals.entries.iter().map(Entry::from).collect();
            let params = (entries, arrivals.prefixes.clone(), arrivals.excess.into());
            Ok(self.call(self.doors.put, params).await?.0)
        })
    }

    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>> {
        Box::pin(async move { Ok(self.call(self.doors.take, (most, overdue)).await?.0) })
    }

    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>> {
        Box::pin(async move { Ok(self.call(self.doors.size, ()).await?.0) })
    }
}
