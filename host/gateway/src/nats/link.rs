//! A server: the settings of its sources and sinks, and a connection.

use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use crate::broker::BrokerError;
use crate::secret::SecretUrl;

/// The time for a connection, and for answers.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// A server that does not answer within two of these is gone.
const PING: Duration = Duration::from_secs(10);

/// A consumer as a source.
#[derive(Debug, Clone)]
pub struct NatsSource {
    /// The name of the stream.
    pub stream: String,
    /// The name of the durable consumer.
    pub consumer: String,
    /// The subjects of the stream, if the stream and the consumer are created where they do not exist.
    pub create: Option<Vec<String>>,
    /// The headers that become metadata; `None`: all that fit.
    pub meta: Option<Vec<String>>,
}

/// A subject as a sink.
#[derive(Debug, Clone)]
pub struct NatsSink {
    /// The subject.
    pub subject: String,
}

/// A connection that is replaced when it breaks: the client's own new connections would hide that.
#[derive(Clone)]
pub(super) struct Link {
    /// The client.
    pub(super) client: Client,
    /// The reason why it is broken.
    broken: watch::Receiver<Option<String>>,
    url: SecretUrl,
}

impl Link {
    pub(super) async fn open(url: &SecretUrl) -> Result<Self, BrokerError> {
        let (breaks, broken) = watch::channel(None);
        let options = ConnectOptions::new()
            .name("playhouse")
            .connection_timeout(ANSWER)
            .request_timeout(Some(ANSWER))
            .ping_interval(PING)
            .event_callback(move |event| {
                let reason = match event {
                    Event::Disconnected | Event::Closed => Some("the connection was lost".to_owned()),
                    Event::ClientError(error) => Some(error.to_string()),
                    Event::LameDuckMode => Some("the server shuts down".to_owned()),
                    _ => None,
                };
                if let Some(reason) = reason {
                    breaks.send_if_modified(|broken| broken.is_none() && broken.replace(reason).is_none());
                }
                std::future::ready(())
            });
        let client = options.connect(url.expose()).await.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                BrokerError::plain("the user or the password is wrong, or missing in the url")
            }
            _ => BrokerError::new(with_causes(&error), url),
        })?;
        Ok(Self { client, broken, url: url.clone() })
    }

    /// Waits until the connection is broken.
    pub(super) async fn broken(&self) -> BrokerError {
        let mut broken = self.broken.clone();
        let reason = match broken.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone(),
            Err(_) => None,
        };
        self.error(reason.unwrap_or_else(|| "the connection was closed".to_owned()))
    }

    /// Polls a call until it is done or the connection breaks.
    pub(super) async fn unless_broken<T>(
        &self,
        call: impl Future<Output = Result<T, BrokerError>>,
    ) -> Result<T, BrokerError> {
        tokio::select! {
            biased;
            error = self.broken() => Err(error),
            done = call => done,
        }
    }

    pub(super) fn error(&self, text: impl std::fmt::Display) -> BrokerError {
        BrokerError::new(text, &self.url)
    }
}

/// An error with the errors behind it.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
