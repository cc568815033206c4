//! The bound on live instances, of actors and of mailbox plugins together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use playhouse_kernel::MaxInstances;

/// The live instances of a sandbox. Clones count together.
#[derive(Clone)]
pub(crate) struct Instances(Arc<Count>);

struct Count {
    most: u32,
    /// The name of the setting that bounds the number, for errors.
    key: String,
    live: AtomicU32,
}

impl Instances {
    pub(crate) fn new(most: u32, key: String) -> Self {
        Self(Arc::new(Count { most, key, live: AtomicU32::new(0) }))
    }

    /// The most instances that may live at a time.
    pub(crate) fn most(&self) -> u32 {
        self.0.most
    }

    /// The number of instances that live now.
    pub(crate) fn live(&self) -> u32 {
        self.0.live.load(Relaxed)
    }

    /// The bound, and the name of the setting that says so.
    pub(crate) fn bound(&self) -> MaxInstances {
        MaxInstances { most: self.0.most as usize, key: self.0.key.clone() }
    }

    /// Admits one more instance. `Err` names the bound when it is reached.
    pub(crate) fn admit(&self) -> Result<Admission, String> {
        let Count { most, key, live } = &*self.0;
        live.try_update(Relaxed, Relaxed, |live| (live < *most).then_some(live + 1))
            .map(|_| Admission(self.clone()))
            .map_err(|_| {
                format!("{most} instances run already, which is all that {key} admits; raise it, or run fewer actors")
            })
    }
}

/// The admission of one live instance, which counts until it is dropped.
pub(crate) struct Admission(Instances);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.0.live.fetch_sub(1, Relaxed);
    }
}
