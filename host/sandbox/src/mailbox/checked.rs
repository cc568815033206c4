//! A component that was checked as a mailbox plugin: its imports are provided, its exports have the right types.

use std::path::Path;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::imports::MailboxData;
use crate::component::{Interface, LoadError, function, missing_import, other_contract};
use crate::contract::{
    MAILBOX, PolicyParams, PolicyResults, PutParams, PutResults, SizeResults, TakeParams, TakeResults,
};

/// A component that was checked as a mailbox plugin: its imports are provided, its exports have the right types.
pub(crate) struct Checked {
    pub(super) pre: InstancePre<MailboxData>,
    pub(super) policy: ComponentExportIndex,
    pub(super) put: ComponentExportIndex,
    pub(super) take: ComponentExportIndex,
    pub(super) size: ComponentExportIndex,
}

/// Checks a component as far as possible before it runs.
pub(crate) fn check(file: &Path, linker: &Linker<MailboxData>, component: &Component) -> Result<Checked, LoadError> {
    let Some(mailbox) = component.get_export_index(None, MAILBOX) else {
        let found = Interface::of(component).exports;
        return Err(other_contract(file, &found, MAILBOX)
            .unwrap_or_else(|| LoadError::NoMailbox { file: file.to_owned(), found }));
    };
    let policy = function::<PolicyParams, PolicyResults>(file, component, &mailbox, MAILBOX, "policy")?;
    let put = function::<PutParams, PutResults>(file, component, &mailbox, MAILBOX, "put")?;
    let take = function::<TakeParams, TakeResults>(file, component, &mailbox, MAILBOX, "take")?;
    let size = function::<(), SizeResults>(file, component, &mailbox, MAILBOX, "size")?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        let (import, message) = missing_import(component, &error);
        LoadError::MailboxImport { file: file.to_owned(), import, message }
    })?;
    Ok(Checked { pre, policy, put, take, size })
}
