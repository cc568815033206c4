//! The control socket: the connection of operators to a running host.
//!
//! | file | content |
//! |---|---|
//! | `protocol` | requests and responses, one JSON object per line; decoding |
//! | `refusal` | the response to a request that was not done |
//! | `wire` | bodies and addresses as JSON text |
//! | `views` | actors and crashes in responses |
//! | `letter_views` | dead letters in responses |
//! | `whole_tree` | the whole play, read for a response |
//! | `socket` | the path of the socket, and its owner |
//! | `server` | the running host's side: `line` reads requests, `letters` handles dead letters, `levels` the levels of the log, `logs` sends the log, `subscriptions` bounds its readers, `complaints` limits log lines |

pub mod letter_views;
pub mod protocol;
mod refusal;
pub(crate) mod server;
pub mod socket;
pub mod views;
pub(crate) mod whole_tree;
mod wire;
