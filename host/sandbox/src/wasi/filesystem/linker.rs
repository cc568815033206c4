//! Puts this implementation of `wasi:filesystem` in the place of wasmtime's own, and gives a guest its folders.

use std::io;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

use super::open::{Dir, Mode, Opened};
use super::view::{View, descriptor};

struct Access;

impl HasData for Access {
    type Data<'a> = View<'a>;
}

/// Puts the interface in the place of wasmtime's own.
pub(crate) fn add_to<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<T, Access>(linker, view)?;
    preopens::add_to_linker::<T, Access>(linker, view)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl preopens::Host for View<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<types::Descriptor>, String)>> {
        let mut directories = Vec::with_capacity(self.files.folders().len());
        for folder in self.files.folders() {
            let mode = Mode { read: true, write: folder.is_writable() };
            let dir = Dir { file: folder.opened().clone(), folder: folder.clone(), mode, counted: None };
            let descriptor = descriptor::push(self.table, Opened::Dir(dir))?;
            directories.push((descriptor, folder.guest().to_owned()));
        }
        Ok(directories)
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, error: wasmtime_wasi::p2::FsError) -> wasmtime::Result<types::ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<io::Error>().map(types::ErrorCode::from))
    }
}
