//! Plays of actors from a manifest: the manifest, its plugins, the kernel's plan, and the control socket.
//!
//! | module | content |
//! |---|---|
//! | `manifest` | `playhouse.toml`: keys, checks, problems, flow |
//! | `plugins`, `plan` | the plugins of a play, loaded with progress; the kernel's plan |
//! | `control` | the socket of a running host: protocol, both sides |
//! | `runtimes` | the host's thread and those of the actors |
//! | `memory`, `descriptors`, `system_limits` | memory and open files in use; limits of the system |
//! | `allocator`, `printable` | freed memory that the process keeps; foreign text made safe |

pub mod allocator;
pub mod control;
pub mod descriptors;
pub mod manifest;
pub mod memory;
pub mod plan;
pub mod plugins;
pub mod printable;
pub mod runtimes;
pub mod system_limits;
