//! From a request to a message: its host, its metadata, its body.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Deref;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, HOST, TRANSFER_ENCODING};
use ::http::request::Parts;
use ::http::uri::Authority;
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use playhouse_kernel::{Metadata, Secret};
use tokio::time::timeout;

use super::bodies::{Bodies, Held};
use super::connection::Arrival;
use super::response::Refusal;
use super::settings::{HttpRoute, MetaItem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The key of an `Idempotency-Key` in the metadata of a message.
const IDEMPOTENCY_META: &str = "header:idempotency-key";
/// The longest `Idempotency-Key`, in bytes.
const MOST_KEY_BYTES: usize = 255;

/// The host that a request names, without its port. A request names one valid host (RFC 9112, section 3.2): with several, or
/// with two that differ, servers on the way may have understood another one.
pub(super) fn host(head: &Parts) -> Result<Option<&str>, Refusal> {
    let mut headers = head.headers.get_all(HOST).iter();
    let (header, more) = (headers.next(), headers.next());
    if more.is_some() || header.is_none() && head.version == Version::HTTP_11 {
        return Err(Refusal::bad_request());
    }
    let header = header.map(|value| value.to_str().unwrap_or_default());
    let target = head.uri.authority().map(Authority::as_str);
    if head.version == Version::HTTP_2
        && let (Some(header), Some(target)) = (header, target)
        && !header.eq_ignore_ascii_case(target)
    {
        return Err(Refusal::bad_request());
    }
    let name = |text| host_name(text).ok_or_else(Refusal::bad_request);
    let named = header.map(name).transpose()?;
    target.map(name).transpose().map(|target| target.or(named))
}

/// The name or the IP address of an authority, without its port; `None` if it is not valid, or has a user.
fn host_name(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(literal) => literal.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at(end);
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.bytes().all(is_of_a_name),
    };
    let is_port = port.strip_prefix(':').map_or(port.is_empty(), |port| port.bytes().all(|byte| byte.is_ascii_digit()));
    (is_name && is_port).then_some(name)
}

/// Whether a name of a host may have this byte. RFC 3986 permits encoded bytes as well, which no name in use has.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
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

/// The `Idempotency-Key` of a request, if it has one.
pub(super) fn key(head: &Parts) -> Option<Result<&str, Refusal>> {
    let value = text(head.headers.get(IDEMPOTENCY_KEY)?);
    let value = value.filter(|value| !value.is_empty() && value.len() <= MOST_KEY_BYTES);
    Some(value.ok_or_else(Refusal::bad_request))
}

/// Everything that a request says beside its body and its route, for [`request_digest`](crate::request_digest).
pub(super) fn parts(head: &Parts) -> [&[u8]; 3] {
    let allowed = head.headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
    [head.uri.path().as_bytes(), head.uri.query().unwrap_or_default().as_bytes(), allowed]
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

/// The limits on a body.
pub(super) struct BodyLimits<'b> {
    /// The memory of all bodies: this one counts until it is dropped.
    pub(super) bodies: &'b Bodies,
    /// Bytes of the body.
    pub(super) most: usize,
    /// The time in which the body arrives.
    pub(super) time: Duration,
}

/// Collects a body within its limits. `arrival` marks the time in which it arrives, if there is one.
pub(super) async fn body<'b, 'c>(
    headers: &HeaderMap,
    body: &mut Incoming,
    limits: BodyLimits<'b>,
    arrival: impl FnOnce() -> Arrival<'c>,
) -> Result<Collected<'b>, Refusal> {
    let BodyLimits { bodies, most, time } = limits;
    let none = Collected { data: Data::Whole(Bytes::new()), held: bodies.begin() };
    if body.is_end_stream() {
        return Ok(none);
    }
    check_coding(headers)?;
    // Nothing of a body whose size says enough is read.
    if body.size_hint().lower() > most as u64 {
        return Err(Refusal::body_too_large());
    }
    let mut collecting = pin!(collect(body, none, most, arrival()));
    // Most bodies come with their heads, and need no timer.
    match poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await {
        Poll::Ready(collected) => collected,
        Poll::Pending => Box::pin(timeout(time, collecting)).await.map_err(|_| Refusal::body_too_slow())?,
    }
}

/// Checks that a body has no coding but `chunked`, and that once (RFC 9112, section 6.1): another server on the way could
/// understand another body.
fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut chunked = 0;
    for coding in codings {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::unknown_coding());
        }
        chunked += 1;
    }
    if chunked > 1 { Err(Refusal::bad_request().and_close()) } else { Ok(()) }
}

async fn collect<'b>(
    body: &mut Incoming,
    mut whole: Collected<'b>,
    most: usize,
    arrival: Arrival<'_>,
) -> Result<Collected<'b>, Refusal> {
    while let Some(frame) = body.frame().await {
        // Such as a bad length of a chunk. The connection of a client that is gone ends by itself.
        let frame = frame.map_err(|_| Refusal::bad_request().and_close())?;
        let Ok(data) = frame.into_data() else { continue };
        arrival.read(data.len());
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
        host_name_of(&request.body(()).expect("good").into_parts().0)
    }

    fn host_name_of(head: &Parts) -> Result<Option<String>, u16> {
        host(head).map(|host| host.map(str::to_owned)).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn request_names_one_host() {
        assert_eq!(host_of("/", &["a.example:80"]), Ok(Some("a.example".into())));
        assert_eq!(host_of("/", &["[::1]:80"]), Ok(Some("[::1]".into())));
        assert_eq!(host_of("/", &["a_b.example:"]), Ok(Some("a_b.example".into())));
        assert_eq!(host_of("http://b.example:1/x", &["a.example"]), Ok(Some("b.example".into())));
        assert_eq!(host_of("/", &["a", "a"]), Err(400));
        assert_eq!(host_of("/", &[]), Err(400));
        assert_eq!(host_of("http://b.example/", &[]), Err(400));
    }

    #[test]
    fn invalid_host_is_refused() {
        for bad in [
            "",
            " ",
            ":80",
            "a b",
            "a,b c",
            "a/b",
            "a@b",
            "u:p@b",
            "a:b",
            "a:80:80",
            "a:8 0",
            "é",
            "a%2fb",
            "[]",
            "[::1",
            "[::1]x",
            "[a.example]",
            "::1",
            "a\tb",
            "a?b",
            "a#b",
            "\"a\"",
            "a\\b",
        ] {
            assert_eq!(host_of("/", &[bad]), Err(400), "{bad:?}");
            assert_eq!(host_of("http://b.example/", &[bad]), Err(400), "{bad:?} beside a target");
        }
        assert_eq!(host_of("http://u:p@b.example/", &["b.example"]), Err(400));
    }

    #[test]
    fn hosts_of_http2_do_not_differ() {
        let of = |host: &str| {
            let request = Request::get("https://a.example:1/").version(Version::HTTP_2).header(HOST, host);
            let (head, ()) = request.body(()).expect("good").into_parts();
            host_name_of(&head)
        };
        assert_eq!(of("A.example:1"), Ok(Some("a.example".into())));
        assert_eq!(of("b.example:1"), Err(400));
    }

    #[test]
    fn only_one_chunked_coding_is_known() {
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(TRANSFER_ENCODING, line.parse().expect("a value"));
            }
            check_coding(&headers).map_err(|refusal| refusal.status.as_u16())
        };
        for good in [&[][..], &["chunked"], &[" Chunked "]] {
            assert_eq!(of(good), Ok(()), "{good:?}");
        }
        for unknown in [&["gzip, chunked"][..], &["gzip", "chunked"], &["x-chunked, chunked"], &[", chunked"]] {
            assert_eq!(of(unknown), Err(501), "{unknown:?}");
        }
        assert_eq!(of(&["chunked, chunked"]), Err(400));
        assert_eq!(of(&["chunked", "chunked"]), Err(400));
    }
}
