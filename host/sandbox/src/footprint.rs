//! The core instances, memories and tables that a component takes when it is instantiated, read from its binary form before it is compiled: core instances, memories,
//! tables and the bytes that its memories and tables begin with. The host's bounds on these are here as well: one check for
//! everything that loads or inspects a component.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Instance,
    Parser, Payload,
};

use crate::component::LoadError;

/// Core instances of one component, those of the components in it included. A std component has four or five.
pub(crate) const MOST_CORE_INSTANCES: u32 = 64;
/// Memories of all core instances of one component.
pub(crate) const MOST_MEMORIES: u32 = 16;
/// Tables of all core instances of one component.
pub(crate) const MOST_TABLES: u32 = 64;
/// Elements of one table. Rust's table of functions needs a hundredth of it; interpreters fit as well.
pub(crate) const MOST_TABLE_ELEMENTS: usize = 65_536;
/// Bytes of one table element, as wasmtime stores it.
pub(crate) const ELEMENT_BYTES: u64 = 8;

/// Components within components, as they are written and as they are instantiated: deeper ones are not looked into.
const MOST_LEVELS: usize = 100;
/// Definitions that are followed: a component of which each part instantiates the next one twice is small, and its instances are
/// countless.
const MOST_STEPS: u32 = 1 << 20;

/// The initial resources of the core instances of one component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) core_instances: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
    /// Of the largest table.
    pub(crate) table_elements: u64,
    /// All memories and tables together, as `limits.memory` counts them.
    pub(crate) bytes: u64,
}

impl Footprint {
    /// None for a binary that is no component, and for one that cannot be followed without instantiating it.
    pub(crate) fn of(wasm: &[u8]) -> Option<Self> {
        let body = Rc::new(read(wasm)?);
        let mut count = Count { total: Self::default(), steps: MOST_STEPS };
        count.instantiate(&body, &HashMap::new(), None, MOST_LEVELS)?;
        Some(count.total)
    }

    /// Refuses what no instance of this host has room for.
    pub(crate) fn check(&self, file: &Path) -> Result<(), LoadError> {
        let counts = [
            ("core instances", u64::from(self.core_instances), u64::from(MOST_CORE_INSTANCES)),
            ("memories", u64::from(self.memories), u64::from(MOST_MEMORIES)),
            ("tables", u64::from(self.tables), u64::from(MOST_TABLES)),
            ("elements in one table", self.table_elements, MOST_TABLE_ELEMENTS as u64),
        ];
        match counts.into_iter().find(|(_, found, most)| found > most) {
            None => Ok(()),
            Some((what, found, most)) => Err(LoadError::TooMany { file: file.to_owned(), what, found, most }),
        }
    }

    fn add(&mut self, other: &Self) {
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.table_elements = self.table_elements.max(other.table_elements);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// A component as it is written.
struct Body<'a> {
    steps: Vec<Step<'a>>,
}

/// A definition that adds to an index space, or instantiates something.
enum Step<'a> {
    /// The initial resources of one instance of the module.
    Module(Footprint),
    Component(Rc<Body<'a>>),
    Import(&'a str, Kind),
    CoreInstance(u32),
    Instance(u32, Vec<(&'a str, Kind, u32)>),
    Bundle(Vec<(&'a str, Kind, u32)>),
    Member(Kind, u32, &'a str),
    Outer(Kind, u32, u32),
    Export(&'a str, Kind, u32),
}

#[derive(Clone, Copy)]
enum Kind {
    Module,
    Component,
    Instance,
}

impl Kind {
    /// None for what holds no memory.
    fn of(kind: ComponentExternalKind) -> Option<Self> {
        match kind {
            ComponentExternalKind::Module => Some(Self::Module),
            ComponentExternalKind::Component => Some(Self::Component),
            ComponentExternalKind::Instance => Some(Self::Instance),
            ComponentExternalKind::Func | ComponentExternalKind::Value | ComponentExternalKind::Type => None,
        }
    }
}

/// Something with a place in an index space.
#[derive(Clone)]
enum Item<'a> {
    Module(Footprint),
    /// With the component that it was written in.
    Component(Rc<Body<'a>>, Rc<Spaces<'a>>),
    Instance(Rc<HashMap<&'a str, Item<'a>>>),
    /// Given by the host, which is asked for functions only.
    Foreign,
}

/// The index spaces of one component while it is instantiated.
#[derive(Default, Clone)]
struct Spaces<'a> {
    modules: Vec<Item<'a>>,
    components: Vec<Item<'a>>,
    instances: Vec<Item<'a>>,
    outer: Option<Rc<Spaces<'a>>>,
}

impl<'a> Spaces<'a> {
    fn space(&mut self, kind: Kind) -> &mut Vec<Item<'a>> {
        match kind {
            Kind::Module => &mut self.modules,
            Kind::Component => &mut self.components,
            Kind::Instance => &mut self.instances,
        }
    }

    fn item(&self, kind: Kind, index: u32) -> Option<Item<'a>> {
        let space = match kind {
            Kind::Module => &self.modules,
            Kind::Component => &self.components,
            Kind::Instance => &self.instances,
        };
        space.get(index as usize).cloned()
    }

    fn named(&self, parts: &[(&'a str, Kind, u32)]) -> Option<HashMap<&'a str, Item<'a>>> {
        parts.iter().map(|(name, kind, index)| Some((*name, self.item(*kind, *index)?))).collect()
    }
}

struct Count {
    total: Footprint,
    steps: u32,
}

impl Count {
    /// Adds what instances of a component begin with, and returns its exports.
    fn instantiate<'a>(
        &mut self,
        body: &Rc<Body<'a>>,
        arguments: &HashMap<&'a str, Item<'a>>,
        outer: Option<Rc<Spaces<'a>>>,
        levels: usize,
    ) -> Option<HashMap<&'a str, Item<'a>>> {
        let levels = levels.checked_sub(1)?;
        let mut spaces = Spaces { outer, ..Spaces::default() };
        let mut exports = HashMap::new();
        for step in &body.steps {
            self.steps = self.steps.checked_sub(1)?;
            match step {
                Step::Module(footprint) => spaces.modules.push(Item::Module(*footprint)),
                Step::Component(body) => {
                    // A copy of what is there by now: nothing later can be meant in it.
                    let items = spaces.modules.len() + spaces.components.len() + spaces.instances.len();
                    self.steps = self.steps.checked_sub(u32::try_from(items).ok()?)?;
                    let written_in = Rc::new(spaces.clone());
                    spaces.components.push(Item::Component(body.clone(), written_in));
                }
                Step::Import(name, kind) => {
                    let item = arguments.get(name).cloned().unwrap_or(Item::Foreign);
                    spaces.space(*kind).push(item);
                }
                Step::CoreInstance(module) => match spaces.item(Kind::Module, *module)? {
                    Item::Module(footprint) => self.total.add(&footprint),
                    _ => return None,
                },
                Step::Instance(component, arguments) => {
                    let Item::Component(body, written_in) = spaces.item(Kind::Component, *component)? else {
                        return None;
                    };
                    let arguments = spaces.named(arguments)?;
                    let exports = self.instantiate(&body, &arguments, Some(written_in), levels)?;
                    spaces.instances.push(Item::Instance(Rc::new(exports)));
                }
                Step::Bundle(parts) => {
                    let parts = spaces.named(parts)?;
                    spaces.instances.push(Item::Instance(Rc::new(parts)));
                }
                Step::Member(kind, instance, name) => {
                    let item = match spaces.item(Kind::Instance, *instance)? {
                        Item::Instance(members) => members.get(name).cloned()?,
                        _ => Item::Foreign,
                    };
                    spaces.space(*kind).push(item);
                }
                Step::Outer(kind, levels, index) => {
                    let item = if *levels == 0 {
                        spaces.item(*kind, *index)?
                    } else {
                        let mut at = spaces.outer.clone()?;
                        for _ in 1..*levels {
                            at = at.outer.clone()?;
                        }
                        at.item(*kind, *index)?
                    };
                    spaces.space(*kind).push(item);
                }
                Step::Export(name, kind, index) => {
                    let item = spaces.item(*kind, *index)?;
                    exports.insert(*name, item.clone());
                    // An export has an index of its own, too.
                    spaces.space(*kind).push(item);
                }
            }
        }
        Some(exports)
    }
}

/// Reads a component's definitions; those of functions and types take nothing.
fn read(wasm: &[u8]) -> Option<Body<'_>> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut is_component = false;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                is_component = true;
                if open.len() > MOST_LEVELS {
                    return None;
                }
                open.push(Open::Component(Vec::new()));
            }
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } if is_component => {
                open.push(Open::Module(Footprint { core_instances: 1, ..Footprint::default() }));
            }
            Payload::End(_) => {
                let step = match open.pop()? {
                    Open::Module(footprint) => Step::Module(footprint),
                    Open::Component(steps) if open.is_empty() => return Some(Body { steps }),
                    Open::Component(steps) => Step::Component(Rc::new(Body { steps })),
                };
                match open.last_mut()? {
                    Open::Component(steps) => steps.push(step),
                    Open::Module(_) => return None,
                }
            }
            payload => match open.last_mut()? {
                Open::Module(footprint) => add_section(footprint, payload)?,
                Open::Component(steps) => add_steps(steps, payload)?,
            },
        }
    }
    None
}

enum Open<'a> {
    Module(Footprint),
    Component(Vec<Step<'a>>),
}

/// Memories and tables that the module defines; those that it imports are another's.
fn add_section(footprint: &mut Footprint, payload: Payload<'_>) -> Option<()> {
    match payload {
        Payload::MemorySection(memories) => {
            for memory in memories {
                let memory = memory.ok()?;
                let page_bytes = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16))?;
                footprint.memories += 1;
                footprint.bytes = footprint.bytes.saturating_add(memory.initial.saturating_mul(page_bytes));
            }
        }
        Payload::TableSection(tables) => {
            for table in tables {
                let elements = table.ok()?.ty.initial;
                footprint.tables += 1;
                footprint.table_elements = footprint.table_elements.max(elements);
                footprint.bytes = footprint.bytes.saturating_add(elements.saturating_mul(ELEMENT_BYTES));
            }
        }
        _ => {}
    }
    Some(())
}

fn add_steps<'a>(steps: &mut Vec<Step<'a>>, payload: Payload<'a>) -> Option<()> {
    match payload {
        Payload::InstanceSection(instances) => {
            for instance in instances {
                // An instance of items that are there already is only a name for them.
                if let Instance::Instantiate { module_index, .. } = instance.ok()? {
                    steps.push(Step::CoreInstance(module_index));
                }
            }
        }
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances {
                steps.push(match instance.ok()? {
                    ComponentInstance::Instantiate { component_index, args } => {
                        let parts = args.iter().filter_map(|part| Some((part.name, Kind::of(part.kind)?, part.index)));
                        Step::Instance(component_index, parts.collect())
                    }
                    ComponentInstance::FromExports(exports) => {
                        let parts = exports.iter();
                        let parts = parts.filter_map(|part| Some((part.name.name, Kind::of(part.kind)?, part.index)));
                        Step::Bundle(parts.collect())
                    }
                });
            }
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases {
                match alias.ok()? {
                    ComponentAlias::InstanceExport { kind, instance_index, name } => {
                        steps.extend(Kind::of(kind).map(|kind| Step::Member(kind, instance_index, name)));
                    }
                    ComponentAlias::Outer { kind, count, index } => {
                        let kind = match kind {
                            ComponentOuterAliasKind::CoreModule => Some(Kind::Module),
                            ComponentOuterAliasKind::Component => Some(Kind::Component),
                            ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => None,
                        };
                        steps.extend(kind.map(|kind| Step::Outer(kind, count, index)));
                    }
                    ComponentAlias::CoreInstanceExport { .. } => {}
                }
            }
        }
        Payload::ComponentImportSection(imports) => {
            for import in imports {
                let import = import.ok()?;
                let kind = match import.ty {
                    ComponentTypeRef::Module(_) => Some(Kind::Module),
                    ComponentTypeRef::Component(_) => Some(Kind::Component),
                    ComponentTypeRef::Instance(_) => Some(Kind::Instance),
                    ComponentTypeRef::Func(_) | ComponentTypeRef::Value(_) | ComponentTypeRef::Type(_) => None,
                };
                steps.extend(kind.map(|kind| Step::Import(import.name.name, kind)));
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports {
                let export = export.ok()?;
                let kind = Kind::of(export.kind);
                steps.extend(kind.map(|kind| Step::Export(export.name.name, kind, export.index)));
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Footprint> {
        Footprint::of(&wat::parse_str(text).expect("a component"))
    }

    #[test]
    fn memories_and_tables_of_all_instances_count_together() {
        let text = r#"(component
            (core module $a (memory 2) (table 100 funcref))
            (core module $b (import "x" "m" (memory 1)) (memory 1) (memory 3))
            (core instance $one (instantiate $a))
            (core instance (instantiate $a))
            (core module $main (memory (export "m") 1))
            (core instance $m (instantiate $main))
            (core instance (instantiate $b (with "x" (instance $m))))
            (core module $unused (memory 50)))"#;
        let bytes = (2 + 2 + 1 + 1 + 3) * 65_536 + 2 * 100 * ELEMENT_BYTES;
        let expected = Footprint { core_instances: 4, memories: 5, tables: 2, table_elements: 100, bytes };
        assert_eq!(of(text), Some(expected));
    }

    #[test]
    fn nested_components_count_once_for_each_instance() {
        let text = r#"(component
            (core module $m (memory 1))
            (component $given (core module $own (memory 2)) (core instance (instantiate $own)) (export "own" (core module $own)))
            (instance $g (instantiate $given))
            (component $inner
                (import "part" (core module $part))
                (alias outer 1 $m (core module $outer))
                (core instance (instantiate $part))
                (core instance (instantiate $outer)))
            (instance (instantiate $inner (with "part" (core module $g "own"))))
            (instance (instantiate $inner (with "part" (core module $m)))))"#;
        let found = of(text).expect("it can be followed");
        assert_eq!((found.core_instances, found.memories, found.bytes), (5, 5, (2 + 2 + 1 + 1 + 1) * 65_536));
    }

    #[test]
    fn countless_instances_are_not_followed_for_ever() {
        let mut text =
            String::from("(component (component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))");
        for n in 1..60 {
            // Each has the one before it twice.
            let before = n - 1;
            let (name, before) = (format!("$c{n}"), format!("$c{before}"));
            text += &["(component ", &name, " (alias outer 1 ", &before, " (component $c))"].concat();
            text += " (instance (instantiate $c)) (instance (instantiate $c)))";
        }
        text.push_str("(instance (instantiate $c59)))");
        assert_eq!(of(&text), None);
    }

    #[test]
    fn other_files_have_no_footprint() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0 and then nonsense"] {
            assert_eq!(Footprint::of(bytes), None);
        }
        assert_eq!(of("(component)"), Some(Footprint::default()));
    }

    #[test]
    fn each_count_has_its_bound() {
        let refused = |footprint: Footprint| match footprint.check(Path::new("a.wasm")) {
            Err(LoadError::TooMany { what, found, most, .. }) => (what, found, most),
            other => panic!("{other:?}"),
        };
        let none = Footprint::default();
        assert!(
            Footprint { core_instances: 64, memories: 16, tables: 64, table_elements: 65_536, ..none }
                .check(Path::new("a"))
                .is_ok()
        );
        assert_eq!(refused(Footprint { core_instances: 65, ..none }), ("core instances", 65, 64));
        assert_eq!(refused(Footprint { memories: 17, ..none }), ("memories", 17, 16));
        assert_eq!(refused(Footprint { tables: 65, ..none }), ("tables", 65, 64));
        assert_eq!(refused(Footprint { table_elements: 65_537, ..none }), ("elements in one table", 65_537, 65_536));
    }
}
