//! The error of the interface `metrics`.

use playhouse_kernel as kernel;
use wasmtime::component::{ComponentType, Lower};

use super::image::variant_image;

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum MetricError {
    #[component(name = "undeclared")]
    Undeclared(String),
    #[component(name = "bad-value")]
    BadValue(String),
}

variant_image!(MetricError {
    0 Undeclared(value: String),
    1 BadValue(value: String),
});

impl From<kernel::MetricError> for MetricError {
    fn from(error: kernel::MetricError) -> Self {
        match error {
            kernel::MetricError::BadValue { .. } => Self::BadValue(error.to_string()),
            other => Self::Undeclared(other.to_string()),
        }
    }
}
