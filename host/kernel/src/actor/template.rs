//! The template of spawned actors: what the plan has for each plugin from which actors may be spawned.

use std::collections::BTreeMap;

use crate::actor::spec::ActorSpec;
use crate::words::address::Address;
use crate::words::limits::Bounds;

/// The values that an actor's code may read by name.
pub type Config = BTreeMap<String, String>;

/// The template of spawned actors, made from one plugin.
pub trait Template: Send + Sync + 'static {
    /// The spec of the actor at `address`. Values of `config` override those of the template. Its incarnations get no more
    /// than `within`, grants included; the kernel applies the other limits of its parent.
    fn spec(&self, address: Address, config: Config, within: Bounds) -> ActorSpec;

    /// Whether the plugin may occur more than once in a chain of parents.
    fn recursive(&self) -> bool {
        false
    }
}

impl std::fmt::Debug for dyn Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template")
    }
}
