//! The bounds on the parts of a guest's requests that the host keeps: their heads, and the number of bodies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use http::HeaderMap;
use playhouse_kernel::{Resource, ResourceUse};
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::p2::bindings::http::types::{Method, Scheme};
use wasmtime_wasi_http::p2::types::{HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{FieldMap, WasiHttpHooks};

/// The cost of each name and each value of a field beyond its text.
pub(super) const FIELD_BYTES: usize = 72;
/// The number of heads of the largest size that one incarnation may keep.
const MOST_HEADS: usize = 64;
/// Requests and responses whose body was taken and that were not sent. The host keeps up to 128 KiB of each body.
const MOST_BODIES: usize = 64;

/// The error when a guest makes the host keep more than a limit allows.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{}", self.more_than())]
pub(crate) enum Excess {
    /// The head of one request.
    Head {
        most: usize,
    },
    /// All heads together.
    Heads {
        most: usize,
        each: usize,
    },
    Bodies,
}

impl Excess {
    /// The limit that the guest exceeded.
    pub(crate) fn more_than(&self) -> String {
        match self {
            Self::Head { most } => {
                format!("{most} bytes for the method, address, fields and trailers of a request (limits.request_head)")
            }
            Self::Heads { most, each } => format!(
                "{most} bytes for all requests and fields at a time: {MOST_HEADS} times limits.request_head ({each} bytes)"
            ),
            Self::Bodies => format!("{MOST_BODIES} requests at a time that have a body and were not sent"),
        }
    }
}

/// The heads of one incarnation.
pub(crate) struct Heads {
    /// `limits.request_head`.
    most: usize,
    /// An upper bound on the bytes of all heads: their bytes when they were last counted, and the bytes added since.
    charged: usize,
    /// The counts of the actor, which have `charged` as well.
    uses: Arc<ResourceUse>,
    /// Requests whose body was taken, by the number of the request; `bodies` has them by the number of the body. A number
    /// that is used again gets a new entry.
    requests: HashMap<u32, Weak<Request>>,
    bodies: HashMap<u32, Weak<Request>>,
    /// Bytes of trailers, which stay with the body.
    trailers: Arc<AtomicUsize>,
    /// The most bytes that fields had since their map was made, by the number of the fields: a map keeps the capacity of
    /// removed entries.
    peaks: HashMap<u32, usize>,
}

/// A request whose body was taken, until both are dropped.
pub(super) struct Request {
    /// Without trailers.
    head: AtomicUsize,
    trailers: AtomicUsize,
    all_trailers: Arc<AtomicUsize>,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.all_trailers.fetch_sub(*self.trailers.get_mut(), Relaxed);
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.uses.give_back(Resource::Host, self.charged as u64);
    }
}

impl Heads {
    pub(super) fn new(most_bytes: u64, uses: Arc<ResourceUse>) -> Self {
        Self {
            most: usize::try_from(most_bytes).unwrap_or(usize::MAX),
            charged: 0,
            uses,
            requests: HashMap::new(),
            bodies: HashMap::new(),
            trailers: Arc::default(),
            peaks: HashMap::new(),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Checks the size of one request, or of the fields for one.
    pub(super) fn check(&self, bytes: usize) -> Result<(), Excess> {
        if bytes > self.most { Err(Excess::Head { most: self.most }) } else { Ok(()) }
    }

    /// Counts `bytes` that are added to the heads.
    pub(super) fn charge(&mut self, table: &mut ResourceTable, bytes: usize) -> Result<(), Excess> {
        let most = self.most.saturating_mul(MOST_HEADS);
        let before = self.charged;
        self.charged = self.charged.saturating_add(bytes);
        if self.charged > most {
            self.charged = self.held(table).saturating_add(bytes);
        }
        self.uses.take(Resource::Host, self.charged as u64);
        self.uses.give_back(Resource::Host, before as u64);
        if self.charged > most { Err(Excess::Heads { most, each: self.most }) } else { Ok(()) }
    }

    fn held(&self, table: &mut ResourceTable) -> usize {
        let each = table.iter_mut().map(|entry| {
            if let Some(fields) = entry.downcast_ref::<FieldMap>() {
                fields_bytes(fields)
            } else if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
                request_bytes(request)
            } else if let Some(response) = entry.downcast_ref::<HostOutgoingResponse>() {
                fields_bytes(&response.headers)
            } else if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
                fields_bytes(&response.headers)
            } else {
                0
            }
        });
        each.sum::<usize>().saturating_add(self.trailers.load(Relaxed))
    }

    /// Checks a change of a request after which it has `bytes` without its trailers, and notes the new size.
    pub(super) fn resize(&self, number: u32, request: &HostOutgoingRequest, bytes: usize) -> Result<(), Excess> {
        // A request whose body was not taken has no trailers, and its number may have been another request's.
        let known = request.body.as_ref().and_then(|_| self.requests.get(&number)?.upgrade());
        let trailers = known.as_ref().map_or(0, |known| known.trailers.load(Relaxed));
        self.check(bytes.saturating_add(trailers))?;
        if let Some(known) = known {
            known.head.store(bytes, Relaxed);
        }
        Ok(())
    }

    /// Notes a removal from fields. Returns whether their map has at least twice the capacity that they need, and must be
    /// made anew. The work to make it anew is at most the work of the removals before.
    pub(super) fn has_shrunk(&mut self, number: u32, before: usize, after: usize) -> bool {
        let peak = self.peaks.entry(number).or_default();
        *peak = before.max(*peak);
        let shrunk = after.saturating_mul(2) <= *peak;
        if shrunk {
            self.peaks.remove(&number);
        }
        shrunk
    }

    /// Checks the number of bodies before another one is taken.
    pub(super) fn another_body(table: &mut ResourceTable) -> Result<(), Excess> {
        let has_body = |entry: &mut (dyn std::any::Any + Send)| {
            entry.downcast_ref::<HostOutgoingRequest>().is_some_and(|request| request.body.is_some())
                || entry.downcast_ref::<HostOutgoingResponse>().is_some_and(|response| response.body.is_some())
        };
        let bodies = table.iter_mut().filter_map(|entry| has_body(entry).then_some(())).count();
        if bodies >= MOST_BODIES { Err(Excess::Bodies) } else { Ok(()) }
    }

    /// Notes that a request's body was taken. The returned permit must live until the body is sent or dropped.
    pub(super) fn take_body(&mut self, request: u32, body: u32, head: usize) -> Arc<Request> {
        let all_trailers = self.trailers.clone();
        let known = Arc::new(Request { head: head.into(), trailers: 0.into(), all_trailers });
        self.requests.insert(request, Arc::downgrade(&known));
        self.bodies.insert(body, Arc::downgrade(&known));
        known
    }

    /// Checks and counts the trailers that end a body.
    pub(super) fn end_body(&mut self, body: u32, bytes: usize) -> Result<(), Excess> {
        let known = self.bodies.remove(&body).and_then(|known| known.upgrade());
        let head = known.as_ref().map_or(0, |known| known.head.load(Relaxed));
        self.check(head.saturating_add(bytes))?;
        if let Some(known) = known {
            known.trailers.store(bytes, Relaxed);
            self.trailers.fetch_add(bytes, Relaxed);
        }
        Ok(())
    }
}

/// The same fields in a map without unused capacity.
pub(super) fn compact(hooks: &mut dyn WasiHttpHooks, fields: &HeaderMap, most: usize) -> FieldMap {
    let mut kept = HeaderMap::with_capacity(fields.keys_len());
    for (name, value) in fields {
        kept.append(name.clone(), value.clone());
    }
    let mut kept = FieldMap::new_immutable(hooks, kept);
    kept.set_mutable(most);
    kept
}

/// The cost of a name or a value of a field.
pub(super) fn field_bytes(text: usize) -> usize {
    text.saturating_add(FIELD_BYTES)
}

pub(super) fn fields_bytes(fields: &HeaderMap) -> usize {
    let names = fields.keys().map(|name| field_bytes(name.as_str().len()));
    let values = fields.values().map(|value| field_bytes(value.len()));
    names.chain(values).sum()
}

pub(super) fn request_bytes(request: &HostOutgoingRequest) -> usize {
    let text = |text: Option<&String>| text.map_or(0, String::len);
    method_bytes(&request.method)
        + scheme_bytes(request.scheme.as_ref())
        + text(request.authority.as_ref())
        + text(request.path_with_query.as_ref())
        + fields_bytes(&request.headers)
}

pub(super) fn method_bytes(method: &Method) -> usize {
    if let Method::Other(name) = method { name.len() } else { 0 }
}

pub(super) fn scheme_bytes(scheme: Option<&Scheme>) -> usize {
    if let Some(Scheme::Other(name)) = scheme { name.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use playhouse_kernel::Address;

    use super::super::outgoing::Hooks;
    use super::*;
    use crate::output::Writer;

    #[test]
    fn charged_bytes_count_until_the_heads_are_dropped() {
        let (uses, mut table) = (Arc::<ResourceUse>::default(), ResourceTable::new());
        let mut heads = Heads::new(100, uses.clone());
        heads.charge(&mut table, 60).expect("it fits");
        heads.charge(&mut table, 30).expect("it fits");
        assert_eq!(uses.read().host_bytes, 90);
        heads.charge(&mut table, 6400 - 89).expect("none of the others is in the table any more");
        assert_eq!(uses.read().host_bytes, 6400 - 89);
        drop(heads);
        assert_eq!(uses.read().host_bytes, 0);
    }

    #[test]
    fn fields_that_lose_half_get_a_new_map() {
        let mut heads = Heads::new(1 << 16, Arc::default());
        assert!(!heads.has_shrunk(1, 100, 90));
        assert!(!heads.has_shrunk(1, 95, 51));
        assert!(!heads.has_shrunk(2, 51, 40), "other fields have a peak of their own");
        assert!(heads.has_shrunk(1, 51, 50));
        assert!(!heads.has_shrunk(1, 50, 26));
        assert!(heads.has_shrunk(1, 26, 0));
    }

    #[test]
    fn removed_fields_take_no_capacity() {
        let run = Writer::new(Address::root(), "test".into(), Some(1));
        let hooks = &mut Hooks { run, uses: Arc::default(), outgoing: None, patience: std::time::Duration::ZERO };
        let mut fields = FieldMap::new_mutable(1 << 20);
        for n in 0..400 {
            fields.append(hooks, format!("x{n}"), b"1".to_vec()).unwrap();
        }
        fields.append(hooks, "x7".to_owned(), b"2".to_vec()).unwrap();
        for n in (0..400).filter(|n| *n != 7) {
            fields.remove_all(hooks, format!("x{n}")).unwrap();
        }
        assert!(fields.capacity() >= 400);
        let mut compacted = compact(hooks, &fields, 1 << 10);
        assert!(compacted.capacity() <= 8, "{}", compacted.capacity());
        assert_eq!(*compacted, *fields);
        compacted.append(hooks, "more".to_owned(), b"1".to_vec()).unwrap();
        assert!(compacted.append(hooks, "most".to_owned(), vec![b'x'; 1 << 10]).is_err());
    }
}
