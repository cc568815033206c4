//! The frames in which a batch of messages and its outcomes pass between host and guest: flat, one list of bytes in each
//! direction. `wit/FRAMES.md` has the byte tables; this crate is their only implementation, shared by both sides.
//!
//! ```
//! use playhouse_frame::{Encoder, Header, Inbound, Op, Outbound, trailer};
//!
//! // The host passes one message: its header, its body, and the trailer that counts the messages.
//! let header = Header { content_bytes: 4, ..Header::default() };
//! let batch = [&header.encode()[..], b"ping", &trailer(1)].concat();
//!
//! // The guest reads the message, and records a send to route 7 and a reply.
//! let message = Inbound::open(&batch)?.next().expect("the trailer states one message")?;
//! assert_eq!(&batch[message.body], b"ping");
//! let mut encoder = Encoder::new();
//! encoder.tell(7, b"log");
//! encoder.done(Some(b"pong"));
//! let frame = encoder.take();
//!
//! // The host reads the operations in order.
//! let ops = Outbound::open(&frame)?.collect::<Result<Vec<_>, _>>()?;
//! let [Op::Tell { route: 7, body }, Op::Reply(reply)] = &ops[..] else { panic!("{ops:?}") };
//! assert_eq!((&frame[body.clone()], &frame[reply.clone()]), (&b"log"[..], &b"pong"[..]));
//! # Ok::<(), playhouse_frame::FrameError>(())
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `layout.rs`, `bytes.rs` | version, sizes and flags; numbers in a frame |
//! | `error.rs` | [`FrameError`], the error for bytes that are not a frame |
//! | `metadata.rs` | [`Metadata`]: pairs of text beside a body |
//! | `record.rs` | [`Header`]: the header before each message's content |
//! | `content.rs` | [`Content`]: a message's optional parts and its body |
//! | `state_key.rs` | the rule for keys of an actor's state, and what a key costs |
//! | `trailer.rs` | the last bytes of both frames: count, flags, version |
//! | `inbound.rs` | [`Inbound`]: reads the frame of a batch |
//! | `encoder.rs`, `outbound.rs` | [`Encoder`], [`Reader`] and [`Outbound`]: writes and reads the frame of its outcomes |
//!
//! Readers accept any bytes: they check each length before they use it, never panic on a frame's contents, and allocate no
//! memory.

#![no_std]

extern crate alloc;

mod bytes;
mod content;
mod encoder;
mod error;
mod inbound;
mod layout;
mod metadata;
mod outbound;
mod record;
mod state_key;
mod trailer;

pub use content::{Content, ContentError};
pub use encoder::{Encoder, Place};
pub use error::FrameError;
pub use inbound::{Inbound, Record};
pub use layout::{TRAILER_BYTES, VERSION};
pub use metadata::{METADATA_BYTES, METADATA_PAIRS, Metadata, MetadataError, Pairs};
pub use outbound::{OP_BYTES, Op, Outbound, Reader, Timer, TimerAt};
pub use record::{HEADER_BYTES, Header, Parts};
pub use state_key::{KEY_BYTES, KeyError, STATE_KEY_COST, check_key, cost_of};
pub use trailer::{trailer, trailer_without_routes};
