//! A component that was checked as an actor: its imports are provided, its exports have the right types.

use std::path::Path;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::imports::ActorData;
use crate::component::{Interface, LoadError, function, missing_import, other_contract};
use crate::contract::{
    CALLBACK, CHILDREN, ChildFailedParams, ChildFailedResults, ForgetParams, GATE, GateResults, HANDLER, HandlerParams,
    HandlerResults, HookResults, LIFECYCLE, NoticedParams, NoticedResults, SHARED, SUPERVISOR, TURNS, TaskDoneParams,
    TurnsParams, TurnsResults, WATCHER,
};
use crate::wasi::keyvalue;

/// A component that can run as an actor: its imports are provided, its exports have the right types.
pub(crate) struct Checked {
    pub(crate) pre: InstancePre<ActorData>,
    pub(crate) handler: ComponentExportIndex,
    pub(crate) turns: Option<ComponentExportIndex>,
    pub(crate) gate: Option<ComponentExportIndex>,
    pub(crate) init: Option<ComponentExportIndex>,
    pub(crate) prepare_children: Option<ComponentExportIndex>,
    pub(crate) shutdown: Option<ComponentExportIndex>,
    pub(crate) child_failed: Option<ComponentExportIndex>,
    pub(crate) noticed: Option<ComponentExportIndex>,
    pub(crate) task_done: Option<ComponentExportIndex>,
    /// Only where actors can share an instance.
    pub(crate) forget: Option<ComponentExportIndex>,
}

/// Checks a component as far as possible before it runs.
pub(crate) fn check(file: &Path, linker: &Linker<ActorData>, component: &Component) -> Result<Checked, LoadError> {
    let Some(handler) = component.get_export_index(None, HANDLER) else {
        let found = Interface::of(component).exports;
        return Err(other_contract(file, &found, HANDLER).unwrap_or_else(|| LoadError::MissingExport {
            file: file.to_owned(),
            export: HANDLER,
            found,
        }));
    };
    let handler = function::<HandlerParams, HandlerResults>(file, component, &handler, HANDLER, "msg-handler")?;
    // These imports do not say which message of a batch they are for.
    let alone = Interface::of(component).imports.iter().any(|import| import.starts_with(keyvalue::PREFIX));
    let turns = component
        .get_export_index(None, TURNS)
        .filter(|_| !alone)
        .map(|turns| function::<TurnsParams, TurnsResults>(file, component, &turns, TURNS, "handle"))
        .transpose()?;
    let hook = |interface, name| {
        let find = |instance| function::<(), HookResults>(file, component, &instance, interface, name);
        component.get_export_index(None, interface).map(find).transpose()
    };
    let gate = component
        .get_export_index(None, GATE)
        .map(|instance| function::<(), GateResults>(file, component, &instance, GATE, "decide-to-start"))
        .transpose()?;
    let (init, shutdown) = (hook(LIFECYCLE, "init")?, hook(LIFECYCLE, "shutdown")?);
    let prepare_children = hook(CHILDREN, "prepare-children")?;
    let child_failed = component
        .get_export_index(None, SUPERVISOR)
        .map(|instance| {
            let name = "child-failed";
            function::<ChildFailedParams, ChildFailedResults>(file, component, &instance, SUPERVISOR, name)
        })
        .transpose()?;
    let noticed = component
        .get_export_index(None, WATCHER)
        .map(|instance| function::<NoticedParams, NoticedResults>(file, component, &instance, WATCHER, "noticed"))
        .transpose()?;
    let task_done = component
        .get_export_index(None, CALLBACK)
        .map(|instance| function::<TaskDoneParams, ()>(file, component, &instance, CALLBACK, "task-done"))
        .transpose()?;
    let forget = component
        .get_export_index(None, SHARED)
        .map(|instance| function::<ForgetParams, ()>(file, component, &instance, SHARED, "forget"))
        .transpose()?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        let (import, message) = missing_import(component, &error);
        LoadError::MissingImport { file: file.to_owned(), import, message }
    })?;
    Ok(Checked {
        pre,
        handler,
        turns,
        gate,
        init,
        prepare_children,
        shutdown,
        child_failed,
        noticed,
        task_done,
        forget,
    })
}
