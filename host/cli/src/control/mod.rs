//! The control socket: how people talk to a running host.
//!
//! | file | what lives there |
//! |---|---|
//! | `protocol` | requests and responses, one JSON object per line; decoding |
//! | `views` | what responses say of actors, crashes and dead letters |
//! | `socket` | where the socket lies, and who may own it |
//! | `server` | the running host's side; its children: `line` reads requests, `letters` is what it does with dead letters, `complaints` what is logged |
//! | `client` | the other commands' side |

pub mod client;
pub mod protocol;
pub mod server;
pub mod socket;
pub mod views;
