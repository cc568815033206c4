//! The functions of `wasi:http/types` by which a guest makes the host keep data, in the place of wasmtime's own: each checks the
//! size before the data is copied out of the guest's memory, and then calls wasmtime's function.
//!
//! Only a text in UTF-16 or Latin-1 is copied before the check, one text at a time, since its length in UTF-8 is not known
//! otherwise. The copy has at most twice the bytes of the text in the guest's memory, and is dropped after the check.

use http::HeaderName;
use http_body_util::BodyExt;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Resource, ResourceTable, WasmList, WasmStr};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::{self, HeaderError, HostFields, HostOutgoingRequest as _};
use wasmtime_wasi_http::p2::body::{HostFutureTrailers, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest, HostOutgoingResponse};

use super::heads::{FIELD_BYTES, Heads, compact, field_bytes, fields_bytes, method_bytes, request_bytes, scheme_bytes};
use super::outgoing::Http;

/// The interface with the version of wasmtime's own functions.
const TYPES: &str = "wasi:http/types@0.2.12";

/// The data of a store whose guest may make requests.
pub(crate) trait Requests: WasiHttpView {
    fn requests(&mut self) -> (&mut Http, &mut ResourceTable);
}

type Caller<'a, T> = StoreContextMut<'a, T>;
type Fields = Resource<FieldMap>;
type Request = Resource<HostOutgoingRequest>;
type Field = (WasmStr, WasmList<u8>);

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Method {
    #[component(name = "get")]
    Get,
    #[component(name = "head")]
    Head,
    #[component(name = "post")]
    Post,
    #[component(name = "put")]
    Put,
    #[component(name = "delete")]
    Delete,
    #[component(name = "connect")]
    Connect,
    #[component(name = "options")]
    Options,
    #[component(name = "trace")]
    Trace,
    #[component(name = "patch")]
    Patch,
    #[component(name = "other")]
    Other(WasmStr),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Scheme {
    #[component(name = "HTTP")]
    Http,
    #[component(name = "HTTPS")]
    Https,
    #[component(name = "other")]
    Other(WasmStr),
}

pub(crate) fn add_to<T: Requests + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    add_fields_to(&mut types)?;
    add_requests_to(&mut types)?;
    add_bodies_to(&mut types)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn add_fields_to<T: Requests + 'static>(types: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    types.func_wrap("[static]fields.from-list", |mut store: Caller<'_, T>, (entries,): (WasmList<Field>,)| {
        let heads = heads(&mut store);
        heads.check(entries.len().saturating_mul(2 * FIELD_BYTES))?;
        let mut bytes = 0_usize;
        let entries: Vec<Field> = entries.iter(&mut store)?.collect::<Result<_, _>>()?;
        for (name, value) in &entries {
            let name = name.to_str(&store)?.len();
            bytes = bytes.saturating_add(field_bytes(name)).saturating_add(field_bytes(value.len()));
            // Checked for each field, not once at the end: each name that is too long takes time.
            self::heads(&mut store).check(bytes)?;
        }
        admit(&mut store, bytes, bytes)?;
        let mut copied = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            copied.push((name.to_str(&store)?.into_owned(), value.as_le_slice(&store).to_vec()));
        }
        said(HostFields::from_list(&mut store.data_mut().http(), copied))
    })?;
    types.func_wrap(
        "[method]fields.set",
        |mut store: Caller<'_, T>, (fields, name, values): (Fields, WasmStr, WasmList<WasmList<u8>>)| {
            heads(&mut store).check(values.len().saturating_mul(FIELD_BYTES))?;
            let values: Vec<WasmList<u8>> = values.iter(&mut store)?.collect::<Result<_, _>>()?;
            let name_bytes = name.to_str(&store)?.len();
            let more = values
                .iter()
                .map(|value| field_bytes(value.len()))
                .fold(field_bytes(name_bytes), usize::saturating_add);
            heads(&mut store).check(more)?;
            let name = name.to_str(&store)?.into_owned();
            let held = store.data_mut().requests().1.get(&fields)?;
            let (replaced, number) = (replaced_bytes(held, &name), fields.rep());
            let held_bytes = fields_bytes(held);
            let kept = held_bytes - replaced;
            admit(&mut store, kept.saturating_add(more), more)?;
            let values = values.iter().map(|value| value.as_le_slice(&store).to_vec()).collect();
            let set = said(HostFields::set(&mut store.data_mut().http(), fields, name, values))?;
            if set.0.is_ok() {
                release_capacity(&mut store, number, held_bytes)?;
            }
            Ok(set)
        },
    )?;
    types.func_wrap("[method]fields.delete", |mut store: Caller<'_, T>, (fields, name): (Fields, WasmStr)| {
        let (name, number) = (name.to_str(&store)?.into_owned(), fields.rep());
        let held_bytes = fields_bytes(store.data_mut().requests().1.get(&fields)?);
        let deleted = said(HostFields::delete(&mut store.data_mut().http(), fields, name))?;
        if deleted.0.is_ok() {
            release_capacity(&mut store, number, held_bytes)?;
        }
        Ok(deleted)
    })?;
    types.func_wrap(
        "[method]fields.append",
        |mut store: Caller<'_, T>, (fields, name, value): (Fields, WasmStr, WasmList<u8>)| {
            let more = field_bytes(name.to_str(&store)?.len()).saturating_add(field_bytes(value.len()));
            let kept = fields_bytes(store.data_mut().requests().1.get(&fields)?);
            admit(&mut store, kept.saturating_add(more), more)?;
            let (name, value) = (name.to_str(&store)?.into_owned(), value.as_le_slice(&store).to_vec());
            said(HostFields::append(&mut store.data_mut().http(), fields, name, value))
        },
    )?;
    types.func_wrap("[method]fields.clone", |mut store: Caller<'_, T>, (fields,): (Fields,)| {
        let bytes = fields_bytes(store.data_mut().requests().1.get(&fields)?);
        charge(&mut store, bytes)?;
        Ok((HostFields::clone(&mut store.data_mut().http(), fields)?,))
    })
}

fn add_requests_to<T: Requests + 'static>(types: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    types.func_wrap("[constructor]outgoing-request", |mut store: Caller<'_, T>, (fields,): (Fields,)| {
        // Fields cloned from a response may have more bytes than a request may.
        let bytes = fields_bytes(store.data_mut().requests().1.get(&fields)?);
        heads(&mut store).check(bytes)?;
        Ok((types::HostOutgoingRequest::new(&mut store.data_mut().http(), fields)?,))
    })?;
    types.func_wrap("[method]outgoing-request.set-method", |mut store: Caller<'_, T>, (request, method)| {
        let method: Method = method;
        let bytes = if let Method::Other(name) = &method { name.to_str(&store)?.len() } else { 0 };
        resize(&mut store, &request, bytes, |request| method_bytes(&request.method))?;
        let method = match method {
            Method::Get => types::Method::Get,
            Method::Head => types::Method::Head,
            Method::Post => types::Method::Post,
            Method::Put => types::Method::Put,
            Method::Delete => types::Method::Delete,
            Method::Connect => types::Method::Connect,
            Method::Options => types::Method::Options,
            Method::Trace => types::Method::Trace,
            Method::Patch => types::Method::Patch,
            Method::Other(name) => types::Method::Other(name.to_str(&store)?.into_owned()),
        };
        Ok((store.data_mut().http().set_method(request, method)?,))
    })?;
    types.func_wrap("[method]outgoing-request.set-scheme", |mut store: Caller<'_, T>, (request, scheme)| {
        let scheme: Option<Scheme> = scheme;
        let bytes = if let Some(Scheme::Other(name)) = &scheme { name.to_str(&store)?.len() } else { 0 };
        resize(&mut store, &request, bytes, |request| scheme_bytes(request.scheme.as_ref()))?;
        let scheme = match scheme {
            None => None,
            Some(Scheme::Http) => Some(types::Scheme::Http),
            Some(Scheme::Https) => Some(types::Scheme::Https),
            Some(Scheme::Other(name)) => Some(types::Scheme::Other(name.to_str(&store)?.into_owned())),
        };
        Ok((store.data_mut().http().set_scheme(request, scheme)?,))
    })?;
    types.func_wrap("[method]outgoing-request.set-authority", |mut store: Caller<'_, T>, (request, text)| {
        let text = kept(&mut store, &request, text, |request| request.authority.as_ref())?;
        Ok((store.data_mut().http().set_authority(request, text)?,))
    })?;
    types.func_wrap("[method]outgoing-request.set-path-with-query", |mut store: Caller<'_, T>, (request, text)| {
        let text = kept(&mut store, &request, text, |request| request.path_with_query.as_ref())?;
        Ok((store.data_mut().http().set_path_with_query(request, text)?,))
    })
}

fn add_bodies_to<T: Requests + 'static>(types: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    types.func_wrap("[method]outgoing-request.body", |mut store: Caller<'_, T>, (request,): (Request,)| {
        let number = request.rep();
        Heads::another_body(store.data_mut().requests().1)?;
        let body = types::HostOutgoingRequest::body(&mut store.data_mut().http(), request)?;
        if let Ok(body) = &body {
            let (http, table) = store.data_mut().requests();
            let request = table.get_mut(&Request::new_borrow(number))?;
            let known = http.heads.take_body(number, body.rep(), request_bytes(request));
            // The trailers are counted until the body is dropped, sent or not.
            request.body = request.body.take().map(|body| {
                let counted = move |error| {
                    let _ = &known;
                    error
                };
                body.map_err(counted).boxed_unsync()
            });
        }
        Ok((body,))
    })?;
    types.func_wrap(
        "[method]outgoing-response.body",
        |mut store: Caller<'_, T>, (response,): (Resource<HostOutgoingResponse>,)| {
            Heads::another_body(store.data_mut().requests().1)?;
            Ok((types::HostOutgoingResponse::body(&mut store.data_mut().http(), response)?,))
        },
    )?;
    types.func_wrap(
        "[static]outgoing-body.finish",
        |mut store: Caller<'_, T>, (body, trailers): (Resource<HostOutgoingBody>, Option<Fields>)| {
            if let Some(trailers) = &trailers {
                let (http, table) = store.data_mut().requests();
                http.heads.end_body(body.rep(), fields_bytes(table.get(trailers)?))?;
            }
            let ended = types::HostOutgoingBody::finish(&mut store.data_mut().http(), body, trailers);
            Ok((ended.map_or_else(|error| error.downcast().map(Err), |()| Ok(Ok(())))?,))
        },
    )?;
    // The host keeps the head of a response as well.
    types.func_wrap(
        "[method]future-incoming-response.get",
        |mut store: Caller<'_, T>, (response,): (Resource<HostFutureIncomingResponse>,)| {
            let got = types::HostFutureIncomingResponse::get(&mut store.data_mut().http(), response)?;
            if let Some(Ok(Ok(response))) = &got {
                let bytes = fields_bytes(&store.data_mut().requests().1.get(response)?.headers);
                charge(&mut store, bytes)?;
            }
            Ok((got,))
        },
    )?;
    types.func_wrap(
        "[method]future-trailers.get",
        |mut store: Caller<'_, T>, (trailers,): (Resource<HostFutureTrailers>,)| {
            let got = types::HostFutureTrailers::get(&mut store.data_mut().http(), trailers)?;
            if let Some(Ok(Ok(Some(fields)))) = &got {
                let bytes = fields_bytes(store.data_mut().requests().1.get(fields)?);
                charge(&mut store, bytes)?;
            }
            Ok((got,))
        },
    )
}

fn heads<'a, T: Requests>(store: &'a mut Caller<'_, T>) -> &'a mut Heads {
    &mut store.data_mut().requests().0.heads
}

/// One request, or the fields for one, will hold `bytes`, of which `more` are new.
fn admit<T: Requests>(store: &mut Caller<'_, T>, bytes: usize, more: usize) -> wasmtime::Result<()> {
    heads(store).check(bytes)?;
    charge(store, more)
}

/// Frees the unused capacity of fields that had `before` bytes before a removal.
fn release_capacity<T: Requests>(store: &mut Caller<'_, T>, number: u32, before: usize) -> wasmtime::Result<()> {
    let (http, table) = store.data_mut().requests();
    let fields = table.get_mut(&Fields::new_borrow(number))?;
    if http.heads.has_shrunk(number, before, fields_bytes(fields)) {
        let most = http.heads.most();
        *fields = compact(&mut http.hooks, fields, most);
    }
    Ok(())
}

fn charge<T: Requests>(store: &mut Caller<'_, T>, more: usize) -> wasmtime::Result<()> {
    let (http, table) = store.data_mut().requests();
    Ok(http.heads.charge(table, more)?)
}

/// Checks and counts a change of one part of a request to `bytes`; `part` gives the present size of that part.
fn resize<T: Requests>(
    store: &mut Caller<'_, T>,
    number: &Request,
    bytes: usize,
    part: impl Fn(&HostOutgoingRequest) -> usize,
) -> wasmtime::Result<()> {
    let (http, table) = store.data_mut().requests();
    let request = table.get(number)?;
    let whole = (request_bytes(request) - part(request)).saturating_add(bytes);
    http.heads.resize(number.rep(), request, whole)?;
    Ok(http.heads.charge(table, bytes)?)
}

/// Checks, counts and copies a text that replaces the one given by `part` in a request.
fn kept<T: Requests>(
    store: &mut Caller<'_, T>,
    request: &Request,
    text: Option<WasmStr>,
    part: impl Fn(&HostOutgoingRequest) -> Option<&String>,
) -> wasmtime::Result<Option<String>> {
    let bytes = text.as_ref().map(|text| text.to_str(&*store).map(|text| text.len())).transpose()?;
    resize(store, request, bytes.unwrap_or(0), |request| part(request).map_or(0, String::len))?;
    text.map(|text| Ok(text.to_str(&*store)?.into_owned())).transpose()
}

/// The cost of a field of this name that is replaced.
fn replaced_bytes(fields: &FieldMap, name: &str) -> usize {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return 0 };
    if !fields.contains_key(&name) {
        return 0;
    }
    let values = fields.get_all(&name).iter().map(|value| field_bytes(value.len()));
    field_bytes(name.as_str().len()) + values.sum::<usize>()
}

fn said<R>(result: HeaderResult<R>) -> wasmtime::Result<(Result<R, HeaderError>,)> {
    match result {
        Ok(done) => Ok((Ok(done),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
