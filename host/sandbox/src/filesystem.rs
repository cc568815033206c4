//! `wasi:filesystem` for granted folders. This implementation replaces wasmtime's own, which opens files of any kind, reads whole
//! listings, and bounds neither the threads that wait for a file system nor the use of the disk.
//!
//! | file | contents |
//! |---|---|
//! | `folder` | a granted folder |
//! | `descriptor` | the interface's functions |
//! | `open` | open files and folders; the kinds of files that are not opened |
//! | `streams`, `listing` | bytes and names, a piece at a time |
//! | `names` | making, removing and moving names; symbolic links |
//! | `growth`, `node` | the bound on the growth of a folder; sizes of open files |
//! | `stat` | the metadata of a file |

mod descriptor;
mod folder;
mod growth;
mod listing;
mod names;
mod node;
mod open;
mod stat;
mod streams;

use std::io;
use std::sync::Arc;

use playhouse_kernel::Address;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

pub use folder::Folder;

use crate::accounts::Account;
use crate::blocking::Blocking;
use crate::descriptors::{Descriptor, Descriptors};
use crate::grants::Grants;
use crate::limits::CpuMeter;
use open::{Dir, Mode, Opened};

/// The files of one incarnation.
pub(crate) struct Files {
    shelf: Shelf,
    /// None if the actor has no folders.
    actor: Option<Address>,
    /// The meter that counts the CPU time of the calls.
    meter: Option<Arc<CpuMeter>>,
}

/// The part of [`Files`] that the incarnations of one actor share.
#[derive(Clone)]
pub(crate) struct Shelf {
    folders: Arc<[Arc<Folder>]>,
    blocking: Blocking,
    descriptors: Descriptors,
    /// The account that counts descriptors besides the actor's own bound.
    shared: Arc<Account>,
}

impl Shelf {
    pub(crate) fn new(grants: &Grants, folders: &[Folder], shared: &Arc<Account>) -> Self {
        let folders = folders.iter().cloned().map(Arc::new).collect();
        let (blocking, descriptors) = (grants.blocking.clone(), grants.descriptors.clone());
        Self { folders, blocking, descriptors, shared: shared.clone() }
    }

    /// The files of an incarnation of `actor`.
    pub(crate) fn files(&self, actor: &Address, meter: Arc<CpuMeter>) -> Arc<Files> {
        Arc::new(Files { shelf: self.clone(), actor: Some(actor.clone()), meter: Some(meter) })
    }

    /// The files of any incarnation that has no folders.
    pub(crate) fn no_files(&self) -> Arc<Files> {
        Arc::new(Files { shelf: self.clone(), actor: None, meter: None })
    }
}

impl Files {
    /// Runs a call that may block. The guest waits for the call, and its CPU time counts as the guest's.
    async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let meter = self.meter.as_ref().map(|meter| (meter.open_bill(), meter.clone()));
        let billed = move || match meter {
            Some((bill, meter)) => meter.bill(bill, call),
            None => call(),
        };
        self.shelf.blocking.run(billed).await
    }

    /// Counts one more open file, folder or listing. A file that the actor closed may still be open for a moment, so this call
    /// waits for such files before it refuses. WASI has no error of its own for too many open files.
    async fn descriptor(&self) -> FsResult<Descriptor> {
        let Shelf { descriptors, shared, blocking, .. } = &self.shelf;
        loop {
            let closed = blocking.closing().next();
            match (descriptors.take(shared), closed) {
                (Ok(taken), _) => return Ok(taken),
                (Err(_), Some(closed)) => closed.await,
                (Err(account), None) => {
                    if let Some(actor) = &self.actor {
                        descriptors.say_refused(actor, &account);
                    }
                    return Err(types::ErrorCode::InsufficientMemory.into());
                }
            }
        }
    }
}

/// The state that the interface's functions work on.
pub(crate) struct View<'a> {
    files: &'a Arc<Files>,
    table: &'a mut ResourceTable,
}

impl<'a> View<'a> {
    pub(crate) fn new(files: &'a Arc<Files>, table: &'a mut ResourceTable) -> Self {
        Self { files, table }
    }
}

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
        let mut directories = Vec::with_capacity(self.files.shelf.folders.len());
        for folder in self.files.shelf.folders.iter() {
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
