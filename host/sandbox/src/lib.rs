//! The sandbox: turns a `.wasm` component into something that the kernel can run, confines it, and says how it died.
//!
//! | module | what lives there |
//! |---|---|
//! | `sandbox` | the front door: [`Sandbox`], its parts, the clock that ticks |
//! | `engine` | how wasmtime is set up: features, stacks, the pool of instances |
//! | `file` | the files of plugins: opened where they lie, read once |
//! | `component` | what a file is, and whether its component can be an actor |
//! | `compiler` | compiles, here or in a child process with bounds, whose side is there as well |
//! | `cache` | compiled code on disk; the only place with unsafe code |
//! | `plugin` | a loaded plugin, and the launcher that makes incarnations of it |
//! | `store` | a store with its limits and an empty world, for a run of any component |
//! | `guest` | one incarnation: an instance, the calls |
//! | `turns` | from the frame that a guest returns for a batch to what the kernel records |
//! | `imports`, `contract` | what the kernel offers to a guest, and the types of the WIT contract |
//! | `grants`, `needs` | what an actor may use of the world outside, how much of it its children may; what its component imports of it |
//! | `filesystem` | files in granted folders |
//! | `blocking` | calls to the system that block a thread: how many at a time, for each actor |
//! | `descriptors` | what actors have open: how much, each of them and all together |
//! | `polling` | waiting for several things at a time |
//! | `http` | outgoing requests: checked, resolved, checked again, sent |
//! | `mailbox` | mailbox plugins: loaded, and one run of them |
//! | `limits` | bounds on memory and CPU |
//! | `output`, `log` | standard output and error, line by line; how much of the latter, each second |
//! | `accounts` | what several incarnations use together: memory, descriptors |
//! | `autopsy` | from a wasmtime error to a crash report |
//! | `facts` | what a component says about its actor: whether it keeps state |
//! | `sections` | the sections of a component's binary form, read before it is compiled |
//! | `footprint` | what a component takes when it is instantiated, and the bounds on that |
//! | `system_limits` | limits of the system (`ulimit`), named in errors |
//! | `inspect` | a look at a file without running it |
//!
//! The way of a component: file -> [`Sandbox::load`] -> [`Plugin::launcher`] -> one `Guest` per incarnation.
//! Absent on purpose: the manifest.

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
