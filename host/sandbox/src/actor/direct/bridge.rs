//! The bridge: a small core module between the host and the program of a component. The host calls its `enter`, which allocates memory
//! for the arguments in the program, calls the program's function, hands its result to the host and lets the program free it; all in
//! one call of the host. The program's imports are exports of the bridge: an import whose result has texts or lists lets the program
//! allocate memory for them before it returns.
//!
//! The module is appended to the component, so that the compiler's child compiles both at once.

use wasm_encoder::{
    BlockType, CodeSection, ComponentExportKind, ComponentExportSection, ComponentSection, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, ImportSection, Instruction, Module, ModuleSection, NameSection, RefType,
    TableSection, TableType, TypeSection, ValType,
};

use super::entries::{ENTRIES, Entry, Flat, constant};
use super::shape::{Import, Shape};
use crate::contract::{BRIDGE, PARTS};

/// The module of the bridge's imports.
pub(super) const HOST: &str = "host";
/// The exported table with the functions of the program: its allocator, then the function and the post-return of each entry.
pub(super) const TABLE: &str = "program";
/// The exported function by which the host calls a function of the program: the number of the entry, and the bytes of a body.
pub(super) const ENTER: &str = "enter";

/// The function of the host behind an import of the program.
pub(super) struct HostFunction {
    /// Its name in [`HOST`].
    pub(super) name: String,
    /// Whether its result may need memory of the program: it then returns whether it does.
    pub(super) allocates: bool,
}

/// The slot of an entry's function; that of its post-return follows.
pub(super) fn slot(entry: usize) -> usize {
    1 + 2 * entry
}

/// The name under which the bridge exports the program's import of this number.
pub(super) fn import_name(index: usize) -> String {
    format!("import {index}")
}

/// A component with its bridge. None where the program has functions that the bridge does not know.
pub(super) fn append(wasm: &[u8], shape: &Shape<'_>, imports: &[HostFunction]) -> Vec<u8> {
    let bridge = module(shape, imports);
    let mut with = wasm.to_vec();
    ModuleSection(&bridge).append_to_component(&mut with);
    let mut exports = ComponentExportSection::new();
    exports.export(PARTS[0], ComponentExportKind::Module, shape.program, None);
    exports.export(PARTS[1], ComponentExportKind::Module, shape.modules, None);
    exports.append_to_component(&mut with);
    with
}

/// The types, imports and functions of a module that is being made.
#[derive(Default)]
struct Parts {
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    imports: ImportSection,
    /// Their names: a module in a component may import each function once.
    imported: Vec<String>,
    functions: FunctionSection,
    code: CodeSection,
    defined: u32,
    exports: ExportSection,
}

impl Parts {
    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let found = self.types.iter().position(|(known, returned)| known == params && returned == results);
        let index = found.unwrap_or_else(|| {
            self.types.push((params.to_vec(), results.to_vec()));
            self.types.len() - 1
        });
        index as u32
    }

    /// Imports a function of the host. All imports come before the first function.
    fn import(&mut self, name: &str, params: &[ValType], results: &[ValType]) -> u32 {
        let known = self.imported.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            let ty = self.ty(params, results);
            self.imports.import(HOST, name, EntityType::Function(ty));
            self.imported.push(name.to_owned());
            self.imported.len() - 1
        });
        index as u32
    }

    fn function(&mut self, params: &[ValType], results: &[ValType], body: &Function) -> u32 {
        let ty = self.ty(params, results);
        self.functions.function(ty);
        self.code.function(body);
        self.defined += 1;
        self.imported.len() as u32 + self.defined - 1
    }
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

fn module(shape: &Shape<'_>, imports: &[HostFunction]) -> Module {
    use Instruction as I;
    let mut parts = Parts::default();
    let entries: Vec<(usize, &Entry)> =
        ENTRIES.iter().enumerate().filter(|(_, entry)| shape.exports.contains_key(&entry.key())).collect();
    let next = parts.import("next", &[], &[I64]);
    let place = parts.import("place", &[I32], &[]);
    let fill = parts.import("fill", &[I32], &[]);
    let root = parts.import("root", &[], &[I32]);
    let number = parts.import("number", &[I32], &[I32]);
    let wide = parts.import("wide-number", &[I32], &[I64]);
    let takes: Vec<Option<u32>> =
        entries.iter().map(|(_, entry)| entry.take.map(|take| parts.import(take, &[I32], &[]))).collect();
    let hosts: Vec<u32> = shape
        .imports
        .iter()
        .zip(imports)
        .map(|(import, host)| {
            let params = core(&import.params);
            let results = if host.allocates { vec![I32] } else { core(import.result.as_slice()) };
            parts.import(&host.name, &params, &results)
        })
        .collect();
    let realloc = parts.ty(&[I32; 4], &[I32]);

    // Allocates memory for each block that the host has, the last one first.
    let mut allocate = Function::new([(1, I64)]);
    allocate
        .instruction(&I::Block(BlockType::Empty))
        .instruction(&I::Loop(BlockType::Empty))
        .instruction(&I::Call(next))
        .instruction(&I::LocalTee(0))
        .instruction(&I::I64Const(0))
        .instruction(&I::I64LtS)
        .instruction(&I::BrIf(1))
        .instruction(&I::I32Const(0))
        .instruction(&I::I32Const(0))
        .instruction(&I::LocalGet(0))
        .instruction(&I::I64Const(32))
        .instruction(&I::I64ShrU)
        .instruction(&I::I32WrapI64)
        .instruction(&I::LocalGet(0))
        .instruction(&I::I32WrapI64)
        .instruction(&I::I32Const(0))
        .instruction(&I::CallIndirect { type_index: realloc, table_index: 0 })
        .instruction(&I::Call(place))
        .instruction(&I::Br(0))
        .instruction(&I::End)
        .instruction(&I::End)
        .instruction(&I::End);
    let allocate = parts.function(&[], &[], &allocate);

    for (index, ((import, host), function)) in shape.imports.iter().zip(imports).zip(hosts).enumerate() {
        let exported = if host.allocates { through(&mut parts, import, function, allocate) } else { function };
        parts.exports.export(&import_name(index), ExportKind::Func, exported);
    }

    let mut called = Vec::new();
    for ((number_of, entry), take) in entries.iter().zip(takes) {
        let export = shape.exports[&entry.key()];
        let mut body = Function::new([(1, I32)]);
        let params: Vec<ValType> =
            if entry.root { vec![I32] } else { entry.params.iter().map(|flat| flat.ty()).collect() };
        if entry.body {
            body.instruction(&I::I32Const(0))
                .instruction(&I::I32Const(0))
                .instruction(&I::I32Const(1))
                .instruction(&I::LocalGet(0))
                .instruction(&I::I32Const(0))
                .instruction(&I::CallIndirect { type_index: realloc, table_index: 0 })
                .instruction(&I::LocalTee(1))
                .instruction(&I::Call(fill))
                .instruction(&I::LocalGet(1))
                .instruction(&I::LocalGet(0));
        } else if !params.is_empty() {
            body.instruction(&I::Call(allocate));
            if entry.root {
                body.instruction(&I::Call(root));
            } else {
                for flat in entry.params {
                    let (get, at) = match *flat {
                        Flat::I32(at) => (number, at),
                        Flat::I64(at) => (wide, at),
                    };
                    body.instruction(&I::I32Const(at)).instruction(&I::Call(get));
                }
            }
        }
        let params = if entry.body { vec![I32, I32] } else { params };
        let results: &[ValType] = if entry.take.is_some() { &[I32] } else { &[] };
        let ty = parts.ty(&params, results);
        body.instruction(&I::I32Const(constant(slot(*number_of))))
            .instruction(&I::CallIndirect { type_index: ty, table_index: 0 });
        if let Some(take) = take {
            body.instruction(&I::LocalTee(1)).instruction(&I::Call(take));
        }
        if export.post_return.is_some() {
            let params: &[ValType] = if entry.take.is_some() { &[I32] } else { &[] };
            let ty = parts.ty(params, &[]);
            if entry.take.is_some() {
                body.instruction(&I::LocalGet(1));
            }
            body.instruction(&I::I32Const(constant(slot(*number_of) + 1)))
                .instruction(&I::CallIndirect { type_index: ty, table_index: 0 });
        }
        body.instruction(&I::End);
        called.push((*number_of, parts.function(&[I32], &[], &body)));
    }
    let mut enter = Function::new([]);
    // A chain of comparisons: the two entries that are called for messages come first.
    for (number_of, function) in called {
        enter
            .instruction(&I::LocalGet(0))
            .instruction(&I::I32Const(constant(number_of)))
            .instruction(&I::I32Eq)
            .instruction(&I::If(BlockType::Empty))
            .instruction(&I::LocalGet(1))
            .instruction(&I::Call(function))
            .instruction(&I::Return)
            .instruction(&I::End);
    }
    enter.instruction(&I::Unreachable).instruction(&I::End);
    let enter = parts.function(&[I32, I32], &[], &enter);
    parts.exports.export(ENTER, ExportKind::Func, enter);
    parts.exports.export(TABLE, ExportKind::Table, 0);
    finish(&parts)
}

/// A function that calls one of the host, and lets the program allocate what its result needs.
fn through(parts: &mut Parts, import: &Import<'_>, host: u32, allocate: u32) -> u32 {
    use Instruction as I;
    let params = core(&import.params);
    let mut body = Function::new([]);
    for param in 0..params.len() as u32 {
        body.instruction(&I::LocalGet(param));
    }
    body.instruction(&I::Call(host))
        .instruction(&I::If(BlockType::Empty))
        .instruction(&I::Call(allocate))
        .instruction(&I::End)
        .instruction(&I::End);
    parts.function(&params, &[], &body)
}

fn finish(parts: &Parts) -> Module {
    let mut types = TypeSection::new();
    for (params, results) in &parts.types {
        types.ty().function(params.iter().copied(), results.iter().copied());
    }
    let slots = slot(ENTRIES.len()) as u64;
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: slots,
        maximum: Some(slots),
        shared: false,
    });
    let mut names = NameSection::new();
    names.module(BRIDGE);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&parts.imports)
        .section(&parts.functions)
        .section(&tables)
        .section(&parts.exports)
        .section(&parts.code)
        .section(&names);
    module
}

fn core(types: &[wasmparser::ValType]) -> Vec<ValType> {
    types
        .iter()
        .map(|ty| match ty {
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            _ => ValType::I32,
        })
        .collect()
}
