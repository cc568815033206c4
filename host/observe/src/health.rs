//! Whether a play is healthy, and whether it takes work.

use std::fmt;
use std::time::Duration;

use playhouse_kernel::{Kernel, Stage};

/// The time in which the kernel's loop answers when it is healthy, in a scrape as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the host should go on. A host that is not healthy is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Plugins are loaded; there is no kernel yet.
    Loading,
    /// The kernel's loop answers.
    Answers,
    /// The play has ended.
    Over,
    /// The kernel's loop did not answer within a second.
    Stuck,
}

impl Health {
    /// The health of a play; `None` while its plugins are being loaded.
    pub async fn of(kernel: Option<&Kernel>) -> Self {
        let Some(kernel) = kernel else { return Self::Loading };
        match tokio::time::timeout(PATIENCE, kernel.wait_answer()).await {
            Ok(true) => Self::Answers,
            Ok(false) => Self::Over,
            Err(_) => Self::Stuck,
        }
    }

    /// Whether the host should go on.
    pub fn is_healthy(&self) -> bool {
        matches!(self, Self::Loading | Self::Answers)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loading => "healthy: the plugins are being loaded",
            Self::Answers => "healthy: the kernel answers",
            Self::Over => "not healthy: the play is over",
            Self::Stuck => return write!(f, "not healthy: the kernel did not answer within {} s", PATIENCE.as_secs()),
        })
    }
}

/// Whether the play takes work; otherwise, everything that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// The reasons why it is not ready.
    pub missing: Vec<String>,
}

impl Readiness {
    /// The readiness of a play; `None` while its plugins are being loaded.
    pub fn of(kernel: Option<&Kernel>) -> Self {
        let Some(kernel) = kernel else { return Self { missing: vec!["the plugins are being loaded".into()] } };
        let stage = match kernel.stage() {
            Stage::Starting => Some("its actors are starting"),
            Stage::Running if kernel.stops_soon() => Some("it stops soon"),
            Stage::Running => None,
            Stage::Stopping => Some("it is stopping"),
            Stage::Stopped => Some("it has stopped"),
            Stage::GaveUp(_) => Some("a required actor was given up"),
        };
        let memory = kernel.memory_pressure().map(|why| format!("memory is short: {why}"));
        let store = kernel.store_status().and_then(|store| store.full);
        Self { missing: stage.map(str::to_owned).into_iter().chain(memory).chain(store).collect() }
    }

    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ready() {
            return f.write_str("ready");
        }
        write!(f, "not ready: {}", self.missing.join("; "))
    }
}
