//! The handshake of RFC 6455: which request asks for a connection, and the response that opens it.

use ::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::settings::WebSocketSettings;

/// The only version of the protocol.
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
/// The characters of a key: 16 bytes in base64.
const KEY_CHARACTERS: usize = 24;

/// A request that asks for a connection, and may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    accept: HeaderValue,
    /// The subprotocol that both sides speak.
    pub subprotocol: Option<String>,
}

/// Why a request does not open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not a request for a WebSocket.
    NoUpgrade,
    /// Another version of the protocol.
    OtherVersion,
    /// A malformed request.
    Malformed,
    /// A page that may not open connections.
    Origin,
}

impl Refused {
    /// The status of the response.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoUpgrade | Self::OtherVersion => StatusCode::UPGRADE_REQUIRED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }

    /// The kind in one word, for the body of the response.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NoUpgrade => "no-websocket",
            Self::OtherVersion => "other-websocket-version",
            Self::Malformed => "bad-handshake",
            Self::Origin => "origin-refused",
        }
    }

    /// The headers that the response needs.
    pub fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::NoUpgrade => vec![(UPGRADE, WEBSOCKET), (CONNECTION, HeaderValue::from_static("upgrade"))],
            Self::OtherVersion => vec![(SEC_WEBSOCKET_VERSION, VERSION)],
            Self::Malformed | Self::Origin => Vec::new(),
        }
    }
}

impl Handshake {
    /// Reads the head of a request.
    pub fn of(head: &Parts, settings: &WebSocketSettings) -> Result<Self, Refused> {
        let headers = &head.headers;
        let upgrades = has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket");
        if !upgrades || head.method != Method::GET || head.version != Version::HTTP_11 {
            return Err(Refused::NoUpgrade);
        }
        let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).iter();
        if versions.next() != Some(&VERSION) {
            return Err(Refused::OtherVersion);
        }
        // A second version is malformed; bytes of a body would be taken for frames.
        let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| *length != "0");
        if versions.next().is_some() || has_length || headers.contains_key(TRANSFER_ENCODING) {
            return Err(Refused::Malformed);
        }
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else { return Err(Refused::Malformed) };
        if !is_key(key.as_bytes()) {
            return Err(Refused::Malformed);
        }
        let mut origins = headers.get_all(ORIGIN).iter().map(text);
        if let Some(origin) = origins.next()
            && (origins.next().is_some() || !settings.origins.pass(origin, headers.get(HOST).map(text)))
        {
            return Err(Refused::Origin);
        }
        let accept = derive_accept_key(key.as_bytes()).parse().map_err(|_| Refused::Malformed)?;
        let asked: Vec<_> = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
        let subprotocol = settings.subprotocols.iter().find(|known| asked.contains(&known.as_str())).cloned();
        Ok(Self { accept, subprotocol })
    }

    /// The response that opens the connection.
    pub fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(subprotocol) = self.subprotocol.as_ref().and_then(|name| name.parse().ok()) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        response
    }
}

/// The value of a header; empty if it is no text.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// The items of a header that is a list.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> + use<'h> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// Whether this is the base64 of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == KEY_CHARACTERS && key.ends_with(b"==") && key[..KEY_CHARACTERS - 2].iter().all(digit)
}

#[cfg(test)]
mod tests {
    use ::http::Request;

    use super::*;
    use crate::websocket::settings::Origins;

    /// The handshake of RFC 6455, section 1.3, changed by `change`.
    fn read(change: impl FnOnce(&mut Request<()>)) -> Result<Handshake, Refused> {
        let mut request = Request::new(());
        for (name, value) in [
            ("host", "server.example.com"),
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("origin", "http://server.example.com"),
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-version", "13"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        change(&mut request);
        let settings = WebSocketSettings {
            plugin: "room".into(),
            connections: 1,
            origins: Origins::Same,
            subprotocols: vec!["superchat".into()],
            message_bytes: 1,
            queue_bytes: 1,
            ping: WebSocketSettings::PING,
        };
        Handshake::of(&request.into_parts().0, &settings)
    }

    #[test]
    fn request_of_the_rfc_opens_a_connection() {
        let response: Response<()> = read(|_| ()).expect("good").response();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "superchat");
        let other = read(|request| {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("chat"));
            request.headers_mut().remove("origin");
        });
        assert_eq!(other.expect("good").subprotocol, None);
    }

    #[test]
    fn request_that_asks_for_no_connection_is_refused() {
        let without = |name: &'static str| read(|request| drop(request.headers_mut().remove(name)));
        let with = |name: &'static str, value| {
            read(|request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value))))
        };
        assert_eq!(without("upgrade"), Err(Refused::NoUpgrade));
        assert_eq!(with("connection", "close"), Err(Refused::NoUpgrade));
        assert_eq!(read(|request| *request.method_mut() = Method::POST), Err(Refused::NoUpgrade));
        assert_eq!(with("sec-websocket-version", "8"), Err(Refused::OtherVersion));
        let two_versions = read(|request| {
            request.headers_mut().append("sec-websocket-version", HeaderValue::from_static("8"));
        });
        assert_eq!(two_versions, Err(Refused::Malformed));
        assert_eq!(with("content-length", "5"), Err(Refused::Malformed));
        assert_eq!(with("transfer-encoding", "chunked"), Err(Refused::Malformed));
        assert!(with("content-length", "0").is_ok());
        assert_eq!(without("sec-websocket-key"), Err(Refused::Malformed));
        assert_eq!(with("sec-websocket-key", "short=="), Err(Refused::Malformed));
        assert_eq!(with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ!="), Err(Refused::Malformed));
        let twice = read(|request| {
            let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
            request.headers_mut().append("sec-websocket-key", key);
        });
        assert_eq!(twice, Err(Refused::Malformed));
        assert_eq!(with("origin", "http://evil.example"), Err(Refused::Origin));
        assert_eq!(with("origin", "null"), Err(Refused::Origin));
        let twice = read(|request| {
            request.headers_mut().append("origin", HeaderValue::from_static("http://server.example.com"));
        });
        assert_eq!(twice, Err(Refused::Origin), "another server on the way may have looked at the other one");
    }
}
