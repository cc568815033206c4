//! Calls into the program of a component without the component around it. A call of a component enters WebAssembly three times, to
//! allocate memory for the arguments, to run the function and to free its result, and looks the function up each time. A program that has
//! the shape that `wit-component` gives it is instantiated as a core module instead, with a canonical ABI of our own for the functions
//! of our contract, and a call enters it once. Any other component takes the component's way; what a guest can do is the same.
//!
//! | file, lowest first | contents |
//! |---|---|
//! | `trampolines`, `shape` | recognise a component that has this shape |
//! | `entries`, `bridge` | the functions that are called; the module between host and program, which is appended to the component |
//! | `state`, `memory` | the values that cross; reading and writing the program's memory |
//! | `functions` | the functions of the host, by name |
//! | `bridge_host`, `kernel`, `batch`, `wasi` | what they do |

mod batch;
mod bridge;
mod bridge_host;
mod entries;
mod functions;
mod kernel;
mod memory;
mod shape;
pub(super) mod state;
mod trampolines;
mod wasi;

use std::sync::Arc;

use wasmtime::component::{Component, Linker};
use wasmtime::{AsContextMut, Engine, Extern, Instance, InstancePre, Module, ModuleExport, Ref, Store, TypedFunc};

use super::imports::ActorData;
use crate::contract::{
    ChildFailure, Decision, Directive, Failure, HandlerResults, Image, Notice, PARTS, Task, ToImage,
};
pub(crate) use functions::Imports;

use state::{Given, Passed, Taken, To};

/// The functions of the host for programs that are called without their component.
pub(crate) fn imports(engine: &Engine) -> wasmtime::Result<Imports> {
    let mut imports = Imports::new(engine);
    bridge_host::add_to(&mut imports.linker)?;
    kernel::add_to(&mut imports)?;
    batch::add_to(&mut imports)?;
    wasi::add_to(&mut imports)?;
    Ok(imports)
}

/// A component whose program can be called directly: as it is written, before it is compiled.
pub(crate) struct Plan {
    /// The component with its bridge.
    pub(crate) wasm: Vec<u8>,
    memory: String,
    realloc: String,
    /// The number of imports of the program.
    imports: usize,
    /// The entries that the program has: their numbers, the names of the functions, and of those that free a result.
    entries: Vec<(usize, String, Option<String>)>,
}

/// The plan for a component; none for one that is run as a component.
pub(crate) fn plan(imports: &Imports, wasm: &[u8]) -> Option<Plan> {
    let shape = shape::Shape::of(wasm)?;
    let functions: Option<Vec<_>> = shape.imports.iter().map(|import| imports.find(import.source)).collect();
    let wasm = bridge::append(wasm, &shape, &functions?);
    let entries = entries::ENTRIES.iter().enumerate().filter_map(|(number, entry)| {
        let export = shape.exports.get(&entry.key())?;
        Some((number, export.function.to_owned(), export.post_return.map(str::to_owned)))
    });
    Some(Plan {
        wasm,
        memory: shape.memory.to_owned(),
        realloc: shape.realloc?.to_owned(),
        imports: shape.imports.len(),
        entries: entries.collect(),
    })
}

/// The program of a component and its bridge, compiled.
pub(crate) struct Direct {
    bridge: InstancePre<ActorData>,
    program: Module,
    /// The exports of the bridge that are the imports of the program.
    imports: Vec<ModuleExport>,
    table: ModuleExport,
    enter: ModuleExport,
    memory: ModuleExport,
    /// The slots of the bridge's table, with the functions of the program.
    slots: Vec<(u64, ModuleExport)>,
}

impl Direct {
    /// None when the compiled component is not as planned; it is run as a component then.
    pub(crate) fn of(engine: &Engine, imports: &Imports, plan: &Plan, component: &Component) -> Option<Self> {
        let [program, bridge] = modules(engine, component)?;
        let mut slots = vec![(0, program.get_export_index(&plan.realloc)?)];
        for (number, function, post_return) in &plan.entries {
            let slot = bridge::slot(*number) as u64;
            slots.push((slot, program.get_export_index(function)?));
            if let Some(post_return) = post_return {
                slots.push((slot + 1, program.get_export_index(post_return)?));
            }
        }
        let exported = (0..plan.imports).map(|index| bridge.get_export_index(&bridge::import_name(index)));
        Some(Self {
            imports: exported.collect::<Option<_>>()?,
            table: bridge.get_export_index(bridge::TABLE)?,
            enter: bridge.get_export_index(bridge::ENTER)?,
            memory: program.get_export_index(&plan.memory)?,
            bridge: imports.linker.instantiate_pre(&bridge).ok()?,
            program,
            slots,
        })
    }

    /// Makes an instance in the store.
    pub(super) async fn instantiate(&self, store: &mut Store<ActorData>) -> wasmtime::Result<Enter> {
        let bridge = self.bridge.instantiate_async(&mut *store).await?;
        let missing = || wasmtime::format_err!("the bridge is not complete");
        let mut imports = Vec::with_capacity(self.imports.len());
        for import in &self.imports {
            imports.push(bridge.get_module_export(&mut *store, import).ok_or_else(missing)?);
        }
        let program = Instance::new_async(&mut *store, &self.program, &imports).await?;
        let memory = program.get_module_export(&mut *store, &self.memory).and_then(Extern::into_memory);
        store.data_mut().bridge.memory = Some(memory.ok_or_else(missing)?);
        let table = bridge.get_module_export(&mut *store, &self.table).and_then(Extern::into_table);
        let table = table.ok_or_else(missing)?;
        for (slot, export) in &self.slots {
            let function = program.get_module_export(&mut *store, export).and_then(Extern::into_func);
            table.set(&mut *store, *slot, Ref::Func(Some(function.ok_or_else(missing)?)))?;
        }
        let enter = bridge.get_module_export(&mut *store, &self.enter).and_then(Extern::into_func);
        Ok(Enter(enter.ok_or_else(missing)?.typed(&*store)?))
    }
}

/// The ticks of the clock in which an instance copies its data into its memory.
const TICKS_TO_INSTANTIATE: u64 = 1000;

/// The program and the bridge of a compiled component. They are found by an instance, whose imports do nothing; no code of the guest
/// runs, since the program has no function that runs at its start.
fn modules(engine: &Engine, component: &Component) -> Option<[Module; 2]> {
    let mut linker = Linker::<()>::new(engine);
    linker.define_unknown_imports_as_traps(component).ok()?;
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(TICKS_TO_INSTANTIATE);
    let instance = linker.instantiate(&mut store, component).ok()?;
    let [program, bridge] = PARTS.map(|part| instance.get_module(&mut store, part));
    Some([program?, bridge?])
}

/// The function of the bridge that calls the program.
pub(super) struct Enter(TypedFunc<(i32, i32), ()>);

impl Enter {
    async fn call(&self, store: &mut Store<ActorData>, entry: usize, bytes: usize) -> wasmtime::Result<Taken> {
        let bytes = u32::try_from(bytes).map_err(|_| wasmtime::format_err!("more bytes than a guest can have"))?;
        self.0.call_async(store.as_context_mut(), (entries::constant(entry), bytes.cast_signed())).await?;
        let bridge = &mut store.data_mut().bridge;
        bridge.given = None;
        Ok(std::mem::take(&mut bridge.taken))
    }

    /// Calls a function without arguments.
    async fn plain(&self, store: &mut Store<ActorData>, entry: usize) -> wasmtime::Result<Taken> {
        store.data_mut().bridge.may_call = true;
        self.call(store, entry, 0).await
    }

    async fn give<T: ToImage>(
        &self,
        store: &mut Store<ActorData>,
        entry: usize,
        value: T,
        to: To,
    ) -> wasmtime::Result<Taken> {
        let bridge = &mut store.data_mut().bridge;
        bridge.may_call = false;
        bridge.given = Some(Given { image: Image::of(value), to });
        self.call(store, entry, 0).await
    }

    /// Handles the current message.
    pub(super) async fn handle(&self, store: &mut Store<ActorData>) -> wasmtime::Result<HandlerResults> {
        let data = store.data_mut();
        let bytes = data.incarnation.turn.get_mut().body().len();
        (data.bridge.may_call, data.bridge.passed) = (false, Passed::Message);
        match self.call(store, entries::HANDLE, bytes).await? {
            Taken::Reply(reply) => Ok((reply,)),
            _ => Err(other()),
        }
    }

    pub(super) async fn handle_batch(
        &self,
        store: &mut Store<ActorData>,
        frame: Arc<Vec<u8>>,
    ) -> wasmtime::Result<Vec<u8>> {
        let bytes = frame.len();
        let bridge = &mut store.data_mut().bridge;
        (bridge.may_call, bridge.passed) = (false, Passed::Frame(frame));
        let called = self.call(store, entries::HANDLE_BATCH, bytes).await;
        // The buffer goes back to the turn.
        store.data_mut().bridge.passed = Passed::Message;
        match called? {
            Taken::Frame(frame) => Ok(frame),
            _ => Err(other()),
        }
    }

    async fn hook(&self, store: &mut Store<ActorData>, entry: usize) -> wasmtime::Result<Result<(), String>> {
        match self.plain(store, entry).await? {
            Taken::Hook(answer) => Ok(answer),
            _ => Err(other()),
        }
    }

    pub(super) async fn init(&self, store: &mut Store<ActorData>) -> wasmtime::Result<Result<(), String>> {
        self.hook(store, entries::INIT).await
    }

    pub(super) async fn prepare_children(&self, store: &mut Store<ActorData>) -> wasmtime::Result<Result<(), String>> {
        self.hook(store, entries::PREPARE_CHILDREN).await
    }

    pub(super) async fn shut_down(&self, store: &mut Store<ActorData>) -> wasmtime::Result<Result<(), String>> {
        self.hook(store, entries::SHUTDOWN).await
    }

    pub(super) async fn decide_to_start(&self, store: &mut Store<ActorData>) -> wasmtime::Result<Decision> {
        match self.plain(store, entries::DECIDE_TO_START).await? {
            Taken::Decision(decision) => Ok(decision),
            _ => Err(other()),
        }
    }

    pub(super) async fn child_failed(
        &self,
        store: &mut Store<ActorData>,
        failure: ChildFailure,
    ) -> wasmtime::Result<Directive> {
        match self.give(store, entries::CHILD_FAILED, failure, To::Root(None)).await? {
            Taken::Directive(directive) => Ok(directive),
            _ => Err(other()),
        }
    }

    pub(super) async fn noticed(
        &self,
        store: &mut Store<ActorData>,
        notice: Notice,
    ) -> wasmtime::Result<Result<(), Failure>> {
        match self.give(store, entries::NOTICED, notice, To::Arguments).await? {
            Taken::Noticed(result) => Ok(result),
            _ => Err(other()),
        }
    }

    pub(super) async fn task_done(&self, store: &mut Store<ActorData>, tasks: Vec<Task>) -> wasmtime::Result<()> {
        self.give(store, entries::TASK_DONE, tasks, To::Arguments).await.map(drop)
    }

    pub(super) async fn forget(&self, store: &mut Store<ActorData>, number: u32) -> wasmtime::Result<()> {
        self.give(store, entries::FORGET, number, To::Arguments).await.map(drop)
    }
}

/// The bridge calls the function of each result by the entry's own name.
fn other() -> wasmtime::Error {
    wasmtime::format_err!("the program returned the result of another function")
}
