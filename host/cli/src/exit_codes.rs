//! The exit codes of the process.

/// A failure while it ran: a limit of the system that leaves too little to start, input that found no room or was too long,
/// messages that were left unhandled, a shutdown that failed, an ask without a reply, a tell that was refused or dropped, a host
/// that does not answer, or a stdout that cannot be written.
pub(crate) const FAILED: u8 = 1;
/// Bad arguments, manifest or plugin. Also what clap ends with.
pub(crate) const BAD_INPUT: u8 = 2;
/// No host is running.
pub(crate) const NO_HOST: u8 = 3;
/// A required actor was given up, or every actor failed.
pub(crate) const GAVE_UP: u8 = 4;
/// A second Ctrl-C or SIGTERM: as a shell reports a program that SIGINT ended.
pub(crate) const KILLED: u8 = 130;
