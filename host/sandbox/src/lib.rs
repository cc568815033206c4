//! The sandbox: turns a `.wasm` component into an actor that the kernel can run, confines it, and reports how it crashed.
//!
//! | module | contents |
//! |---|---|
//! | `sandbox` | the public entry: [`Sandbox`], its parts, the clock that ticks |
//! | `engine` | the settings of wasmtime: features, stacks, the pool of instances |
//! | `file` | the files of plugins: opened only within their folder, read once |
//! | `component` | the kind of a file, and whether its component can be an actor |
//! | `compiler` | compiles in this process or in a child process with bounds; the child's side as well |
//! | `cache` | compiled code on disk; the only place with unsafe code |
//! | `plugin` | a loaded plugin, and the launcher that makes incarnations of it |
//! | `store` | a store with its limits and without grants, for a run of any component |
//! | `guest` | one incarnation: an instance, the calls |
//! | `turns` | turns the frame that a guest returns for a batch into the records of the kernel |
//! | `imports`, `contract` | the functions that the kernel offers to a guest, and the types of the WIT contract |
//! | `grants`, `needs` | the external resources that an actor and its children may use; those that its component imports |
//! | `filesystem` | files in granted folders |
//! | `blocking` | calls to the system that block a thread: their number at a time, for each actor |
//! | `descriptors` | the number of open descriptors, of each actor and of all together |
//! | `polling` | the bound on one wait for several events |
//! | `http` | outgoing requests: checked, resolved, checked again, sent |
//! | `mailbox` | mailbox plugins: loaded, and one run of them |
//! | `limits` | bounds on memory and CPU |
//! | `output`, `log` | standard output and error, line by line; the bounds on standard error in each second |
//! | `accounts` | the shared use of several incarnations: memory, descriptors |
//! | `autopsy` | from a wasmtime error to a crash report |
//! | `facts` | a component's statement whether its actor keeps state |
//! | `sections` | the sections of a component's binary form, read before it is compiled |
//! | `footprint` | the resources that a component takes when it is instantiated, and the bounds on them |
//! | `system_limits` | limits of the system (`ulimit`), named in errors |
//! | `inspect` | a description of a file that does not run it |
//!
//! The way of a component: file -> [`Sandbox::load`] -> [`Plugin::launcher`] -> one `Guest` per incarnation.
//! This crate does not know the manifest, on purpose.

mod accounts;
mod autopsy;
mod blocking;
mod cache;
mod clock;
mod compiler;
mod component;
mod contract;
mod descriptors;
mod engine;
mod facts;
mod file;
mod filesystem;
mod footprint;
mod grants;
mod guest;
mod http;
mod imports;
mod inspect;
mod limits;
mod log;
mod mailbox;
mod names;
mod needs;
mod output;
mod panic;
mod plugin;
mod polling;
mod sandbox;
mod sections;
mod store;
mod system_limits;
mod turns;

pub use accounts::{Accounts, SubtreeLimits};
pub use blocking::Blocking;
pub use cache::{default_cache_dir, default_key_dir};
pub use clock::RunClock;
pub use compiler::{Compilation, CompilePlace, compile_for_parent};
pub use component::LoadError;
pub use descriptors::Descriptors;
pub use filesystem::Folder;
pub use grants::{Grants, Host, HostError, Network, NetworkError, Variable};
pub use inspect::{Inspection, inspect};
pub use limits::Limits;
pub use log::LeftOut;
pub use mailbox::MailboxPlugin;
pub use needs::{Access, Missing, Part};
pub use output::Output;
pub use plugin::{Compiled, Plugin, PluginInfo};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError};
pub use system_limits::SystemLimit;
