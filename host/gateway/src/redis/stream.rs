//! A stream: its place, the settings of its source and its sink, a connection, and the values that come over it.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, Value};

use crate::broker::BrokerError;
use crate::secret::SecretUrl;

/// A server and the name of a stream on it.
#[derive(Debug, Clone)]
pub(super) struct RedisStream {
    /// The url: `redis://` or `rediss://`.
    pub(super) url: SecretUrl,
    /// The name of the stream.
    pub(super) stream: String,
}

/// Where a group begins that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the first entry of the stream.
    Start,
    /// With the next entry that is added.
    New,
}

/// A stream as a source.
#[derive(Debug, Clone)]
pub struct RedisSource {
    /// The name of the stream.
    pub stream: String,
    /// The group of consumers.
    pub group: String,
    /// The name of this consumer in the group: the same after a restart, and of no other host.
    pub consumer: String,
    /// Where a new group begins.
    pub from: From,
    /// Entries of a consumer that was silent for this time are taken over.
    pub claim_after: Duration,
    /// The stream that gets the entries which will not be handled.
    pub dead: Option<String>,
    /// The fields that become metadata; `None`: all that fit.
    pub meta: Option<Vec<String>>,
}

/// A stream as a sink.
#[derive(Debug, Clone)]
pub struct RedisSink {
    /// The name of the stream.
    pub stream: String,
    /// Maximum number of entries in the stream.
    pub capacity: u64,
}

/// Opens a connection. Without `answers_within`, an answer may take any time, as that of a read that blocks.
pub(super) async fn connect(
    at: &RedisStream,
    within: Duration,
    answers_within: Option<Duration>,
) -> Result<MultiplexedConnection, BrokerError> {
    let client = Client::open(at.url.expose()).map_err(|error| explained(&error, at))?;
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(within)).set_response_timeout(answers_within);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| {
        // A server without TLS on its port waits for the rest of what it takes for a command.
        if error.is_timeout() && at.url.expose().starts_with("rediss://") {
            BrokerError::plain("no answer in time: the server may not speak TLS on this port")
        } else {
            explained(&error, at)
        }
    })
}

/// An error of Redis in words of this program.
pub(super) fn explained(error: &RedisError, at: &RedisStream) -> BrokerError {
    let text = match (error.kind(), error.code()) {
        (_, Some("WRONGTYPE")) => format!("the key `{}` is no stream: it has another type", at.stream),
        (_, Some("WRONGPASS" | "NOAUTH")) | (ErrorKind::AuthenticationFailed, _) => {
            "the user or the password is wrong, or missing in the url".to_owned()
        }
        (_, Some("NOPERM")) => format!("the user may not do this: {error}"),
        (_, Some("NOGROUP")) => format!("the stream `{}` or its group was removed", at.stream),
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => "the server is a replica, which is read-only".to_owned(),
        _ => error.to_string(),
    };
    BrokerError::new(text, &at.url)
}

/// The bytes of a text.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

/// A text.
pub(super) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// The parts of a list.
pub(super) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silent_server_may_have_no_tls() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = silent.local_addr().expect("bound").port();
        for (scheme, names_tls) in [("rediss", true), ("redis", false)] {
            let url = SecretUrl::new(format!("{scheme}://:hunter2@localhost:{port}"));
            let at = RedisStream { url, stream: "orders".into() };
            let error = connect(&at, Duration::from_millis(50), None).await.expect_err("no answer").to_string();
            assert!(error.contains("TLS") == names_tls && !error.contains("hunter2"), "{error}");
        }
    }
}
