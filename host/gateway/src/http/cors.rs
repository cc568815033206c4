//! Pages of other origins that may use a server: the CORS protocol of the Fetch standard, section 3.2.

use ::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::body::ReplyBody;
use super::settings::{Cors, MESSAGE_HEADER};

/// The origin of a request, if its pages may use the server. A request has one at most.
pub(super) fn allowed<'r>(cors: &Cors, headers: &'r HeaderMap) -> Option<&'r HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
    cors.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes()).then_some(origin)
}

/// The method that a preflight asks about; `None` for another request.
pub(super) fn preflight(head: &Parts) -> Option<&HeaderValue> {
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    (head.method == Method::OPTIONS && head.headers.contains_key(ORIGIN)).then_some(asked)
}

/// The answer to a preflight, for a path with these methods.
pub(super) fn answer(cors: &Cors, methods: &str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers: Vec<&str> = cors.headers.iter().map(HeaderName::as_str).collect();
    let pairs = [
        (ACCESS_CONTROL_ALLOW_METHODS, methods.to_owned()),
        (ACCESS_CONTROL_ALLOW_HEADERS, headers.join(", ")),
        (ACCESS_CONTROL_MAX_AGE, cors.max_age.as_secs().to_string()),
    ];
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Adds the headers by which a browser lets the page of `origin` read a response.
pub(super) fn allow(cors: &Cors, response: &mut Response<ReplyBody>, origin: &HeaderValue, exposed: &[HeaderName]) {
    let names: Vec<&str> = exposed.iter().map(HeaderName::as_str).chain([MESSAGE_HEADER]).collect();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

/// Says to caches that the response depends on the origin.
pub(super) fn vary(response: &mut Response<ReplyBody>) {
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
}
