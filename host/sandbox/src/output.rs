//! Standard output and error of actors, and their log: the receiver on the host's side, the bound on lines, the streams.

mod current_lines;
mod lines;
mod logger;
mod meter;
mod origin;
mod receiver;

pub(crate) use current_lines::CurrentLines;
pub(crate) use lines::{Kind, Lines, Unpermitted};
pub(crate) use logger::Logger;
pub(crate) use meter::LogMeter;
pub(crate) use origin::Writer;
pub use origin::{HandledMessage, LineOrigin};
pub use receiver::{LeftOut, LogRecord, Output};
