//! The control socket: the connection of operators to a running host.
//!
//! | file | content |
//! |---|---|
//! | `protocol` | requests and responses, one JSON object per line; decoding |
//! | `request` | the requests, and the right that each needs |
//! | `access` | the roles of clients |
//! | `refusal` | the response to a request that was not done |
//! | `wire` | bodies and addresses as JSON text |
//! | `views`, `failed_line` | actors, their failures and crashes in responses |
//! | `why_views`, `why_words` | why an actor does not go on, in responses: data, and its sentences |
//! | `letter_views` | dead letters in responses |
//! | `store_views` | stores, mailboxes and their messages in responses, and the lines of exported messages |
//! | `stored` | requests about a store, answered from the store itself: beside a running host, and without one |
//! | `whole_tree` | the whole play, read for a response |
//! | `socket` | the path of the socket, and its owner |
//! | `server` | the running host's side: `line` reads requests, `client` writes responses, `letters` handles dead letters, `mailboxes` the store and its mailboxes, `levels` the levels of the log, `logs` sends the log, `subscriptions` bounds its readers, `complaints` limits log lines, `audit` logs operators' actions |

mod access;
mod failed_line;
pub mod letter_views;
pub mod protocol;
mod refusal;
mod request;
pub(crate) mod server;
pub mod socket;
pub mod store_views;
pub mod stored;
pub mod views;
pub(crate) mod whole_tree;
pub mod why_views;
mod why_words;
mod wire;
