//! WebSocket: each connection is an actor, and each message of its client is a message to the actor's child, the handler.
//!
//! | file | content |
//! |---|---|
//! | `settings` | a route as plain data |
//! | `handshake` | the request that asks for a connection, and its response |
//! | `connections`, `socket` | the connections of one route, from the request to the actor |
//! | `gate` | the gateway's part |
//! | `connection` | the actor `/gate/NAME/N` |
//! | `link` | the task that reads and writes the socket of a connection |
//! | `outgoing` | the messages that wait for a client |

mod connection;
mod connections;
mod gate;
mod handshake;
mod link;
mod outgoing;
mod settings;
mod socket;

pub use connections::{Arrived, Connections, Numbers, Permit};
pub use gate::{Control, template, widen};
pub use handshake::{Handshake, Refused};
pub use settings::{Origins, WebSocketSettings};
pub use socket::Socket;
