//! Outgoing HTTP of one actor: each request is checked against its grants before anything leaves this machine. What follows a
//! redirect is the guest: its next request is checked like any other.
//!
//! `send` resolves, checks the addresses, connects, and speaks HTTP. `bounded` is where a guest makes the host keep parts of a
//! request, `heads` how much that may be.

mod bounded;
mod heads;
mod send;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response};
use playhouse_kernel::Address;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use crate::accounts::Account;
use crate::descriptors::Descriptor;
use crate::grants::{Grants, Target};
pub(crate) use bounded::{Requests, add_to};
pub(crate) use heads::Excess;
use heads::Heads;
pub(crate) use send::Wire;

/// What a guest writes to the body of a request in one piece.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of a refused target that are shown, and kept. A name has fewer.
const SHOWN_BYTES: usize = 300;
/// Refusals that are logged, for each actor.
const MOST_LOGGED: usize = 16;

/// What all incarnations of one actor have in common.
pub(crate) struct Outgoing {
    grants: Arc<Grants>,
    wire: Arc<Wire>,
    /// Requests at a time, each until its response is dropped.
    requests: Arc<Semaphore>,
    /// Where connections count besides the actor's own bound.
    descriptors: Arc<Account>,
    /// Whom it was refused, as far as that was logged.
    refused: Mutex<BTreeSet<String>>,
}

impl Outgoing {
    pub(crate) fn new(grants: Arc<Grants>, wire: Arc<Wire>, descriptors: Arc<Account>) -> Self {
        let requests = Arc::new(Semaphore::new(grants.requests.min(Semaphore::MAX_PERMITS)));
        Self { grants, wire, requests, descriptors, refused: Mutex::default() }
    }

    /// Says once for each target that it was refused, as long as these are few.
    fn log_refusal(&self, actor: &Address, whom: &str, why: &str) {
        let whom = &whom[..whom.floor_char_boundary(SHOWN_BYTES)];
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST_LOGGED || !refused.insert(format!("{whom} {why}")) {
            return;
        }
        let last = if refused.len() == MOST_LOGGED { "; further refusals are not logged" } else { "" };
        tracing::warn!(target: "playhouse", address = %actor, "refused a request to {whom}: {why}{last}");
    }
}

/// The part of one incarnation.
pub(crate) struct Http {
    pub(crate) context: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    heads: Heads,
}

pub(crate) struct Hooks {
    actor: Address,
    /// None without grants.
    outgoing: Option<Arc<Outgoing>>,
    /// What each step of a request may take.
    patience: Duration,
}

impl Http {
    /// A request may have a head of `head_bytes`.
    pub(crate) fn new(actor: Address, outgoing: Option<Arc<Outgoing>>, patience: Duration, head_bytes: u64) -> Self {
        let heads = Heads::new(head_bytes);
        let mut context = WasiHttpCtx::new();
        // Counts less for each field than `heads`, which is asked first.
        context.set_field_size_limit(heads.most());
        Self { context, hooks: Hooks { actor, outgoing, patience }, heads }
    }
}

/// What a request takes up.
struct Held {
    /// Until its response is dropped.
    permit: OwnedSemaphorePermit,
    /// Until its connection is closed.
    descriptor: Descriptor,
}

/// How long each step of a request may take: as the guest wants it, and no longer than a message.
#[derive(Clone, Copy)]
struct Patience {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

type Sent = Result<(Response<WasiBody>, Io), Error>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Hooks {
    fn check(&self, request: &Request<WasiBody>) -> Result<(Arc<Outgoing>, Target), Error> {
        let target = Target::of(request.uri()).ok_or(Error::HttpRequestUriInvalid)?;
        let outgoing = self.outgoing.as_ref().ok_or(Error::HttpRequestDenied)?;
        if outgoing.grants.allow(&target).is_none() {
            outgoing.log_refusal(&self.actor, &target.to_string(), "it is not among its `hosts`");
            return Err(Error::HttpRequestDenied);
        }
        // A tunnel leads to whom nobody checks.
        if request.method() == Method::CONNECT {
            outgoing.log_refusal(&self.actor, &target.to_string(), "CONNECT is for no actor");
            return Err(Error::HttpRequestDenied);
        }
        Ok((outgoing.clone(), target))
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (outgoing, target) = match self.check(&request) {
            Ok(checked) => checked,
            Err(error) => return Box::new(async { Err(error) }),
        };
        let Ok(permit) = outgoing.requests.clone().try_acquire_owned() else {
            return Box::new(async { Err(Error::ConnectionLimitReached) });
        };
        let descriptors = &outgoing.grants.descriptors;
        let descriptor = match descriptors.take(&outgoing.descriptors) {
            Ok(descriptor) => descriptor,
            Err(account) => {
                descriptors.say_refused(&self.actor, &account);
                return Box::new(async { Err(Error::ConnectionLimitReached) });
            }
        };
        let held = Held { permit, descriptor };
        let options = options.unwrap_or_default();
        let no_longer = |wanted: Option<Duration>| wanted.map_or(self.patience, |wanted| wanted.min(self.patience));
        let patience = Patience {
            connect: no_longer(options.connect_timeout),
            first_byte: no_longer(options.first_byte_timeout),
            between_bytes: no_longer(options.between_bytes_timeout),
        };
        let actor = self.actor.clone();
        Box::new(async move {
            let sent = outgoing.wire.send(&outgoing.grants, &target, request, patience, held).await;
            if matches!(sent, Err(Error::DestinationIpProhibited)) {
                let why = "it leads to a private or local address that no grant names";
                outgoing.log_refusal(&actor, &target.to_string(), why);
            }
            sent
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    // Said to the guest, which can ask for it as often as it likes, and not to the log.
    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        send::code_of(error)
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Account;

    #[test]
    fn refused_targets_are_kept_up_to_a_bound() {
        let all = Arc::new(Account::new("all".to_owned(), 1, None));
        let outgoing = Outgoing::new(Arc::default(), Arc::default(), all);
        for n in 0..100 {
            outgoing.log_refusal(&Address::parse("/a").unwrap(), &format!("{n}{}", "é".repeat(30_000)), "why");
        }
        let refused = outgoing.refused.lock().unwrap();
        assert_eq!(refused.len(), MOST_LOGGED);
        assert!(refused.iter().all(|refused| refused.len() <= SHOWN_BYTES + 4));
    }
}
