//! The files of one incarnation: the folders of its actor, the threads that may block for it, and its descriptors.

use std::sync::Arc;

use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types;

use crate::grants::{Folder, Grants};
use crate::limits::{Account, Blocking, Closing, CpuMeter, Descriptor, Descriptors};
use crate::output::Writer;

/// The files of one incarnation.
pub(crate) struct Files {
    granted: ActorFiles,
    /// None if the actor has no folders.
    run: Option<Arc<Writer>>,
    /// The meter that counts the CPU time of the calls.
    meter: Option<Arc<CpuMeter>>,
}

/// The part of [`Files`] that the incarnations of one actor share.
#[derive(Clone)]
pub(crate) struct ActorFiles {
    folders: Arc<[Arc<Folder>]>,
    blocking: Blocking,
    descriptors: Descriptors,
    /// The account that counts descriptors besides the actor's own bound.
    shared: Arc<Account>,
}

impl ActorFiles {
    pub(crate) fn new(grants: &Grants, folders: &[Folder], shared: &Arc<Account>) -> Self {
        let folders = folders.iter().cloned().map(Arc::new).collect();
        let (blocking, descriptors) = (grants.blocking.clone(), grants.descriptors.clone());
        Self { folders, blocking, descriptors, shared: shared.clone() }
    }

    /// The files of this incarnation.
    pub(crate) fn files(&self, run: &Arc<Writer>, meter: Arc<CpuMeter>) -> Arc<Files> {
        Arc::new(Files { granted: self.clone(), run: Some(run.clone()), meter: Some(meter) })
    }

    /// The files of any incarnation that has no folders.
    pub(crate) fn no_files(&self) -> Arc<Files> {
        Arc::new(Files { granted: self.clone(), run: None, meter: None })
    }
}

impl Files {
    /// Runs a call that may block. The guest waits for the call, and its CPU time counts as the guest's.
    pub(super) async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let meter = self.meter.as_ref().map(|meter| (meter.open_bill(), meter.clone()));
        let billed = move || match meter {
            Some((bill, meter)) => meter.bill(bill, call),
            None => call(),
        };
        self.granted.blocking.run(billed).await
    }

    /// The granted folders.
    pub(super) fn folders(&self) -> &[Arc<Folder>] {
        &self.granted.folders
    }

    /// The queue that closes the actor's files.
    pub(super) fn closing(&self) -> &Arc<Closing> {
        self.granted.blocking.closing()
    }

    /// Counts one more open file, folder or listing. A file that the actor closed may still be open for a moment, so this call
    /// waits for such files before it refuses. WASI has no error of its own for too many open files.
    pub(super) async fn descriptor(&self) -> FsResult<Descriptor> {
        let ActorFiles { descriptors, shared, blocking, .. } = &self.granted;
        let uses = self.meter.as_ref().map(|meter| meter.uses());
        loop {
            let closed = blocking.closing().next();
            match (descriptors.take(shared, uses.as_ref()), closed) {
                (Ok(taken), _) => return Ok(taken),
                (Err(_), Some(closed)) => closed.await,
                (Err(account), None) => {
                    if let Some(run) = &self.run {
                        descriptors.say_refused(run.about(), &account);
                    }
                    return Err(types::ErrorCode::InsufficientMemory.into());
                }
            }
        }
    }
}
