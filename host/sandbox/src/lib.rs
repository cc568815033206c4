//! The sandbox: turns a `.wasm` component into an actor that the kernel can run, confines it, and reports how it crashed. This crate
//! does not know the manifest.
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! use playhouse_kernel::{ActorSpec, Address, Config, Kernel, Plan};
//! use playhouse_sandbox::{Limits, LineOrigin, Output, Sandbox, SandboxConfig};
//!
//! struct Silent;
//! impl Output for Silent {
//!     fn stdout(&self, _from: &LineOrigin<'_>, _piece: &[u8], _ends_line: bool) {}
//!     fn stderr(&self, _from: &LineOrigin<'_>, _line: &[u8]) {}
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let component = wat::parse_file(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/echo.wat"))?;
//! let sandbox = Sandbox::new(SandboxConfig { max_instances: 1, ..SandboxConfig::default() })?;
//! let plugin = sandbox.load_bytes("echo", &component)?;
//! let launcher = plugin.launcher(Limits::default(), Config::new(), Arc::new(Silent));
//! let echo = Address::parse("/echo")?;
//! let actors = vec![ActorSpec::new(echo.clone(), launcher)];
//! let kernel = Kernel::start(&Plan { actors, max_instances: Some(plugin.max_instances()), ..Plan::default() })?;
//! assert_eq!(kernel.ask(&echo, b"hello", Duration::from_secs(5)).await?, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! | folder, lowest first | contents |
//! |---|---|
//! | `limits` | limits and the counts against them: memory, CPU, descriptors, blocking calls |
//! | `contract`, `component` | the types of `wit/`; a component before it is compiled, and the errors of loading |
//! | `compile`, `grants`, `output` | machine code and its cache; external resources; stdout and stderr |
//! | `wasi` | files, HTTP and the log, with bounds |
//! | `run` | common to actors and mailbox plugins: loading, stores, crash reports |
//! | `actor`, `mailbox` | the two kinds of plugins, and one run of each |
//! | `sandbox`, `inspect` | the public entry; a description of a file that does not run it |
//!
//! The way of a component: file -> [`Sandbox::load`] -> [`Plugin::launcher`] -> one `Guest` for each incarnation.

mod actor;
mod compile;
mod component;
mod contract;
pub mod events;
mod grants;
mod inspect;
mod limits;
mod mailbox;
mod output;
mod run;
mod sandbox;
mod wasi;

pub use actor::{Groups, Plugin};
pub use compile::{CacheError, Compilation, CompilePlace, compile_for_parent, default_cache_dir, default_key_dir};
pub use component::LoadError;
pub use contract::SHARED;
pub use events::CacheUnavailable;
pub use grants::{
    Access, Folder, Grants, HeaderError, Host, HostError, Missing, Network, NetworkError, Part, SealError,
    SealedSecret, SecretGrant, Variable,
};
pub use inspect::{Inspection, inspect};
pub use limits::{Accounts, Blocking, Descriptors, Limits, RunClock, SubtreeLimits, SystemLimit};
pub use mailbox::MailboxPlugin;
pub use output::{HandledMessage, LeftOut, LineOrigin, LogRecord, Output};
pub use run::{Compilations, Compiled, PluginInfo};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError};
