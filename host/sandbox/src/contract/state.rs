//! The values of the interface `state`.

use playhouse_kernel as kernel;
use wasmtime::component::{ComponentType, Lower};

use super::image::{record_image, variant_image};

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum StateError {
    #[component(name = "not-granted")]
    NotGranted(String),
    #[component(name = "bad-key")]
    BadKey(String),
    #[component(name = "too-large")]
    TooLarge(u64),
    #[component(name = "full")]
    Full(u64),
    #[component(name = "failed")]
    Failed(String),
}

variant_image!(StateError {
    0 NotGranted(value: String),
    1 BadKey(value: String),
    2 TooLarge(value: u64),
    3 Full(value: u64),
    4 Failed(value: String),
});

impl From<kernel::StateError> for StateError {
    fn from(error: kernel::StateError) -> Self {
        match error {
            kernel::StateError::NotGranted { .. } => Self::NotGranted(error.to_string()),
            kernel::StateError::BadKey(_) => Self::BadKey(error.to_string()),
            kernel::StateError::TooLarge { limit_bytes, .. } => Self::TooLarge(limit_bytes as u64),
            kernel::StateError::Full { limit_bytes, .. } => Self::Full(limit_bytes),
            kernel::StateError::Failed(_) | kernel::StateError::Overrun(_) => Self::Failed(error.to_string()),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct StateLimits {
    #[component(name = "value-bytes")]
    value_bytes: u64,
    #[component(name = "left-bytes")]
    left_bytes: u64,
}

record_image!(StateLimits { value_bytes: u64, left_bytes: u64 });

impl From<kernel::StateLimits> for StateLimits {
    fn from(limits: kernel::StateLimits) -> Self {
        Self { value_bytes: limits.value_bytes as u64, left_bytes: limits.left_bytes }
    }
}
