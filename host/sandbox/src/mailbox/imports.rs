//! The imports of a mailbox plugin, and the data of its store.

use wasmtime::component::{Linker, ResourceTable, WasmList, WasmStr};
use wasmtime::{Engine, StoreContextMut, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::contract::MAILBOX_HOST;
use crate::limits::MemoryLimiter;
use crate::output::Logger;
use crate::run::{Panic, RunFacts};
use crate::wasi::logging::{self, Logging};
use crate::wasi::polling;

/// The data of one run's store.
pub(crate) struct MailboxData {
    pub(super) memory: MemoryLimiter,
    pub(super) logger: Logger,
    /// The panic that the guest reported before its trap.
    pub(super) panic: Option<Panic>,
    pub(super) wasi: WasiCtx,
    pub(super) resources: ResourceTable,
}

impl WasiView for MailboxData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl Logging for MailboxData {
    fn logger(&mut self) -> &Logger {
        &self.logger
    }
}

impl RunFacts for MailboxData {
    fn memory(&self) -> &MemoryLimiter {
        &self.memory
    }

    fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }
}

/// The imports of a mailbox plugin: WASI with a log, and a function to report a panic. A mailbox plugin cannot send.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<MailboxData>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    polling::add_to(&mut linker, |data: &MailboxData| data.memory.most_resources)?;
    logging::add_to(&mut linker)?;
    linker.instance(MAILBOX_HOST)?.func_wrap(
        "panicked",
        |mut store: StoreContextMut<'_, MailboxData>, (message, traceback): (WasmStr, WasmList<WasmStr>)| {
            let panic = Panic::read(&mut store, &message, &traceback)?;
            store.data_mut().panic = Some(panic);
            Err::<(), _>(Trap::UnreachableCodeReached.into())
        },
    )?;
    Ok(linker)
}
