//! Responses: of replies, and of errors. The body of an error is one line with its kind, and says nothing else about the inside.

use std::time::Duration;

use ::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{HeaderName, HeaderValue, Response, StatusCode};
use playhouse_kernel::{AskError, MessageId, Reply, SendError};

use super::body::ReplyBody;
use super::settings::MESSAGE_HEADER;

const MESSAGE: HeaderName = HeaderName::from_static(MESSAGE_HEADER);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// The time after which a client that was refused for a full mailbox, or for a receiver that restarts, tries again.
const RETRY: Duration = Duration::from_secs(1);
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// The key of a reply's metadata that sets the status.
const STATUS: &str = "status";

/// The reason why a request gets no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The kind in one word.
    pub(super) kind: &'static str,
    /// The time after which the client may try again.
    retry: Option<Duration>,
    /// Whether the connection ends, since the rest of the request is not read.
    close: bool,
    /// The value of `Allow`.
    allow: Option<String>,
    /// Other headers that say what the client can do.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) const fn new(status: StatusCode, kind: &'static str) -> Self {
        Self { status, kind, retry: None, close: false, allow: None, headers: Vec::new() }
    }

    pub(super) fn and_close(self) -> Self {
        Self { close: true, ..self }
    }

    /// Whether the connection ends after the response.
    pub(super) fn closes(&self) -> bool {
        self.close
    }

    pub(super) fn with_headers(self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers, ..self }
    }

    pub(super) fn and_retry(self) -> Self {
        Self { retry: Some(RETRY), ..self }
    }

    pub(super) fn bad_request() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request")
    }

    pub(super) fn unknown_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-route")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized").and_close()
    }

    pub(super) fn too_many_requests(retry: Duration) -> Self {
        Self { retry: Some(retry), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited").and_close() }
    }

    pub(super) fn too_many_connections() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-connections").and_retry()
    }

    pub(super) fn unknown_coding() -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "unknown-coding").and_close()
    }

    pub(super) fn other_origin() -> Self {
        Self::new(StatusCode::FORBIDDEN, "other-origin")
    }

    pub(super) fn bodies_too_large() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "bodies-too-large").and_close().and_retry()
    }

    pub(super) fn bad_reply() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "bad-reply")
    }

    pub(super) fn other_method(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "other-method") }
    }

    pub(super) fn body_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "message-too-large").and_close()
    }

    pub(super) fn body_too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body-timeout").and_close()
    }

    /// The response.
    pub(super) fn response(&self, id: MessageId) -> Response<ReplyBody> {
        // 204 has no body.
        let body = if self.status == StatusCode::NO_CONTENT { String::new() } else { format!("{}\n", self.kind) };
        let has_body = !body.is_empty();
        let mut response = Response::new(ReplyBody::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(MESSAGE, id_value(id));
        if has_body {
            headers.insert(CONTENT_TYPE, TEXT);
        }
        if let Some(retry) = self.retry {
            // Whole seconds, and never too few.
            let seconds = retry.as_secs() + u64::from(retry.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, BEARER);
        }
        if self.close {
            headers.insert(CONNECTION, CLOSE);
        }
        if let Some(allow) = self.allow.as_ref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        headers.extend(self.headers.iter().cloned());
        response
    }
}

/// Closes the connection after this response.
pub(super) fn close_after(response: &mut Response<ReplyBody>) {
    response.headers_mut().insert(CONNECTION, CLOSE);
}

/// Leaves the body out of a response to `HEAD`, and keeps its length. With HTTP/1.1, the HTTP library does this.
pub(super) fn without_body(response: &mut Response<ReplyBody>) {
    let bytes = response.body().len();
    if bytes > 0 {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        response.body_mut().clear();
    }
}

impl From<&SendError> for Refusal {
    fn from(error: &SendError) -> Self {
        let kind = error.kind();
        match error {
            SendError::BadAddress(_) | SendError::UnknownAddress(_) | SendError::NotCreated { .. } => {
                Self::new(StatusCode::NOT_FOUND, kind)
            }
            SendError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, kind),
            SendError::MailboxFull(_) | SendError::Dropped { .. } | SendError::CreatesTooFast { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, kind).and_retry()
            }
            SendError::KeyReused { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind),
            SendError::Stopped(_) | SendError::TooManyMembers { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, kind)
            }
            SendError::MemoryPressure(_) | SendError::NotStored { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, kind).and_retry()
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, kind),
        }
    }
}

impl From<&AskError> for Refusal {
    fn from(error: &AskError) -> Self {
        let kind = error.kind();
        match error {
            AskError::NotSent(error) => error.into(),
            AskError::NoReply => Self::new(StatusCode::NO_CONTENT, kind),
            AskError::Rejected(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind),
            AskError::Timeout => Self::new(StatusCode::GATEWAY_TIMEOUT, kind),
            AskError::Restarting(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, kind).and_retry(),
            AskError::RetriesSpent(_)
            | AskError::Stopped
            | AskError::ActorFailed(_)
            | AskError::StoppedByOperator(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, kind),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, kind),
        }
    }
}

/// Why a reply is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadReply {
    /// The value of `status`.
    #[error("the status {0:?} is no number from 200 to 599")]
    Status(String),
    /// The value of a header.
    #[error("the value of the header `{0}` has a character that no header may have")]
    Header(HeaderName),
}

/// The response of a reply. Its metadata sets the status, and the headers that the route allows; other pairs are not for the
/// client.
pub(super) fn of_reply(reply: Reply, allowed: &[HeaderName], id: MessageId) -> Result<Response<ReplyBody>, BadReply> {
    let Reply { body, metadata } = reply;
    let mut response = Response::new(ReplyBody::from(body));
    for (key, value) in metadata.pairs() {
        if key == STATUS {
            *response.status_mut() = status(value).ok_or_else(|| BadReply::Status(value.chars().take(32).collect()))?;
            continue;
        }
        let Some(name) = allowed.iter().find(|name| key.eq_ignore_ascii_case(name.as_str())) else { continue };
        let value = HeaderValue::from_str(value).map_err(|_| BadReply::Header(name.clone()))?;
        response.headers_mut().append(name.clone(), value);
    }
    let headers = response.headers_mut();
    headers.insert(MESSAGE, id_value(id));
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        *response.body_mut() = ReplyBody::default();
    } else {
        // Without a type, a browser would guess one.
        response.headers_mut().entry(CONTENT_TYPE).or_insert(BYTES);
    }
    Ok(response)
}

/// The response of a message that was accepted.
pub(super) fn accepted(id: MessageId) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from(format!("{id}\n")));
    *response.status_mut() = StatusCode::ACCEPTED;
    response.headers_mut().insert(MESSAGE, id_value(id));
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

fn status(text: &str) -> Option<StatusCode> {
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let status = StatusCode::from_bytes(text.as_bytes()).ok().filter(|_| is_number)?;
    (200..600).contains(&status.as_u16()).then_some(status)
}

fn id_value(id: MessageId) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (n, digit) in text.iter_mut().enumerate() {
        *digit = DIGITS[(id.0 >> (124 - 4 * n)) as usize & 0xf];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use playhouse_kernel::{Address, Metadata};

    use super::*;

    fn reply(pairs: &[(&str, &str)]) -> Result<Response<ReplyBody>, BadReply> {
        let metadata = Metadata::collect(pairs.iter().copied()).expect("few");
        let allowed = [HeaderName::from_static("location"), CONTENT_TYPE];
        of_reply(Reply { body: b"x".to_vec(), metadata }, &allowed, MessageId(7))
    }

    #[test]
    fn reply_sets_status_and_allowed_headers_alone() {
        let response =
            reply(&[("status", "201"), ("Location", "/a"), ("x-inside", "y"), ("content-type", "text/html")]);
        let response = response.expect("good");
        assert_eq!(response.status(), 201);
        let headers: Vec<_> = response.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        let id = format!("x-playhouse-message: \"{}\"", MessageId(7));
        assert_eq!(headers, ["location: \"/a\"", "content-type: \"text/html\"", &id]);
        assert_eq!(reply(&[]).expect("good").headers()[CONTENT_TYPE], "application/octet-stream");
    }

    #[test]
    fn reply_that_would_break_the_response_is_refused() {
        for bad in ["", "99", "100", "101", "199", "600", "999", "2000", "+20", "20 ", "OK", "200\r\nx: y"] {
            assert!(matches!(reply(&[("status", bad)]), Err(BadReply::Status(_))), "{bad}");
        }
        for bad in ["/a\r\nset-cookie: x", "/a\n", "\r", "a\0b", "\u{7f}"] {
            assert!(matches!(reply(&[("location", bad)]), Err(BadReply::Header(_))), "{bad:?}");
        }
        assert!(reply(&[("x-inside", "a\r\nb")]).is_ok(), "a pair that is not for the client");
    }

    #[test]
    fn each_error_has_its_status() {
        let (at, why) = (|| Address::root(), || "secret".to_owned());
        let expected = [
            (AskError::NoReply, 204),
            (AskError::Rejected(why()), 422),
            (AskError::RetriesSpent(why()), 503),
            (SendError::MailboxFull(at()).into(), 429),
            (SendError::Dropped { to: at(), id: MessageId(1) }.into(), 429),
            (SendError::Stopped(at()).into(), 503),
            (AskError::Stopped, 503),
            (AskError::Restarting(why()), 503),
            (AskError::ActorFailed(why()), 503),
            (AskError::StoppedByOperator(at()), 503),
            (SendError::MemoryPressure(Arc::from("secret")).into(), 503),
            (SendError::NotStored { to: at(), why: Arc::from("secret") }.into(), 503),
            (AskError::Timeout, 504),
            (AskError::Crashed(why()), 500),
            (AskError::Failed(why()), 500),
            (AskError::Deadlock(why()), 500),
            (SendError::TooLarge { to: at(), bytes: 2, limit_bytes: 1 }.into(), 413),
            (SendError::UnknownAddress(at()).into(), 404),
            (SendError::NotCreated { to: at(), from: at() }.into(), 404),
            (SendError::TooManyMembers { to: at(), most: 1 }.into(), 503),
            (SendError::CreatesTooFast { to: at(), from: at(), per_second: 1 }.into(), 429),
            (SendError::KeyReused { to: at(), key: Arc::from("secret") }.into(), 422),
        ];
        for (error, status) in expected {
            let refusal = Refusal::from(&error);
            assert_eq!(refusal.status, status, "{error}");
            assert_eq!(refusal.kind, error.kind());
            assert_eq!(
                refusal.retry.is_some(),
                status == 429 || ["restarting", "memory-pressure", "not-stored"].contains(&refusal.kind)
            );
            let response = refusal.response(MessageId(7));
            assert_eq!(response.headers()[MESSAGE_HEADER].to_str().ok(), Some(MessageId(7).to_string().as_str()));
        }
    }
}
