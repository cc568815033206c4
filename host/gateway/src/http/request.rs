//! From a request to a message: its host, its metadata, its body.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Deref;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, HOST};
use ::http::request::Parts;
use ::http::{HeaderName, HeaderValue, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use playhouse_kernel::{Metadata, Secret};

use super::bodies::{Bodies, Held};
use super::response::Refusal;
use super::settings::{HttpRoute, MetaItem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The key of an `Idempotency-Key` in the metadata of a message.
const IDEMPOTENCY_META: &str = "header:idempotency-key";
/// The longest `Idempotency-Key`, in bytes.
const MOST_KEY_BYTES: usize = 255;

/// The host that a request names, without its port. A request names one host: with several, or with two that differ, servers on
/// the way may have understood another one.
pub(super) fn host(head: &Parts) -> Result<Option<&str>, Refusal> {
    let mut headers = head.headers.get_all(HOST).iter();
    let (header, more) = (headers.next(), headers.next());
    let target = head.uri.authority().map(http::uri::Authority::host);
    if more.is_some() || header.is_none() && target.is_none() && head.version == Version::HTTP_11 {
        return Err(Refusal::bad_request());
    }
    if target.is_some() {
        return Ok(target);
    }
    let Some(header) = header else { return Ok(None) };
    let text = header.to_str().map_err(|_| Refusal::bad_request())?;
    Ok(Some(without_port(text)))
}

fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => text,
    }
}

/// The facts of a request that are not in its head.
pub(super) struct Facts<'r> {
    pub(super) host: Option<&'r str>,
    pub(super) client: IpAddr,
}

/// Whether a request has one of the tokens of a secret (RFC 6750, section 2.1).
pub(super) fn has_token(head: &Parts, tokens: &Secret) -> bool {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (headers.next(), headers.next()) else { return false };
    let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && tokens.matches(token.trim_matches(' '))
}

/// The metadata of a request's message.
pub(super) fn metadata(
    head: &Parts,
    route: &HttpRoute,
    values: &[Cow<'_, str>],
    facts: &Facts<'_>,
) -> Result<Metadata, Refusal> {
    let mut metadata = Metadata::new();
    let mut push = |key: &str, value: &str| {
        let too_large = |_| Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "metadata-too-large");
        metadata.push(key, value).map_err(too_large)
    };
    for (name, value) in route.path.parameters().iter().zip(values) {
        push(&format!("param:{name}"), value)?;
    }
    for item in &route.meta {
        match item {
            MetaItem::Method => push("method", head.method.as_str())?,
            MetaItem::Path => push("path", head.uri.path())?,
            MetaItem::Query => head.uri.query().map_or(Ok(()), |query| push("query", query))?,
            MetaItem::Host => facts.host.map_or(Ok(()), |host| push("host", host))?,
            MetaItem::Client => push("client", &facts.client.to_string())?,
            MetaItem::Header { key, name } => {
                if let Some(value) = head.headers.get(name).and_then(text) {
                    push(key, value)?;
                }
            }
        }
    }
    if let Some(value) = head.headers.get(IDEMPOTENCY_KEY)
        && !route.meta.iter().any(|item| matches!(item, MetaItem::Header { name, .. } if *name == IDEMPOTENCY_KEY))
    {
        let value = text(value).filter(|value| !value.is_empty() && value.len() <= MOST_KEY_BYTES);
        push(IDEMPOTENCY_META, value.ok_or_else(Refusal::bad_request)?)?;
    }
    Ok(metadata)
}

/// The text of a header; `None` if it is no UTF-8.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// The body of a request. One that came in one piece is not copied.
pub(super) struct Collected<'b> {
    data: Data,
    held: Held<'b>,
}

enum Data {
    Whole(Bytes),
    Copied(Vec<u8>),
}

impl Deref for Collected<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.data {
            Data::Whole(bytes) => bytes,
            Data::Copied(bytes) => bytes,
        }
    }
}

/// Collects a body of at most `most` bytes, within `time`. It counts among the `bodies` until it is dropped.
pub(super) async fn body(
    body: Incoming,
    bodies: &Bodies,
    most: usize,
    time: Duration,
) -> Result<Collected<'_>, Refusal> {
    let none = Collected { data: Data::Whole(Bytes::new()), held: bodies.begin() };
    if body.is_end_stream() {
        return Ok(none);
    }
    // Nothing of a body whose size says enough is read.
    if body.size_hint().lower() > most as u64 {
        return Err(Refusal::body_too_large());
    }
    tokio::time::timeout(time, collect(body, none, most)).await.map_err(|_| Refusal::body_too_slow())?
}

async fn collect(mut body: Incoming, mut whole: Collected<'_>, most: usize) -> Result<Collected<'_>, Refusal> {
    while let Some(frame) = body.frame().await {
        // Such as a bad length of a chunk. The connection of a client that is gone ends by itself.
        let frame = frame.map_err(|_| Refusal::bad_request().and_close())?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > most - whole.len() {
            return Err(Refusal::body_too_large());
        }
        if !whole.held.add(data.len()) {
            return Err(Refusal::bodies_too_large());
        }
        match &mut whole.data {
            Data::Whole(first) if first.is_empty() => *first = data,
            Data::Whole(first) => {
                let mut copied = Vec::with_capacity(first.len() + data.len());
                copied.extend_from_slice(first);
                copied.extend_from_slice(&data);
                whole.data = Data::Copied(copied);
            }
            Data::Copied(copied) => copied.extend_from_slice(&data),
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use ::http::Request;

    use super::*;

    fn host_of(uri: &str, hosts: &[&str]) -> Result<Option<String>, u16> {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (head, ()) = request.body(()).expect("good").into_parts();
        host(&head).map(|host| host.map(str::to_owned)).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn request_names_one_host() {
        assert_eq!(host_of("/", &["a.example:80"]), Ok(Some("a.example".into())));
        assert_eq!(host_of("/", &["[::1]:80"]), Ok(Some("[::1]".into())));
        assert_eq!(host_of("http://b.example:1/x", &["a.example"]), Ok(Some("b.example".into())));
        assert_eq!(host_of("/", &["a", "a"]), Err(400));
        assert_eq!(host_of("/", &[]), Err(400));
    }
}
