//! A component's definitions as they are written: those that add a module, component or instance to an index space, and those
//! that instantiate one.

use std::rc::Rc;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding,
    Instance, Payload,
};

use super::resources::Footprint;
use crate::component::sections::sections;
use crate::limits::ELEMENT_BYTES;

/// The most definitions, each with its arguments, that are kept of one component; and the most that are followed. A small
/// component in which each part instantiates the next part twice has an exponential number of instances.
pub(super) const MOST_STEPS: u32 = 1 << 18;

/// The number of further steps that are allowed.
pub(super) struct Steps(pub(super) u32);

impl Steps {
    /// None if fewer than `steps` are left.
    pub(super) fn take(&mut self, steps: usize) -> Option<()> {
        self.0 = self.0.checked_sub(u32::try_from(steps).ok()?)?;
        Some(())
    }
}

/// A component as it is written.
pub(super) struct Body<'a> {
    pub(super) steps: Vec<Step<'a>>,
}

/// A definition that adds to an index space, or instantiates a module or component.
pub(super) enum Step<'a> {
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

impl Step<'_> {
    /// One step for the definition, and one for each of its parts.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Instance(_, parts) | Self::Bundle(parts) => 1 + parts.len(),
            _ => 1,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Module,
    Component,
    Instance,
}

impl Kind {
    /// None for a kind that holds no memory.
    fn of(kind: ComponentExternalKind) -> Option<Self> {
        match kind {
            ComponentExternalKind::Module => Some(Self::Module),
            ComponentExternalKind::Component => Some(Self::Component),
            ComponentExternalKind::Instance => Some(Self::Instance),
            ComponentExternalKind::Func | ComponentExternalKind::Value | ComponentExternalKind::Type => None,
        }
    }
}

/// Reads a component's definitions, except those of functions, values and types, which take no memory.
pub(super) fn read(wasm: &[u8]) -> Option<Body<'_>> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut is_component = false;
    let mut left = Steps(MOST_STEPS);
    for payload in sections(wasm) {
        match payload.ok()? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                is_component = true;
                open.push(Open::Component(Vec::new()));
            }
            Payload::Version { encoding: Encoding::Module, .. } if is_component => {
                open.push(Open::Module(Footprint { core_instances: 1, ..Footprint::default() }));
            }
            Payload::End(_) => {
                let step = match open.pop()? {
                    Open::Module(footprint) => Step::Module(footprint),
                    Open::Component(steps) if open.is_empty() => return Some(Body { steps }),
                    Open::Component(steps) => Step::Component(Rc::new(Body { steps })),
                };
                match open.last_mut()? {
                    Open::Component(steps) => keep(steps, step, &mut left)?,
                    Open::Module(_) => return None,
                }
            }
            payload => match open.last_mut()? {
                Open::Module(footprint) => add_section(footprint, payload)?,
                Open::Component(steps) => add_steps(steps, payload, &mut left)?,
            },
        }
    }
    None
}

enum Open<'a> {
    Module(Footprint),
    Component(Vec<Step<'a>>),
}

/// Adds the memories and tables that the module defines; an imported one is counted at the module that defines it.
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

fn keep<'a>(steps: &mut Vec<Step<'a>>, step: Step<'a>, left: &mut Steps) -> Option<()> {
    left.take(step.cost())?;
    steps.push(step);
    Some(())
}

fn add_steps<'a>(steps: &mut Vec<Step<'a>>, payload: Payload<'a>, left: &mut Steps) -> Option<()> {
    let mut keep = |step| keep(steps, step, left);
    match payload {
        Payload::InstanceSection(instances) => {
            for instance in instances {
                // An instance made of existing items takes no memory: it only names them.
                if let Instance::Instantiate { module_index, .. } = instance.ok()? {
                    keep(Step::CoreInstance(module_index))?;
                }
            }
        }
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances {
                keep(match instance.ok()? {
                    ComponentInstance::Instantiate { component_index, args } => {
                        let parts = args.iter().filter_map(|part| Some((part.name, Kind::of(part.kind)?, part.index)));
                        Step::Instance(component_index, parts.collect())
                    }
                    ComponentInstance::FromExports(exports) => {
                        let parts = exports.iter();
                        let parts = parts.filter_map(|part| Some((part.name.name, Kind::of(part.kind)?, part.index)));
                        Step::Bundle(parts.collect())
                    }
                })?;
            }
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases {
                match alias.ok()? {
                    ComponentAlias::InstanceExport { kind, instance_index, name } => {
                        Kind::of(kind).map_or(Some(()), |kind| keep(Step::Member(kind, instance_index, name)))?;
                    }
                    ComponentAlias::Outer { kind, count, index } => {
                        let kind = match kind {
                            ComponentOuterAliasKind::CoreModule => Some(Kind::Module),
                            ComponentOuterAliasKind::Component => Some(Kind::Component),
                            ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => None,
                        };
                        kind.map_or(Some(()), |kind| keep(Step::Outer(kind, count, index)))?;
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
                kind.map_or(Some(()), |kind| keep(Step::Import(import.name.name, kind)))?;
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports {
                let export = export.ok()?;
                let kind = Kind::of(export.kind);
                kind.map_or(Some(()), |kind| keep(Step::Export(export.name.name, kind, export.index)))?;
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_ends_with_the_first_definition_too_many() {
        let mut steps = Vec::new();
        let mut left = Steps(3);
        let bundle = |parts| Step::Bundle(vec![("a", Kind::Instance, 0); parts]);
        assert!(keep(&mut steps, bundle(1), &mut left).is_some());
        assert!(keep(&mut steps, bundle(1), &mut left).is_none());
        assert_eq!(steps.len(), 1);
    }
}
