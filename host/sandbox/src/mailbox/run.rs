//! One run of a mailbox plugin: a store of its own, the instance in it, and the calls into it.

use std::sync::Arc;

use playhouse_kernel::{About, Arrivals, BoxFuture, Crash, CrashReason, Key, MailboxPolicy, Rules};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use super::imports::MailboxData;
use super::setup::{Loaded, MailboxSetup};
use crate::contract::{Entry, Policy, Put, Settings, Size, Take};
use crate::limits::{CpuMeter, Held, MemoryLimiter};
use crate::output::{Kind, Lines, Logger, Writer};
use crate::run::{self, Admission, bare_wasi, confined, metered, resources};

/// One run. The order of the fields is the order of the drop: the store first, later the account of its memory and its admission.
pub(super) struct Run {
    store: Store<MailboxData>,
    exports: Exports,
    settings: Option<Settings>,
    meter: Arc<CpuMeter>,
    plugin: Arc<Loaded>,
    stderr: Lines,
    _held: Arc<Held>,
    _admission: Admission,
}

/// The functions that it exports.
struct Exports {
    policy: Policy,
    put: Put,
    take: Take,
    size: Size,
}

impl Run {
    pub(super) async fn launch(setup: &MailboxSetup, about: About) -> Result<Self, Crash> {
        let (plugin, limits) = (&setup.plugin, setup.limits);
        let admission =
            plugin.sandbox.instances.admit().map_err(|message| Crash::new(CrashReason::Start { message }))?;
        let held = Held::new(setup.accounts.memory(), &about.resources);
        let writer = Writer::new(about.address.clone(), plugin.name.clone(), None);
        let stderr = Lines::new(Kind::Stderr(setup.log.clone()), writer.clone(), setup.output.clone());
        let data = MailboxData {
            memory: MemoryLimiter::new(&limits, held.clone(), plugin.sandbox.stack_bytes),
            logger: Logger::new(writer, setup.output.clone(), setup.log.clone()),
            panic: None,
            wasi: bare_wasi(&plugin.name, &stderr, &stderr).build(),
            resources: resources(&limits),
        };
        let (mut store, meter) =
            confined(&plugin.sandbox, &limits, about.resources.clone(), data, |data| &mut data.memory);
        let checked = &plugin.checked;
        let made = metered(&meter, async {
            let instance = checked.pre.instantiate_async(&mut store).await?;
            Ok(Exports {
                policy: instance.get_typed_func(&mut store, checked.policy)?,
                put: instance.get_typed_func(&mut store, checked.put)?,
                take: instance.get_typed_func(&mut store, checked.take)?,
                size: instance.get_typed_func(&mut store, checked.size)?,
            })
        });
        let made: wasmtime::Result<Exports> = made.await;
        let exports = made.map_err(|error| {
            stderr.finish();
            run::failed_launch(&error, store.data(), &plugin.names, limits.cpu, &stderr)
        })?;
        let settings = Settings {
            address: about.address.to_string(),
            capacity: about.mailbox.capacity as u64,
            capacity_bytes: about.mailbox.capacity_bytes as u64,
            config: setup.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        let plugin = setup.plugin.clone();
        Ok(Self { store, exports, settings: Some(settings), meter, plugin, stderr, _held: held, _admission: admission })
    }

    /// One call, with the whole CPU budget; a refused growth of memory in an earlier call is forgotten. No call may follow an
    /// error.
    async fn call<P, R>(&mut self, function: TypedFunc<P, R>, params: P) -> Result<R, Crash>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.meter.restart(1);
        self.store.set_epoch_deadline(1);
        self.store.data_mut().memory.refused = None;
        let called = metered(self.meter.clone(), function.call_async(&mut self.store, params)).await;
        called.map_err(|error| {
            self.stderr.finish();
            run::crash(&error, self.store.data(), &self.plugin.names, self.meter.budget(), &self.stderr)
        })
    }
}

impl MailboxPolicy for Run {
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>> {
        Box::pin(async move {
            let settings = self.settings.take().expect("rules are asked for once");
            let (rules,) = self.call(self.exports.policy, (settings,)).await?;
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
            Ok(self.call(self.exports.put, params).await?.0)
        })
    }

    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>> {
        Box::pin(async move { Ok(self.call(self.exports.take, (most, overdue)).await?.0) })
    }

    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>> {
        Box::pin(async move { Ok(self.call(self.exports.size, ()).await?.0) })
    }
}
