//! placeholder
pub(crate) fn run() -> crate::Done { Ok(()) }
