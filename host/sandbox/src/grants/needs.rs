//! The imports of a component, in groups, and the grants that they need. Rust's standard library imports most of WASI whether an
//! actor calls it or not, so an interface without a grant is provided, and empty. Only `wasi:http` is never imported by chance.

use super::actor::Grants;

/// A group of interfaces that components import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `playhouse:actor`: messages, children, timers, configuration.
    Kernel,
    /// `playhouse:actor/state`, and `wasi:keyvalue`, which is the same.
    State,
    /// Standard output and error, exit, and the streams beneath.
    Stdio,
    /// `wasi:logging`.
    Logging,
    /// `wasi:clocks`.
    Clocks,
    /// `wasi:random`.
    Random,
    /// `wasi:cli/environment`.
    Environment,
    /// `wasi:filesystem`.
    Filesystem,
    /// `wasi:sockets`.
    Sockets,
    /// `wasi:http`.
    Http,
}

/// The way to get access to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every actor has the part.
    Everybody,
    /// The grant of this name gives access; without the grant, the part is provided and empty.
    EmptyWithout(&'static str),
    /// The grant of this name gives access; without the grant, the component is refused.
    RefusedWithout(&'static str),
    /// No grant gives access: the part is provided, and each of its functions fails.
    Nobody,
}

/// A component that needs a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The import.
    pub import: String,
    /// The grant that permits it.
    pub grant: &'static str,
}

impl Part {
    /// The part that an import belongs to; none for an interface that this host does not provide.
    pub fn of(import: &str) -> Option<Self> {
        let (package, interface) = import.split_once('/')?;
        Some(match package {
            "playhouse:actor" if interface.starts_with("state@") => Self::State,
            "playhouse:actor" => Self::Kernel,
            "wasi:keyvalue" => Self::State,
            "wasi:cli" if interface.starts_with("environment@") => Self::Environment,
            "wasi:cli" | "wasi:io" => Self::Stdio,
            "wasi:logging" => Self::Logging,
            "wasi:clocks" => Self::Clocks,
            "wasi:random" => Self::Random,
            "wasi:filesystem" => Self::Filesystem,
            "wasi:sockets" => Self::Sockets,
            "wasi:http" => Self::Http,
            _ => return None,
        })
    }

    /// The parts that a component imports, each once, in a fixed order.
    pub fn all_of(imports: &[String]) -> Vec<Self> {
        let mut parts: Vec<_> = imports.iter().filter_map(|import| Self::of(import)).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// The name of the part, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::State => "state",
            Self::Stdio => "stdio",
            Self::Logging => "logging",
            Self::Clocks => "clocks",
            Self::Random => "random",
            Self::Environment => "environment",
            Self::Filesystem => "filesystem",
            Self::Sockets => "sockets",
            Self::Http => "http",
        }
    }

    /// The way to get access to this part.
    pub fn access(self) -> Access {
        match self {
            Self::Kernel | Self::Stdio | Self::Logging | Self::Clocks | Self::Random => Access::Everybody,
            Self::Environment => Access::EmptyWithout("env"),
            Self::Filesystem => Access::EmptyWithout("dirs"),
            Self::Sockets => Access::Nobody,
            Self::Http => Access::RefusedWithout("hosts"),
            Self::State => Access::RefusedWithout("state"),
        }
    }
}

impl Grants {
    /// Whether the list of this name has an entry.
    pub fn has(&self, grant: &str) -> bool {
        match grant {
            "env" => !self.env.is_empty(),
            "dirs" => !self.dirs.is_empty(),
            "hosts" => !self.hosts.is_empty(),
            "networks" => !self.networks.is_empty(),
            "secrets" => !self.secrets.is_empty(),
            "state" => self.state,
            _ => false,
        }
    }

    /// The import of a component that needs a grant which is missing here.
    pub fn missing(&self, imports: &[String]) -> Option<Missing> {
        let missing = imports.iter().filter_map(|import| match Part::of(import)?.access() {
            Access::RefusedWithout(grant) if !self.has(grant) => Some(Missing { import: import.clone(), grant }),
            _ => None,
        });
        // Of `wasi:http`, the handler says more to a reader than the interface of its types.
        missing.min_by_key(|missing| missing.import.contains("/types@"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_fall_into_parts() {
        let imports = [
            "wasi:http/types@0.2.12",
            "wasi:cli/environment@0.2.6",
            "wasi:cli/exit@0.2.6",
            "wasi:io/streams@0.2.6",
            "playhouse:actor/kernel@0.2.0",
            "wasi:http/outgoing-handler@0.2.12",
            "wasi:sockets/tcp@0.2.6",
            "wasi:logging/logging@0.1.0-draft",
            "somebody:else/thing@1.0.0",
            "playhouse:actor/state@0.2.0",
        ];
        let imports = imports.map(str::to_owned);
        assert_eq!(
            Part::all_of(&imports),
            [Part::Kernel, Part::State, Part::Stdio, Part::Logging, Part::Environment, Part::Sockets, Part::Http]
        );
        let missing = Missing { import: imports[5].clone(), grant: "hosts" };
        assert_eq!(Grants::default().missing(&imports), Some(missing));
        assert_eq!(Grants::default().missing(&imports[1..5]), None);
    }
}
