//! The functions of the host for a program that is called without its component, by interface and name. A component that imports another
//! function is run as a component.

use std::collections::HashMap;

use wasmtime::{Caller, Engine, IntoFunc, Linker};

use super::bridge::{HOST, HostFunction};
use super::shape::Source;
use crate::actor::imports::ActorData;

pub(super) type Call<'a> = Caller<'a, ActorData>;

/// The functions of the host, by interface and name.
pub(crate) struct Imports {
    pub(super) linker: Linker<ActorData>,
    /// Whether a function returns whether its result needs memory.
    allocates: HashMap<String, bool>,
}

/// The name of a function in the linker. Interfaces of one minor version are compatible.
fn key(interface: &str, name: &str) -> String {
    let end = interface.rfind('.').filter(|_| interface.contains('@')).unwrap_or(interface.len());
    format!("{} {name}", &interface[..end])
}

impl Imports {
    pub(super) fn new(engine: &Engine) -> Self {
        Self { linker: Linker::new(engine), allocates: HashMap::new() }
    }

    /// The function behind an import of a program, if the host has it.
    pub(super) fn find(&self, source: Source<'_>) -> Option<HostFunction> {
        let name = match source {
            Source::Function { interface, name } => key(interface, name),
            Source::Drop { interface, resource } => key(interface, &format!("[resource-drop]{resource}")),
        };
        let allocates = *self.allocates.get(&name)?;
        Some(HostFunction { name, allocates })
    }

    /// A function whose result needs no memory.
    pub(super) fn plain<P, R>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl IntoFunc<ActorData, P, R>,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, false);
        self.linker.func_wrap(HOST, &key(interface, name), function)?;
        Ok(())
    }

    /// A function that gives its result to the program.
    pub(super) fn giving<P>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl IntoFunc<ActorData, P, wasmtime::Result<i32>>,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, true);
        self.linker.func_wrap(HOST, &key(interface, name), function)?;
        Ok(())
    }

    /// As `giving`, for a function that waits.
    pub(super) fn waiting<P: wasmtime::WasmTyList + 'static>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl for<'a> Fn(Call<'a>, P) -> Box<dyn Future<Output = wasmtime::Result<i32>> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, true);
        self.linker.func_wrap_async(HOST, &key(interface, name), function)?;
        Ok(())
    }

    /// As `waiting`, for a function without a result.
    pub(super) fn dropping<P: wasmtime::WasmTyList + 'static>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl for<'a> Fn(Call<'a>, P) -> Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, false);
        self.linker.func_wrap_async(HOST, &key(interface, name), function)?;
        Ok(())
    }

    fn add(&mut self, interface: &str, name: &str, allocates: bool) {
        self.allocates.insert(key(interface, name), allocates);
    }
}
