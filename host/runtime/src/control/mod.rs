//! The control socket: the connection of operators to a running host.
//!
//! | file | content |
//! |---|---|
//! | `protocol` | requests and responses, one JSON object per line; decoding |
//! | `wire` | bodies and addresses as JSON text |
//! | `views` | actors, crashes and dead letters in responses |
//! | `socket` | the path of the socket, and its owner |
//! | `server` | the running host's side: `line` reads requests, `letters` handles dead letters, `complaints` limits log lines |
//! | `client` | the other commands' side |

pub mod client;
pub mod protocol;
pub mod server;
pub mod socket;
pub mod views;
mod wire;
