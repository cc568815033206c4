//! The driver without Playhouse: the cost of a call through wasmtime alone.

use anyhow::{Context, Result, anyhow};
use wasmtime::component::{Component, Linker, ResourceTable, TypedFunc};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::body;
use crate::figure::{Clock, Figures, check_sum};
use crate::playhouse::harness::plugin_file;

type Reply = std::result::Result<Option<Vec<u8>>, Failure>;

#[derive(wasmtime::component::ComponentType, wasmtime::component::Lift)]
#[component(variant)]
enum Failure {
    #[component(name = "reject")]
    Reject(String),
    #[component(name = "retry")]
    Retry(String),
}

struct Data {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Numbered bodies of 64 bytes.
pub(crate) fn bodies(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let template = body::template(64);
    (0..count).map(move |number| {
        let mut body = template.clone();
        body::set_number(&mut body, number);
        body
    })
}

/// A call for each body, on one thread.
pub(crate) fn run(count: u64) -> Result<Figures> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        let mut driver = Driver::new().await?;
        let clock = Clock::start();
        for body in bodies(count) {
            driver.call(body).await?;
        }
        let figures = clock.figures(count);
        check_sum(&driver.call(b"sum".to_vec()).await?, 1, count, 64)?;
        Ok(figures)
    })
}

struct Driver(Store<Data>, TypedFunc<(Vec<u8>,), (Reply,)>);

impl Driver {
    async fn new() -> Result<Self> {
        let mut config = Config::new();
        config.concurrency_support(false).epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, plugin_file("bench-driver"))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // The driver calls only `config` of its kernel, which has no values here.
        linker.instance(KERNEL)?.func_wrap("config", |_, (_,): (String,)| Ok((None::<String>,)))?;
        linker.define_unknown_imports_as_traps(&component)?;
        let pre = linker.instantiate_pre(&component)?;
        let data = Data { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&engine, data);
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = pre.instantiate_async(&mut store).await?;
        let export = |interface: &str, name: &str| {
            let interface = component.get_export_index(None, interface).context("no such interface")?;
            component.get_export_index(Some(&interface), name).context("no such function")
        };
        let init = export("playhouse:actor/lifecycle@0.2.0", "init")?;
        let init = instance.get_typed_func::<(), (std::result::Result<(), String>,)>(&mut store, init)?;
        init.call_async(&mut store, ()).await?.0.map_err(anyhow::Error::msg)?;
        let handler = export("playhouse:actor/handler@0.2.0", "msg-handler")?;
        let handler = instance.get_typed_func(&mut store, handler)?;
        Ok(Self(store, handler))
    }

    async fn call(&mut self, body: Vec<u8>) -> Result<Vec<u8>> {
        let (reply,): (Reply,) = self.1.call_async(&mut self.0, (body,)).await?;
        match reply {
            Ok(reply) => Ok(reply.unwrap_or_default()),
            Err(Failure::Reject(text) | Failure::Retry(text)) => Err(anyhow!(text)),
        }
    }
}

const KERNEL: &str = "playhouse:actor/kernel@0.2.0";
