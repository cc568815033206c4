//! The log: the events of `tracing` as lines of text, or of JSON with the same names and fields; the last of them in memory.
//!
//! | file | content |
//! |---|---|
//! | `format` | the formats |
//! | `line` | one event: its fields, and its two formats |
//! | `handle` | the log of a program: its ring and its levels |
//! | `levels` | levels by actor, and the filter that applies them |
//! | `layer` | the layer of `tracing`: each event goes to a sink, and into the ring |
//! | `ring`, `record` | the last lines in bounded memory, and the bytes of one of them |
//! | `selection` | the lines that a reader wants |
//! | `reader` | reads the ring, from any place and as slowly as it likes |

mod format;
mod handle;
mod layer;
mod levels;
mod line;
mod reader;
mod record;
mod ring;
mod selection;

pub use format::LogFormat;
pub use handle::{Log, RingCounts, Subscriber};
pub use layer::{LogLayer, LogSink};
pub use levels::filter::LogFilter;
pub use levels::{LevelsInForce, LogLevels, MOST_OVERRIDES, Override, SpawnedLevel, TooManyOverrides};
pub use line::{LogLine, level_name};
pub use reader::{Entry, LogReader, Progress};
pub use ring::{LEAST_BYTES as LEAST_RING_BYTES, Place};
pub use selection::{AddressPattern, LogSelection, PatternError};
