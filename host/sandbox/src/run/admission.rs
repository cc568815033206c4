//! The bound on live instances.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use playhouse_kernel::MaxInstances;

use super::shared::Shared;

/// The admission of one live incarnation: it occupies one of `max_instances` places until it is dropped.
pub(crate) struct Admission(Arc<Shared>);

impl Admission {
    /// `Err` names the bound when all places are taken.
    pub(crate) fn ask(shared: &Arc<Shared>) -> Result<Self, String> {
        let most = shared.max_instances;
        shared
            .instances
            .try_update(Relaxed, Relaxed, |living| (living < most).then_some(living + 1))
            .map(|_| Self(shared.clone()))
            .map_err(|_| {
                let MaxInstances { key, .. } = shared.bound();
                format!("{most} instances run already, which is all that {key} admits")
            })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Relaxed);
    }
}
