//! Metrics, health and log of a running play, for programs that watch it.
//!
//! ```
//! use std::time::Duration;
//! use playhouse_kernel::{Kernel, Plan};
//! use playhouse_observe::{Format, HostFacts, HttpFacts, exposition_of};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kernel = Kernel::start(&Plan::default())?;
//! let metrics = kernel.metrics(Duration::from_secs(1), |_| Duration::ZERO).await;
//! let text = exposition_of(&metrics, &HostFacts::default(), Format::Prometheus, Vec::new());
//! assert!(String::from_utf8(text)?.contains("# TYPE playhouse_restarts_total counter\n"));
//! # Ok(())
//! # }
//! ```
//!
//! | module | content |
//! |---|---|
//! | `family`, `families` | a metric's name, type, unit and help; all metrics of a play |
//! | `exposition` | the encoder: Prometheus text 0.0.4 and OpenMetrics 1.0 |
//! | `gateways` | the samples of gateways |
//! | `own` | the families of actors' own metrics |
//! | `collect` | the samples of each family, from the kernel's counts and the host's facts |
//! | `process`, `host_errors`, `left_out` | the host's own process and errors; log lines that were left out |
//! | `sampler`, `ages` | rates, and the age of the oldest message, from samples of all actors |
//! | `health` | whether the play is healthy and ready, and why not |
//! | `server`, `hosts` | the HTTP server, and the hosts that a request may name |
//! | `log`, `printable` | the lines of the log; foreign text made safe for a terminal |
//!
//! Nothing is registered anywhere: each scrape reads the counts that the kernel keeps.

mod ages;
mod collect;
mod exposition;
mod families;
mod family;
mod gateways;
mod health;
mod host_errors;
mod hosts;
mod left_out;
pub mod log;
mod own;
pub mod printable;
mod process;
mod sampler;
mod server;

pub use collect::{HostFacts, PluginFacts, exposition_of};
pub use exposition::Format;
pub use families::FAMILIES;
pub use family::{Family, Kind, Unit};
pub use gateways::{GatewayFacts, GatewayRole, HttpFacts, LinkFacts};
pub use health::{Health, Readiness};
pub use host_errors::{HostError, count_panics};
pub use hosts::{Hosts, is_public};
pub use left_out::{LeftOutLines, LineSource};
pub use own::{COUNTED, OBSERVED};
pub use process::Process;
pub use sampler::{Recent, Sampler};
pub use server::{DESCRIPTORS, MetricsServer, Source};
