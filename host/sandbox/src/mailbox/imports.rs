//! The imports of a mailbox plugin, and the data of its store.

use wasmtime::component::{Linker, ResourceTable, WasmStr};
use wasmtime::{Engine, StoreContextMut, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::contract::MAILBOX_HOST;
use crate::limits::MemoryLimiter;
use crate::run::{PANIC_BYTES, RunFacts};
use crate::wasi::polling;

/// The data of one run's store.
pub(crate) struct MailboxData {
    pub(super) memory: MemoryLimiter,
    /// The panic message that the guest reported before its trap.
    pub(super) panic: Option<String>,
    pub(super) wasi: WasiCtx,
    pub(super) resources: ResourceTable,
}

impl WasiView for MailboxData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl RunFacts for MailboxData {
    fn memory(&self) -> &MemoryLimiter {
        &self.memory
    }

    fn panic(&self) -> Option<&String> {
        self.panic.as_ref()
    }
}

/// The imports of a mailbox plugin: WASI, and a function to report a panic. A mailbox plugin cannot send.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<MailboxData>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    polling::add_to(&mut linker, |data: &MailboxData| data.memory.most_resources)?;
    linker.instance(MAILBOX_HOST)?.func_wrap(
        "panicked",
        |mut store: StoreContextMut<'_, MailboxData>, (message,): (WasmStr,)| {
            let message = message.to_str(&store)?;
            let message = message[..message.floor_char_boundary(PANIC_BYTES)].to_owned();
            store.data_mut().panic = Some(message);
            Err::<(), _>(Trap::UnreachableCodeReached.into())
        },
    )?;
    Ok(linker)
}
