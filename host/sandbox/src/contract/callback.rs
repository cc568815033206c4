//! The types of the interface `callback`: the outcome of a message.

use playhouse_kernel as kernel;
use wasmtime::component::{ComponentType, Lower};

use super::image::{record_image, variant_image};
use super::values::{CrashNoticed, Failure};

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum TaskOutcome {
    #[component(name = "done")]
    Done,
    #[component(name = "replied")]
    Replied,
    #[component(name = "failed")]
    Failed(Failure),
    #[component(name = "crashed")]
    Crashed(CrashNoticed),
}

variant_image!(TaskOutcome {
    0 Done,
    1 Replied,
    2 Failed(value: Failure),
    3 Crashed(value: CrashNoticed),
});

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Task {
    id: String,
    attempt: u32,
    outcome: TaskOutcome,
    #[component(name = "dead-letter")]
    dead_letter: bool,
}

record_image!(Task { id: String, attempt: u32, outcome: TaskOutcome, dead_letter: bool });

impl From<&kernel::TaskDone> for Task {
    fn from(done: &kernel::TaskDone) -> Self {
        let outcome = match &done.outcome {
            kernel::TaskOutcome::Done => TaskOutcome::Done,
            kernel::TaskOutcome::Replied => TaskOutcome::Replied,
            kernel::TaskOutcome::Failed(failure) => TaskOutcome::Failed(failure.into()),
            kernel::TaskOutcome::Crashed(kind, reason) => {
                TaskOutcome::Crashed(CrashNoticed { kind: kind.clone(), reason: reason.clone() })
            }
        };
        Self { id: done.id.to_string(), attempt: done.attempt, outcome, dead_letter: done.dead_letter }
    }
}
