//! Outgoing requests of one actor: each is checked against its grants before any byte is sent. The host follows no redirect: a
//! guest that follows one sends a new request, which is checked like any other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request};
use playhouse_kernel::{LogEvent, ResourceUse};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::heads::Heads;
use super::send::{self, Held, Io, Patience, Sent, Wire};
use crate::events::RequestRefused;
use crate::grants::{Grants, Target};
use crate::limits::Account;
use crate::output::Writer;

/// Bytes that a guest may write to the body of a request in one piece.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of a refused target that are logged and kept. A host name has fewer.
const SHOWN_BYTES: usize = 300;
/// Refusals that are logged, for each actor.
const MOST_LOGGED: usize = 16;

/// The state that all incarnations of one actor share.
pub(crate) struct Outgoing {
    grants: Arc<Grants>,
    wire: Arc<Wire>,
    /// Permits for requests at a time, each held until the response is dropped.
    requests: Arc<Semaphore>,
    /// The account that counts connections besides the actor's own bound.
    descriptors: Arc<Account>,
    /// Refused targets with their reasons, as far as they were logged.
    refused: Mutex<BTreeSet<String>>,
}

impl Outgoing {
    pub(crate) fn new(grants: Arc<Grants>, wire: Arc<Wire>, descriptors: Arc<Account>) -> Self {
        let requests = Arc::new(Semaphore::new(grants.requests.min(Semaphore::MAX_PERMITS)));
        Self { grants, wire, requests, descriptors, refused: Mutex::default() }
    }

    /// Logs once for each target and reason that a request was refused, at most [`MOST_LOGGED`] times.
    fn log_refusal(&self, run: &Writer, whom: &str, why: &str) {
        let whom = &whom[..whom.floor_char_boundary(SHOWN_BYTES)];
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST_LOGGED || !refused.insert(format!("{whom} {why}")) {
            return;
        }
        let last = if refused.len() == MOST_LOGGED { "; further refusals are not logged" } else { "" };
        RequestRefused { subject: run.about(), to: whom, why, last }.log();
    }
}

/// The HTTP state of one incarnation.
pub(crate) struct Http {
    pub(crate) context: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    pub(super) heads: Heads,
}

pub(crate) struct Hooks {
    pub(super) run: Arc<Writer>,
    /// The counts of the actor, for readers.
    pub(super) uses: Arc<ResourceUse>,
    /// None without grants.
    pub(super) outgoing: Option<Arc<Outgoing>>,
    /// The longest time for each step of a request.
    pub(super) patience: Duration,
}

impl Http {
    /// A request may have a head of `head_bytes`. `uses`: the counts for what the host keeps; `patience`: the longest time for each
    /// step of a request.
    pub(crate) fn new(
        uses: Arc<ResourceUse>,
        patience: Duration,
        run: Arc<Writer>,
        outgoing: Option<Arc<Outgoing>>,
        head_bytes: u64,
    ) -> Self {
        let heads = Heads::new(head_bytes, uses.clone());
        let mut context = WasiHttpCtx::new();
        // This limit counts fewer bytes for each field than `heads`, which checks first.
        context.set_field_size_limit(heads.most());
        Self { context, hooks: Hooks { run, uses, outgoing, patience }, heads }
    }
}

impl Hooks {
    /// Names this run in the log from now on.
    pub(crate) fn attribute_to(&mut self, run: &Arc<Writer>) {
        if !Arc::ptr_eq(&self.run, run) {
            self.run = run.clone();
        }
    }

    fn check(&self, request: &Request<WasiBody>) -> Result<(Arc<Outgoing>, Target), Error> {
        let target = Target::of(request.uri()).ok_or(Error::HttpRequestUriInvalid)?;
        let outgoing = self.outgoing.as_ref().ok_or(Error::HttpRequestDenied)?;
        if outgoing.grants.allow(&target).is_none() {
            outgoing.log_refusal(
                &self.run,
                &target.to_string(),
                "the actor's grant `hosts` does not list it; add it if the actor needs it",
            );
            return Err(Error::HttpRequestDenied);
        }
        // Requests inside a tunnel could not be checked.
        if request.method() == Method::CONNECT {
            outgoing.log_refusal(&self.run, &target.to_string(), "no actor may use the method CONNECT");
            return Err(Error::HttpRequestDenied);
        }
        Ok((outgoing.clone(), target))
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
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
        let descriptor = match descriptors.take(&outgoing.descriptors, Some(&self.uses)) {
            Ok(descriptor) => descriptor,
            Err(account) => {
                descriptors.say_refused(self.run.about(), &account);
                return Box::new(async { Err(Error::ConnectionLimitReached) });
            }
        };
        let held = Held { permit, descriptor };
        outgoing.grants.put_secrets_into(&target, request.headers_mut());
        let options = options.unwrap_or_default();
        let no_longer = |wanted: Option<Duration>| wanted.map_or(self.patience, |wanted| wanted.min(self.patience));
        let patience = Patience {
            connect: no_longer(options.connect_timeout),
            first_byte: no_longer(options.first_byte_timeout),
            between_bytes: no_longer(options.between_bytes_timeout),
        };
        let run = self.run.clone();
        Box::new(async move {
            let sent = outgoing.wire.send(&outgoing.grants, &target, request, patience, held).await;
            if matches!(sent, Err(Error::DestinationIpProhibited)) {
                let why = "its name leads to a private or local address that neither `hosts` nor `networks` grants";
                outgoing.log_refusal(&run, &target.to_string(), why);
            }
            sent
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    // The error goes to the guest alone: a guest can cause it any number of times, so it is not logged.
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
    use playhouse_kernel::Address;

    use super::*;

    #[test]
    fn refused_targets_are_kept_up_to_a_bound() {
        let all = Arc::new(Account::new("all".to_owned(), 1, None));
        let outgoing = Outgoing::new(Arc::default(), Arc::default(), all);
        let run = Writer::new(Address::root(), "test".into(), Some(1));
        for n in 0..100 {
            outgoing.log_refusal(&run, &format!("{n}{}", "é".repeat(30_000)), "why");
        }
        let refused = outgoing.refused.lock().unwrap();
        assert_eq!(refused.len(), MOST_LOGGED);
        assert!(refused.iter().all(|refused| refused.len() <= SHOWN_BYTES + 4));
    }
}
