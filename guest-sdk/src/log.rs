//! The levels of the log.

/// A level of the log, from the least to the most severe. The names are those of `wasi:logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The values of variables and the way through the code.
    Trace,
    /// Details for an author who looks for a fault.
    Debug,
    /// Facts for an operator. Lines on stderr have this level.
    Info,
    /// A danger.
    Warn,
    /// A failure.
    Error,
    /// A failure that ends what the actor is for. The host shows it as an error with the field `critical`.
    Critical,
}
