//! `wasi:http` for granted hosts, of outgoing requests only.
//!
//! `outgoing` checks a request; `send` resolves, checks the addresses, connects, and speaks HTTP. `bounded` has the functions by
//! which a guest makes the host keep parts of a request, `heads` the bounds on these parts.

mod bounded;
mod heads;
mod outgoing;
mod send;

pub(crate) use bounded::{Requests, add_to};
pub(crate) use heads::Excess;
pub(crate) use outgoing::{Http, Outgoing};
pub(crate) use send::Wire;
