//! The types of the interface `supervisor`: the failure of a child, and the directive of its parent.

use playhouse_kernel as kernel;
use wasmtime::component::{ComponentType, Lift, Lower};

use super::image::record_image;

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Blamed {
    id: String,
    attempt: u32,
    attempts: u32,
    flow: String,
    hops: u32,
}

record_image!(Blamed { id: String, attempt: u32, attempts: u32, flow: String, hops: u32 });

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct ChildFailure {
    address: String,
    plugin: String,
    incarnation: u64,
    kind: String,
    reason: String,
    backtrace: Vec<String>,
    stderr: Vec<String>,
    blamed: Option<Blamed>,
    restarts: u32,
    intensity: u32,
    #[component(name = "period-ms")]
    period_ms: u64,
}

record_image!(ChildFailure {
    address: String,
    plugin: String,
    incarnation: u64,
    kind: String,
    reason: String,
    backtrace: Vec<String>,
    stderr: Vec<String>,
    blamed: Option<Blamed>,
    restarts: u32,
    intensity: u32,
    period_ms: u64,
});

impl From<&kernel::ChildFailed> for ChildFailure {
    fn from(failure: &kernel::ChildFailed) -> Self {
        let kernel::ChildFailed { report, plugin, window } = failure;
        let attempts = report.attempts;
        let (flow, hops) = report.flow.unwrap_or_default();
        let blamed = |(id, attempt): (kernel::MessageId, u32)| Blamed {
            id: id.to_string(),
            attempt,
            attempts,
            flow: flow.to_string(),
            hops,
        };
        Self {
            address: report.address.to_string(),
            plugin: plugin.clone(),
            incarnation: report.incarnation,
            kind: report.crash.reason.kind().to_owned(),
            reason: report.crash.reason.to_string(),
            backtrace: report.crash.backtrace.clone(),
            stderr: report.crash.stderr.clone(),
            blamed: report.blamed.map(blamed),
            restarts: window.restarts,
            intensity: window.intensity,
            period_ms: u64::try_from(window.period.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // made by its number, as the guest gave it
pub(crate) enum Directive {
    #[component(name = "restart")]
    Restart,
    #[component(name = "stop")]
    Stop,
    #[component(name = "escalate")]
    Escalate,
    #[component(name = "default")]
    Default,
}

impl From<Directive> for kernel::Directive {
    fn from(directive: Directive) -> Self {
        match directive {
            Directive::Restart => Self::Restart,
            Directive::Stop => Self::Stop,
            Directive::Escalate => Self::Escalate,
            Directive::Default => Self::Default,
        }
    }
}
