//! What a component imports, in groups, and whether its grants have it. Rust's standard library pulls in most of WASI whether an
//! actor calls it or not: what is not granted is there, and empty. Only `wasi:http` is never imported by chance.

use crate::grants::Grants;

/// A part of the world that components import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `playhouse:actor`: messages, children, timers, configuration.
    Kernel,
    /// Standard output and error, exit, and the streams beneath.
    Stdio,
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

/// What opens a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every actor has it.
    Everybody,
    /// The grant of this name; without it, it is there and empty.
    EmptyWithout(&'static str),
    /// The grant of this name; without it, the component is refused.
    RefusedWithout(&'static str),
    /// No grant does: it is there, and nothing in it works.
    Nobody,
}

/// A component that needs a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What it imports.
    pub import: String,
    /// The grant that would let it.
    pub grant: &'static str,
}

impl Part {
    /// The part that an import belongs to; none for what no host provides.
    pub fn of(import: &str) -> Option<Self> {
        let (package, interface) = import.split_once('/')?;
        Some(match package {
            "playhouse:actor" => Self::Kernel,
            "wasi:cli" if interface.starts_with("environment@") => Self::Environment,
            "wasi:cli" | "wasi:io" => Self::Stdio,
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

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Stdio => "stdio",
            Self::Clocks => "clocks",
            Self::Random => "random",
            Self::Environment => "environment",
            Self::Filesystem => "filesystem",
            Self::Sockets => "sockets",
            Self::Http => "http",
        }
    }

    /// What opens it.
    pub fn access(self) -> Access {
        match self {
            Self::Kernel | Self::Stdio | Self::Clocks | Self::Random => Access::Everybody,
            Self::Environment => Access::EmptyWithout("env"),
            Self::Filesystem => Access::EmptyWithout("dirs"),
            Self::Sockets => Access::Nobody,
            Self::Http => Access::RefusedWithout("hosts"),
        }
    }
}

impl Grants {
    /// Whether the grant of this name has anything in it.
    pub fn has(&self, grant: &str) -> bool {
        match grant {
            "env" => !self.env.is_empty(),
            "dirs" => !self.dirs.is_empty(),
            "hosts" => !self.hosts.is_empty(),
            "networks" => !self.networks.is_empty(),
            _ => false,
        }
    }

    /// What a component imports and may not without a grant that is missing here.
    pub fn missing(&self, imports: &[String]) -> Option<Missing> {
        let missing = imports.iter().filter_map(|import| match Part::of(import)?.access() {
            Access::RefusedWithout(grant) if !self.has(grant) => Some(Missing { import: import.clone(), grant }),
            _ => None,
        });
        // What sends says more than the types of what it sends.
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
            "playhouse:actor/kernel@0.1.0",
            "wasi:http/outgoing-handler@0.2.12",
            "wasi:sockets/tcp@0.2.6",
            "somebody:else/thing@1.0.0",
        ];
        let imports = imports.map(str::to_owned);
        assert_eq!(Part::all_of(&imports), [Part::Kernel, Part::Stdio, Part::Environment, Part::Sockets, Part::Http]);
        let missing = Missing { import: imports[5].clone(), grant: "hosts" };
        assert_eq!(Grants::default().missing(&imports), Some(missing));
        assert_eq!(Grants::default().missing(&imports[1..5]), None);
    }
}
