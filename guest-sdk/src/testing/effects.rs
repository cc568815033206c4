//! The effects of an actor that its tests look at.

use std::fmt;

use playhouse_frame::Metadata;

/// A child that the actor spawned. Compares with a pair of name and plugin: `("ann", "worker")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: String,
    /// The `config` that the spawn gave it.
    pub config: Vec<(String, String)>,
}

impl PartialEq<(&str, &str)> for Child {
    fn eq(&self, (name, plugin): &(&str, &str)) -> bool {
        self.name == *name && self.plugin == *plugin
    }
}

/// A message that the actor sent. Compares with a pair of address and body: `("/till", "3")`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// The receiver's absolute address.
    pub to: String,
    /// The body.
    pub body: Vec<u8>,
    /// The pairs beside the body.
    pub metadata: Metadata,
}

impl<B: AsRef<[u8]>> PartialEq<(&str, B)> for Sent {
    fn eq(&self, (to, body): &(&str, B)) -> bool {
        self.to == *to && self.body == body.as_ref()
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.to, String::from_utf8_lossy(&self.body)).fmt(f)
    }
}
