//! The imports and exports of a compiled component, and the types of its exported functions.

use std::path::Path;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower};

use super::error::{LoadError, cut};
use crate::contract::{CALLBACK, CHILDREN, GATE, LIFECYCLE, PARTS, SUPERVISOR, WATCHER};

/// The names of a component's imports and exports, and the hooks among the exports.
pub(crate) struct Interface {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) hooks: Vec<&'static str>,
}

impl Interface {
    pub(crate) fn of(component: &Component) -> Self {
        let (ty, engine) = (component.component_type(), component.engine());
        let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let exports = ty.exports(engine).filter(|(name, _)| !PARTS.contains(name));
        let exports = exports.map(|(name, _)| name.to_owned()).collect();
        let has = |interface| component.get_export_index(None, interface).is_some();
        let mut hooks = Vec::new();
        if has(GATE) {
            hooks.push("decide-to-start");
        }
        if has(LIFECYCLE) {
            hooks.extend(["init", "shutdown"]);
        }
        if has(CHILDREN) {
            hooks.push("prepare-children");
        }
        if has(SUPERVISOR) {
            hooks.push("child-failed");
        }
        if has(CALLBACK) {
            hooks.push("task-done");
        }
        if has(WATCHER) {
            hooks.push("noticed");
        }
        Self { imports, exports, hooks }
    }
}

/// The import that the linker lacks, and its difference from the one that the host provides.
pub(crate) fn missing_import(component: &Component, error: &wasmtime::Error) -> (String, String) {
    let summary = error.to_string();
    let imports = Interface::of(component).imports;
    let import = imports.into_iter().find(|name| summary.contains(&format!("`{name}`"))).unwrap_or(summary);
    let chain: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    (cut(&import).to_owned(), cut(&plainly(&chain.join(": "))).to_owned())
}

/// Wasmtime's message for an import that does not fit, in plain words.
fn plainly(message: &str) -> String {
    match message.strip_prefix("instance export ").and_then(|rest| rest.split_once(" has the wrong type: ")) {
        Some((item, problem)) if problem.ends_with("implementation is missing") => format!("its {item} is missing"),
        Some((item, problem)) => format!("its {item} has another type: {problem}"),
        None => message.to_owned(),
    }
}

/// The error for a component that exports `wanted` in another version of the contract; none when it does not export it at all.
pub(crate) fn other_contract(file: &Path, exports: &[String], wanted: &str) -> Option<LoadError> {
    let (interface, _) = wanted.split_once('@')?;
    let found = exports.iter().find_map(|export| export.strip_prefix(interface)?.strip_prefix('@'))?;
    Some(LoadError::OtherContract { file: file.to_owned(), found: cut(found).to_owned() })
}

/// Finds a function of an exported interface, and checks its type.
pub(crate) fn function<P: ComponentNamedList + Lower, R: ComponentNamedList + Lift>(
    file: &Path,
    component: &Component,
    instance: &ComponentExportIndex,
    interface: &str,
    name: &str,
) -> Result<ComponentExportIndex, LoadError> {
    let wrong = |message| LoadError::WrongType { file: file.to_owned(), item: format!("{interface}#{name}"), message };
    match component.get_export(Some(instance), name) {
        Some((ComponentItem::ComponentFunc(function), index)) => {
            let ty = component.component_type();
            function.typecheck::<P, R>(&ty.instance_type()).map_err(|error| wrong(format!("{error:#}")))?;
            Ok(index)
        }
        Some(_) => Err(wrong("it is not a function".to_owned())),
        None => Err(wrong("it is missing".to_owned())),
    }
}
