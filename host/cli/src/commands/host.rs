//! The running host that a command talks to: the connection to it, and responses that fit no request.

use playhouse_runtime::Address;
use playhouse_runtime::control::protocol::{Request, Response};

use crate::args;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

pub(super) fn connect(host: &args::Host) -> Result<Client, ClientError> {
    Client::connect(&host.socket)
}

pub(super) fn unexpected(response: &Response) -> Exit {
    nonsense(response).into()
}

pub(super) fn nonsense(response: &Response) -> ClientError {
    ClientError::Nonsense(format!("{response:?}").chars().take(80).collect())
}

/// The largest message that an actor takes. The request for it has the time of the request `within` that follows.
pub(super) fn limit(client: &mut Client, to: &Address, within: &Request) -> Result<usize, Exit> {
    match client.request_within(&Request::Limit { to: to.clone() }, within)? {
        Response::Limit { message_bytes } => Ok(usize::try_from(message_bytes).unwrap_or(usize::MAX)),
        other => Err(unexpected(&other)),
    }
}
