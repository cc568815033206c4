//! The place of a store for a command: a running host that has it, or the folder of a stopped one.

use std::io::Write;

use playhouse_runtime::control::protocol::{Refusal, Request, Response};
use playhouse_runtime::control::stored::StoppedHost;
use playhouse_runtime::printable::Printable;

use crate::args;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Does the requests about a store.
pub(super) enum StorePlace {
    Running(Box<Client>),
    Stopped(Box<StoppedHost>),
}

impl StorePlace {
    pub(super) fn open(place: &args::StoreHost) -> Result<Self, Exit> {
        if let Some(path) = &place.store {
            let store = StoppedHost::take(path).map_err(not_opened)?;
            if let Some(loss) = store.loss() {
                // A stderr that is closed has no reader of the warning.
                let _ = writeln!(std::io::stderr(), "playhouse: what was lost is not shown: {}", Printable(&loss));
            }
            return Ok(Self::Stopped(Box::new(store)));
        }
        let client = Client::connect(&place.host.socket).map_err(|error| {
            let is_no_host = matches!(error, ClientError::NoHost(_));
            let exit = Exit::from(error);
            if is_no_host { exit.and("`--store PATH` names the store of a stopped host") } else { exit }
        })?;
        Ok(Self::Running(Box::new(client)))
    }

    /// Why the store does not have everything that was confirmed. The store of a running host has.
    pub(super) fn loss(&self) -> Option<String> {
        match self {
            Self::Running(_) => None,
            Self::Stopped(store) => store.loss(),
        }
    }

    pub(super) fn request(&mut self, request: &Request) -> Result<Response, Exit> {
        match self {
            Self::Running(client) => Ok(client.request(request)?),
            Self::Stopped(store) => store.request(request).map_err(refused),
        }
    }
}

/// The error of a store that could not be taken: as at the start of a play.
pub(super) fn not_opened(refusal: Refusal) -> Exit {
    Exit::with(crate::exit::BAD_INPUT, ClientError::from(refusal).to_string())
}

/// The error of an order about a store that this process has.
pub(super) fn refused(refusal: Refusal) -> Exit {
    ClientError::from(refusal).into()
}

/// The error of a restore: one that makes no sense as given is a bad argument.
pub(super) fn not_restored(refusal: Refusal) -> Exit {
    if refusal.kind == "refused" { not_opened(refusal) } else { refused(refusal) }
}
