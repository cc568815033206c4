//! Recognises the components whose program can be called without the component around it: one program, its imports lowered and its
//! exports lifted in the standard way, as `wit-component` writes them. The wiring is followed, not assumed: a component that connects
//! an import of its program to another function than its name says keeps that connection.

use std::collections::HashMap;

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentTypeRef,
    Encoding, ExternalKind, Instance, Payload, TypeRef, ValType,
};

use super::trampolines;
use crate::component::sections;

/// The program of a component, and the connections between it and the component's imports and exports.
pub(super) struct Shape<'a> {
    /// The imports of the program, in order.
    pub(super) imports: Vec<Import<'a>>,
    /// The exported functions, by interface and name.
    pub(super) exports: HashMap<(&'a str, &'a str), Export<'a>>,
    /// The name under which the program exports its memory.
    pub(super) memory: &'a str,
    /// The name of its allocator; none when no function needs it.
    pub(super) realloc: Option<&'a str>,
    /// The number of the program among the core modules, and their count.
    pub(super) program: u32,
    pub(super) modules: u32,
}

/// An import of the program, a function.
pub(super) struct Import<'a> {
    pub(super) params: Vec<ValType>,
    pub(super) result: Option<ValType>,
    pub(super) source: Source<'a>,
}

/// The function of the host that an import of the program reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source<'a> {
    /// A function of an imported interface.
    Function { interface: &'a str, name: &'a str },
    /// The drop of a resource of an imported interface.
    Drop { interface: &'a str, resource: &'a str },
}

/// A function of the program that the component exports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Export<'a> {
    pub(super) function: &'a str,
    pub(super) post_return: Option<&'a str>,
}

/// A core function of the component.
enum CoreFunc<'a> {
    Alias { instance: u32, name: &'a str },
    Lower { func: u32, options: Options },
    Drop { ty: u32 },
}

enum CoreInstance<'a> {
    Module { module: u32, args: Vec<(&'a str, u32)> },
    Bundle(Vec<(&'a str, ExternalKind, u32)>),
}

enum Func<'a> {
    Imported { instance: u32, name: &'a str },
    Lift { core: u32, options: Options },
    Other,
}

enum Instances<'a> {
    Imported(&'a str),
    Made { component: u32, args: Vec<(&'a str, u32)> },
}

/// Canonical options; strings are UTF-8.
#[derive(Default, Clone, Copy)]
struct Options {
    memory: Option<u32>,
    realloc: Option<u32>,
    post_return: Option<u32>,
}

impl Options {
    /// None for an option that the standard way does not have.
    fn of(options: &[CanonicalOption]) -> Option<Self> {
        let mut read = Self::default();
        for option in options {
            match *option {
                CanonicalOption::UTF8 => {}
                CanonicalOption::Memory(index) => read.memory = Some(index),
                CanonicalOption::Realloc(index) => read.realloc = Some(index),
                CanonicalOption::PostReturn(index) => read.post_return = Some(index),
                _ => return None,
            }
        }
        Some(read)
    }
}

/// A type that stands for a resource of an imported interface.
type TypeName<'a> = Option<(u32, &'a str)>;

/// The definitions of a component, by their index spaces.
#[derive(Default)]
struct Definitions<'a> {
    modules: Vec<&'a [u8]>,
    components: Vec<&'a [u8]>,
    core_funcs: Vec<CoreFunc<'a>>,
    core_instances: Vec<CoreInstance<'a>>,
    /// The instances and names of the memories.
    memories: Vec<(u32, &'a str)>,
    /// The instances of the tables.
    tables: Vec<u32>,
    funcs: Vec<Func<'a>>,
    instances: Vec<Instances<'a>>,
    types: Vec<TypeName<'a>>,
    exports: Vec<(&'a str, u32)>,
}

impl<'a> Shape<'a> {
    /// None for a component that is not of the standard shape.
    pub(super) fn of(wasm: &'a [u8]) -> Option<Self> {
        let component = Definitions::read(wasm)?;
        let main = component.program()?;
        let CoreInstance::Module { module, args } = &component.core_instances[main as usize] else { return None };
        let shim = component.shim(main)?;
        let mut shape = Shape {
            imports: Vec::new(),
            exports: HashMap::new(),
            memory: "",
            realloc: None,
            program: *module,
            modules: u32::try_from(component.modules.len()).ok()?,
        };
        let mut memory = None;
        for import in program_imports(component.modules[*module as usize])? {
            let bundle = args.iter().find(|(name, _)| *name == import.module)?.1;
            let CoreInstance::Bundle(members) = component.core_instances.get(bundle as usize)? else { return None };
            let (.., index) =
                members.iter().find(|(name, kind, _)| *name == import.name && *kind == ExternalKind::Func)?;
            let source = component.source(*index, &shim, main, &mut memory, &mut shape.realloc)?;
            shape.imports.push(Import { params: import.params, result: import.result, source });
        }
        for (interface, instance) in &component.exports {
            for (name, func) in component.exported(*instance)? {
                let Func::Lift { core, options } = component.funcs.get(func as usize)? else { return None };
                component.check_options(options, main, &mut memory, &mut shape.realloc)?;
                let function = component.of_program(*core, main)?;
                let post_return = match options.post_return {
                    Some(post) => Some(component.of_program(post, main)?),
                    None => None,
                };
                shape.exports.insert((*interface, name), Export { function, post_return });
            }
        }
        shape.memory = memory?;
        Some(shape)
    }
}

impl<'a> Definitions<'a> {
    fn read(wasm: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        // Sections of modules and components within are their own.
        let mut depth = 0;
        for payload in sections(wasm) {
            match payload.ok()? {
                Payload::Version { encoding: Encoding::Component, .. } if depth == 0 => depth = 1,
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                _ if depth > 1 => {}
                payload => read.add(wasm, payload)?,
            }
        }
        Some(read)
    }

    fn add(&mut self, wasm: &'a [u8], payload: Payload<'a>) -> Option<()> {
        match payload {
            Payload::ModuleSection { unchecked_range: range, .. } => self.modules.push(wasm.get(range)?),
            Payload::ComponentSection { unchecked_range: range, .. } => self.components.push(wasm.get(range)?),
            Payload::CustomSection(_) => {}
            Payload::ComponentTypeSection(types) => {
                for _ in types {
                    self.types.push(None);
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let import = import.ok()?;
                    match import.ty {
                        ComponentTypeRef::Instance(_) => self.instances.push(Instances::Imported(import.name.name)),
                        ComponentTypeRef::Func(_) => self.funcs.push(Func::Other),
                        _ => return None,
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.add_alias(alias.ok()?)?;
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.core_instances.push(match instance.ok()? {
                        Instance::Instantiate { module_index, args } => CoreInstance::Module {
                            module: module_index,
                            args: args.iter().map(|arg| (arg.name, arg.index)).collect(),
                        },
                        Instance::FromExports(exports) => CoreInstance::Bundle(
                            exports.iter().map(|export| (export.name, export.kind, export.index)).collect(),
                        ),
                    });
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    let ComponentInstance::Instantiate { component_index, args } = instance.ok()? else { return None };
                    let funcs = args.iter().filter(|arg| arg.kind == ComponentExternalKind::Func);
                    let args = funcs.map(|arg| (arg.name, arg.index)).collect();
                    self.instances.push(Instances::Made { component: component_index, args });
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    match function.ok()? {
                        CanonicalFunction::Lift { core_func_index: core, options, .. } => {
                            self.funcs.push(Func::Lift { core, options: Options::of(&options)? });
                        }
                        CanonicalFunction::Lower { func_index: func, options } => {
                            self.core_funcs.push(CoreFunc::Lower { func, options: Options::of(&options)? });
                        }
                        CanonicalFunction::ResourceDrop { resource: ty } => self.core_funcs.push(CoreFunc::Drop { ty }),
                        _ => return None,
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    let export = export.ok()?;
                    // An export is also a new instance.
                    if export.kind != ComponentExternalKind::Instance {
                        return None;
                    }
                    self.exports.push((export.name.name, export.index));
                    let Instances::Made { component, args } = self.instances.get(export.index as usize)? else {
                        return None;
                    };
                    let copy = Instances::Made { component: *component, args: args.clone() };
                    self.instances.push(copy);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn add_alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Func, instance_index: instance, name } => {
                self.funcs.push(Func::Imported { instance, name });
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, instance_index: instance, name } => {
                self.types.push(Some((instance, name)));
            }
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func, instance_index: instance, name } => {
                self.core_funcs.push(CoreFunc::Alias { instance, name });
            }
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Memory, instance_index, name } => {
                self.memories.push((instance_index, name));
            }
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Table, instance_index, .. } => {
                self.tables.push(instance_index);
            }
            _ => return None,
        }
        Some(())
    }

    /// The core instance of the program: the one that has the memory of all functions.
    fn program(&self) -> Option<u32> {
        let (program, _) = *self.memories.first()?;
        self.memories.iter().all(|(instance, _)| *instance == program).then_some(program)
    }

    /// The trampolines of the imports: their core instance, and the function behind each of their exports. Besides the program there
    /// are no other instances of modules.
    fn shim(&self, program: u32) -> Option<HashMap<(u32, &'a str), u32>> {
        let mut made = Vec::new();
        for (index, instance) in self.core_instances.iter().enumerate() {
            if let CoreInstance::Module { module, args } = instance
                && index as u32 != program
            {
                made.push((index as u32, self.modules.get(*module as usize)?, args));
            }
        }
        let mut behind = HashMap::new();
        match &made[..] {
            [] => {}
            [(shim, trampolines, nothing), (_, fixup, args)] if nothing.is_empty() => {
                let [(_, bundle)] = args[..] else { return None };
                let CoreInstance::Bundle(members) = self.core_instances.get(bundle as usize)? else { return None };
                // The table that is filled is that of the trampolines.
                let (.., table) = members.iter().find(|(_, kind, _)| *kind == ExternalKind::Table)?;
                (self.tables.get(*table as usize) == Some(shim)).then_some(())?;
                let slots = trampolines::slots(trampolines)?;
                let elements = trampolines::elements(fixup)?;
                for (name, slot) in slots {
                    let filler = elements.get(slot as usize)?;
                    let (.., index) =
                        members.iter().find(|(name, kind, _)| name == filler && *kind == ExternalKind::Func)?;
                    behind.insert((*shim, name), *index);
                }
            }
            _ => return None,
        }
        Some(behind)
    }

    /// The function of the host behind a core function, which the program imports.
    fn source(
        &self,
        core: u32,
        shim: &HashMap<(u32, &'a str), u32>,
        program: u32,
        memory: &mut Option<&'a str>,
        realloc: &mut Option<&'a str>,
    ) -> Option<Source<'a>> {
        let behind = match self.core_funcs.get(core as usize)? {
            CoreFunc::Alias { instance, name } => self.core_funcs.get(*shim.get(&(*instance, *name))? as usize)?,
            other => other,
        };
        match behind {
            CoreFunc::Alias { .. } => None,
            CoreFunc::Lower { func, options } => {
                self.check_options(options, program, memory, realloc)?;
                let Func::Imported { instance, name } = *self.funcs.get(*func as usize)? else { return None };
                let Instances::Imported(interface) = *self.instances.get(instance as usize)? else { return None };
                Some(Source::Function { interface, name })
            }
            CoreFunc::Drop { ty } => {
                let (instance, resource) = (*self.types.get(*ty as usize)?)?;
                let Instances::Imported(interface) = *self.instances.get(instance as usize)? else { return None };
                Some(Source::Drop { interface, resource })
            }
        }
    }

    /// Checks that a function works with the memory and the allocator of the program, as all others do.
    fn check_options(
        &self,
        options: &Options,
        program: u32,
        memory: &mut Option<&'a str>,
        realloc: &mut Option<&'a str>,
    ) -> Option<()> {
        if let Some(index) = options.memory {
            let (instance, name) = *self.memories.get(index as usize)?;
            (instance == program && *memory.get_or_insert(name) == name).then_some(())?;
        }
        if let Some(index) = options.realloc {
            let name = self.of_program(index, program)?;
            (*realloc.get_or_insert(name) == name).then_some(())?;
        }
        Some(())
    }

    /// The name under which the program exports a core function.
    fn of_program(&self, core: u32, program: u32) -> Option<&'a str> {
        match self.core_funcs.get(core as usize)? {
            CoreFunc::Alias { instance, name } if *instance == program => Some(name),
            _ => None,
        }
    }

    /// The functions that an exported instance has: it only passes them on.
    fn exported(&self, instance: u32) -> Option<Vec<(&'a str, u32)>> {
        let Instances::Made { component, args } = self.instances.get(instance as usize)? else { return None };
        let passed = trampolines::passed_on(self.components.get(*component as usize)?)?;
        passed.into_iter().map(|(name, import)| Some((name, args.iter().find(|(arg, _)| *arg == import)?.1))).collect()
    }
}

struct ProgramImport<'a> {
    module: &'a str,
    name: &'a str,
    params: Vec<ValType>,
    result: Option<ValType>,
}

/// The imports of the program. None when it imports other things than functions, or has a function that runs at its start.
fn program_imports(module: &[u8]) -> Option<Vec<ProgramImport<'_>>> {
    let (mut types, mut imports) = (Vec::new(), Vec::new());
    for payload in sections(module) {
        match payload.ok()? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty.ok()?);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.ok()?;
                    let TypeRef::Func(ty) = import.ty else { return None };
                    let ty = types.get(ty as usize)?;
                    let result = match ty.results() {
                        [] => None,
                        [one] => Some(*one),
                        _ => return None,
                    };
                    let (module, name) = (import.module, import.name);
                    imports.push(ProgramImport { module, name, params: ty.params().to_vec(), result });
                }
            }
            Payload::StartSection { .. } => return None,
            _ => {}
        }
    }
    Some(imports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{HANDLER, KERNEL};

    /// A component with a program of this text, which exports `handle`; `between` comes before its instance.
    fn component(between: &str, args: &str, program: &str, export: &str) -> Vec<u8> {
        let text = format!(
            r#"(component
              (import "{KERNEL}" (instance $kernel (export "incarnation" (func (result u64)))
                (export "cancel" (func (param "timer" u64)))))
              (core func $incarnation (canon lower (func $kernel "incarnation")))
              (core func $cancel (canon lower (func $kernel "cancel")))
              (core module $program {program}
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
                (func (export "handle") (param i32 i32) (result i32) (i32.const 0))
                (func (export "post") (param i32)))
              {between}
              (core instance $i (instantiate $program {args}))
              (alias core export $i "memory" (core memory $memory))
              (alias core export $i "realloc" (core func $realloc))
              (func $handle (param "body" (list u8)) (result (option (list u8)))
                (canon lift (core func $i "handle") (memory $memory) (realloc $realloc) (post-return (core func $i "post"))))
              {export})"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The export of the function through a component, as the tools write it.
    fn passed() -> String {
        format!(
            r#"(component $around
                (import "inner" (func $inner (param "body" (list u8)) (result (option (list u8)))))
                (export "msg-handler" (func $inner)))
              (instance $handler (instantiate $around (with "inner" (func $handle))))
              (export "{HANDLER}" (instance $handler))"#
        )
    }

    const IMPORT: &str = r#"(import "any" "name" (func (result i64)))"#;
    const WIRED: &str = r#"(core instance $any (export "name" (func $incarnation)))"#;
    const ARGS: &str = r#"(with "any" (instance $any))"#;

    #[test]
    fn import_is_the_function_that_it_is_connected_to() {
        let wasm = component(WIRED, ARGS, IMPORT, &passed());
        let shape = Shape::of(&wasm).expect("it has the usual shape");
        let source = Source::Function { interface: KERNEL, name: "incarnation" };
        assert_eq!(shape.imports.iter().map(|import| import.source).collect::<Vec<_>>(), [source]);
        let export = shape.exports[&(HANDLER, "msg-handler")];
        assert_eq!((export.function, export.post_return), ("handle", Some("post")));
        assert_eq!((shape.memory, shape.realloc), ("memory", Some("realloc")));
    }

    #[test]
    fn program_that_runs_at_its_start_is_no_plain_program() {
        let starts = format!("{IMPORT} (func $begin) (start $begin)");
        assert!(Shape::of(&component(WIRED, ARGS, &starts, &passed())).is_none());
    }

    #[test]
    fn second_module_is_more_than_a_plain_program() {
        let second = format!("{WIRED} (core module $other) (core instance (instantiate $other))");
        assert!(Shape::of(&component(&second, ARGS, IMPORT, &passed())).is_none());
    }

    #[test]
    fn component_around_an_export_may_only_pass_it_on() {
        let other = passed().replace("(component $around", "(component $around (core module)");
        assert!(Shape::of(&component(WIRED, ARGS, IMPORT, &other)).is_none());
        let bundle = format!(
            r#"(instance $handler (export "msg-handler" (func $handle))) (export "{HANDLER}" (instance $handler))"#
        );
        assert!(Shape::of(&component(WIRED, ARGS, IMPORT, &bundle)).is_none());
    }
}
