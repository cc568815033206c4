//! The external resources of one actor as its incarnations see them, made once for all of them.

use std::collections::HashSet;
use std::sync::Arc;

use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use crate::grants::{Grants, SecretGrant, Variable};
use crate::limits::{Account, CpuMeter};
use crate::output::Writer;
use crate::wasi::filesystem::{ActorFiles, Files};
use crate::wasi::http::{Outgoing, Wire};

/// The external resources as the incarnations of one actor see them, made once for all of them.
pub(crate) struct ActorResources {
    pub(crate) grants: Arc<Grants>,
    actor_files: ActorFiles,
    /// The file state of actors without folders.
    no_files: Arc<Files>,
    pub(crate) outgoing: Option<Arc<Outgoing>>,
}

impl ActorResources {
    /// `descriptors`: the account that counts the actor's open descriptors besides its own bound.
    pub(crate) fn new(grants: Grants, wire: &Arc<Wire>, descriptors: &Arc<Account>) -> Self {
        let grants = Arc::new(grants);
        let actor_files = ActorFiles::new(&grants, &grants.dirs, descriptors);
        let no_files = ActorFiles::new(&grants, &[], descriptors).no_files();
        let some = !grants.hosts.is_empty();
        let outgoing = some.then(|| Arc::new(Outgoing::new(grants.clone(), wire.clone(), descriptors.clone())));
        Self { grants, actor_files, no_files, outgoing }
    }

    /// Adds the granted variables and the placeholders of secrets to the guest's environment.
    pub(crate) fn wasi_context(&self, builder: &mut WasiCtxBuilder) -> WasiCtx {
        for Variable { name, value, .. } in &self.grants.env {
            builder.env(name, value);
        }
        // A secret with two headers has one placeholder.
        let mut names = HashSet::new();
        for SecretGrant { name, sealed, .. } in &self.grants.secrets {
            if let Some(sealed) = sealed.as_ref().filter(|_| names.insert(name)) {
                builder.env(name, sealed.placeholder());
            }
        }
        builder.build()
    }

    /// The files of this incarnation with this meter, if the actor has folders.
    pub(crate) fn files(&self, run: &Arc<Writer>, meter: &Arc<CpuMeter>) -> Option<Arc<Files>> {
        (!self.grants.dirs.is_empty()).then(|| self.actor_files.files(run, meter.clone()))
    }

    /// The file state of an actor without folders.
    pub(crate) fn no_files(&self) -> Arc<Files> {
        self.no_files.clone()
    }
}
