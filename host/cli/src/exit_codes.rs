//! The exit codes of the process.

/// A failure while running: a limit of the system that is too low to start, input that was refused or too long, messages that
/// were not handled, a failed shutdown, an ask without a reply, a tell that was refused or dropped, a host that does not answer,
/// or a stdout that cannot be written.
pub(crate) const FAILED: u8 = 1;
/// Bad arguments, manifest or plugin, or a store that cannot be used. clap ends with the same code.
pub(crate) const BAD_INPUT: u8 = 2;
/// No host is running.
pub(crate) const NO_HOST: u8 = 3;
/// A required actor was given up, or every actor failed.
pub(crate) const GAVE_UP: u8 = 4;
/// The store failed: what it confirmed is kept.
pub(crate) const STORE_FAILED: u8 = 5;
/// A second Ctrl-C or SIGTERM: the code with which a shell reports a program that SIGINT ended.
pub(crate) const KILLED: u8 = 130;
