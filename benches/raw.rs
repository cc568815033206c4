//! The same component without Playhouse: what a call through wasmtime alone costs.

use std::path::Path;

use anyhow::Result;
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable, TypedFunc};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

type Reply = std::result::Result<Option<Vec<u8>>, Failure>;

#[derive(wasmtime::component::ComponentType, wasmtime::component::Lift)]
#[component(variant)]
enum Failure {
    #[component(name = "reject")]
    Reject(String),
    #[component(name = "retry")]
    Retry(String),
}

struct Room {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Room {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The echo plugin, linked.
pub(crate) struct Echo(Engine, InstancePre<Room>);

/// One instance of it.
pub(crate) struct Instance(Store<Room>, TypedFunc<(Vec<u8>,), (Reply,)>);

impl Echo {
    pub(crate) fn new(file: &Path) -> Result<Self> {
        let mut config = Config::new();
        config.concurrency_support(false).epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, file)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        linker.define_unknown_imports_as_traps(&component)?;
        Ok(Self(engine, linker.instantiate_pre(&component)?))
    }

    pub(crate) async fn instance(&self) -> Result<Instance> {
        let room = Room { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.0, room);
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.1.instantiate_async(&mut store).await?;
        let export = |interface: &str, name: &str| {
            let component = self.1.component();
            let interface = component.get_export_index(None, interface)?;
            component.get_export_index(Some(&interface), name)
        };
        let init = export("playhouse:actor/lifecycle@0.1.0", "init").expect("echo has hooks");
        let init = instance.get_typed_func::<(), (std::result::Result<(), String>,)>(&mut store, init)?;
        init.call_async(&mut store, ()).await?.0.map_err(anyhow::Error::msg)?;
        let handler = export("playhouse:actor/handler@0.1.0", "msg-handler").expect("echo is an actor");
        let handler = instance.get_typed_func(&mut store, handler)?;
        Ok(Instance(store, handler))
    }
}

impl Instance {
    pub(crate) async fn call(&mut self, body: &[u8]) -> Result<Vec<u8>> {
        let (reply,): (Reply,) = self.1.call_async(&mut self.0, (body.to_vec(),)).await?;
        match reply {
            Ok(reply) => Ok(reply.unwrap_or_default()),
            Err(Failure::Reject(text) | Failure::Retry(text)) => Err(anyhow::anyhow!(text)),
        }
    }
}
