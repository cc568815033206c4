//! The state that the functions of the interface work on: the files of an incarnation, and its table of resources.

pub(super) mod descriptor;

use std::sync::Arc;

use wasmtime::component::ResourceTable;

use super::files::Files;

/// The state of one call.
pub(crate) struct View<'a> {
    pub(super) files: &'a Arc<Files>,
    pub(super) table: &'a mut ResourceTable,
}

impl<'a> View<'a> {
    pub(crate) fn new(files: &'a Arc<Files>, table: &'a mut ResourceTable) -> Self {
        Self { files, table }
    }
}
