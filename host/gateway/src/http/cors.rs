//! Pages of other origins that may use a server: the CORS protocol of the Fetch standard, section 3.2.

use std::time::Duration;

use ::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::body::ReplyBody;

/// The pages that may use a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// Their origins, as in `https://app.example`; `*` is every one.
    pub origins: Vec<String>,
    /// The headers that their requests may have.
    pub headers: Vec<HeaderName>,
    /// Whether a browser sends its cookies and its credentials.
    pub credentials: bool,
    /// The time for which a browser keeps the answer to a preflight.
    pub max_age: Duration,
}

impl Cors {
    /// The origin of a request, if its pages may use the server.
    pub(super) fn allowed<'r>(&self, headers: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes()).then_some(origin)
    }

    /// The method that a preflight asks about; `None` for another request.
    pub(super) fn preflight(head: &Parts) -> Option<&HeaderValue> {
        let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        (head.method == Method::OPTIONS && head.headers.contains_key(ORIGIN)).then_some(asked)
    }

    /// The answer to a preflight, for a path with these methods.
    pub(super) fn answer(&self, methods: &str) -> Response<ReplyBody> {
        let mut response = Response::new(ReplyBody::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers: Vec<&str> = self.headers.iter().map(HeaderName::as_str).collect();
        let pairs = [
            (ACCESS_CONTROL_ALLOW_METHODS, methods.to_owned()),
            (ACCESS_CONTROL_ALLOW_HEADERS, headers.join(", ")),
            (ACCESS_CONTROL_MAX_AGE, self.max_age.as_secs().to_string()),
        ];
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// Adds the headers by which a browser lets the page of `origin` read a response.
    pub(super) fn allow(&self, response: &mut Response<ReplyBody>, origin: &HeaderValue, exposed: &[HeaderName]) {
        let names: Vec<&str> =
            exposed.iter().map(HeaderName::as_str).chain([super::response::MESSAGE_HEADER]).collect();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
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

    /// Whether a text is an origin, as browsers send it.
    pub fn is_origin(text: &str) -> bool {
        let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_host = |host: &str| {
            !host.is_empty() && !host.bytes().any(|byte| byte.is_ascii_uppercase() || b"/?#@ ".contains(&byte))
        };
        after.is_some_and(is_host) && HeaderValue::from_str(text).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_a_scheme_and_a_host() {
        for good in ["https://app.example", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(Cors::is_origin(good), "{good}");
        }
        for bad in
            ["app.example", "https://", "https://app.example/", "https://App.example", "https://a@b", "*", "null"]
        {
            assert!(!Cors::is_origin(bad), "{bad}");
        }
    }
}
