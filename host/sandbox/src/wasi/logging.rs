//! `wasi:logging`, the draft 0.1.0: log lines of a guest with a level. They count for the limits of its standard error.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, WasmStr};

use crate::output::Logger;

/// The interface with the version of the draft, and as components import it that were built before it had one.
pub(crate) const LOGGING: [&str; 2] = ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

/// The data of a store whose guest has a log.
pub(crate) trait Logging {
    /// The log, with the message that the guest handles now.
    fn logger(&mut self) -> &Logger;
}

/// The enum `level`.
#[allow(dead_code)] // made from the guest's number
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl Level {
    /// The level of this number in the enum; none when it has no such case.
    pub(crate) fn of(number: i32) -> Option<Self> {
        let levels = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];
        levels.get(usize::try_from(number).ok()?).copied()
    }
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::TRACE,
            Level::Debug => Self::DEBUG,
            Level::Info => Self::INFO,
            Level::Warn => Self::WARN,
            Level::Error | Level::Critical => Self::ERROR,
        }
    }
}

/// Adds the interface to `linker`.
pub(crate) fn add_to<T: Logging + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    type Record = (Level, WasmStr, WasmStr);
    for name in LOGGING {
        linker.instance(name)?.func_wrap(
            "log",
            |mut store: StoreContextMut<'_, T>, (level, context, message): Record| {
                let logger = store.data_mut().logger().clone();
                // The guest's texts are read only if they are wanted.
                if logger.is_enabled(level.into()) {
                    let (context, message) = (context.to_str(&store)?, message.to_str(&store)?);
                    logger.log(level.into(), matches!(level, Level::Critical), &context, &message);
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}
