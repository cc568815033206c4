//! Standard output and error of actors: the receiver on the host's side, the bound on lines, the streams.

mod lines;
mod meter;
mod receiver;
mod source;

pub(crate) use lines::{Kind, Lines, Unpermitted};
pub(crate) use meter::LogMeter;
pub use receiver::{LeftOut, Output};
pub(crate) use source::Writer;
pub use source::{HandledMessage, LineSource};
