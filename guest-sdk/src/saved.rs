//! An actor whose whole value is kept in its state: loaded before `init`, put back when a message fails, saved once for each batch.

use std::rc::Rc;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
use crate::kernel::Kernel as _;
use crate::kernel_handle::KernelHandle;
use crate::result::Result;

/// The functions that keep an actor's value. Only `export_actor!(..., saved)` makes them, so that other components import nothing for
/// it.
pub struct SavedFns<A> {
    load: fn(&KernelHandle) -> Result<Option<A>>,
    copy: fn(&A) -> A,
    save: fn(&KernelHandle, Rc<A>) -> Result<()>,
}

impl<A: Serialize + DeserializeOwned + Clone + 'static> Default for SavedFns<A> {
    /// The functions for this type.
    fn default() -> Self {
        Self { load, copy: A::clone, save }
    }
}

fn load<A: DeserializeOwned>(kernel: &KernelHandle) -> Result<Option<A>> {
    let Some(value) = kernel.saved()? else { return Ok(None) };
    let expected = std::any::type_name::<A>();
    let value = serde_json::from_slice(&value);
    Ok(Some(value.with_context(|| {
        format!("the saved state, key \"\", is not a {expected}: set or delete it with `playhouse state`")
    })?))
}

fn save<A: Serialize + 'static>(kernel: &KernelHandle, value: Rc<A>) -> Result<()> {
    kernel.save(value)
}

/// A saved value, and the functions for it.
pub(crate) struct Saved<A> {
    fns: SavedFns<A>,
    /// The value after the last message, or hook, that did not fail.
    kept: Rc<A>,
}

impl<A: Default> Saved<A> {
    /// Loads the value.
    pub(crate) fn load(fns: SavedFns<A>, kernel: &KernelHandle) -> Result<(A, Self)> {
        let value = (fns.load)(kernel)?.unwrap_or_default();
        let kept = Rc::new((fns.copy)(&value));
        Ok((value, Self { fns, kept }))
    }
}

impl<A> Saved<A> {
    /// Keeps the value after a message.
    pub(crate) fn keep(&mut self, value: &A, kernel: &KernelHandle) -> Result<()> {
        let now = Rc::new((self.fns.copy)(value));
        (self.fns.save)(kernel, Rc::clone(&now))?;
        self.kept = now;
        Ok(())
    }

    /// The value before a message that failed.
    pub(crate) fn before(&self) -> A {
        (self.fns.copy)(&self.kept)
    }
}
