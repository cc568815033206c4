//! A server: the settings of its sources and sinks, and a connection.

use std::borrow::Cow;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use crate::broker::BrokerError;
use crate::percent::decoded;
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
        let (server, login) = server(url.expose()).map_err(|error| BrokerError::new(error, url))?;
        // With `tls://`, no server of the cluster gets the password without encryption.
        let options = options.require_tls(server.tls_required());
        let options = match login {
            Some(Login::Password(user, password)) => options.user_and_password(user, password),
            Some(Login::Token(token)) => options.token(token),
            None => options,
        };
        let client = options.connect(server).await.map_err(|error| match error.kind() {
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

/// The login of a client.
#[derive(Debug, PartialEq, Eq)]
enum Login {
    Password(String, String),
    Token(String),
}

/// The server of a url, and the login in front of its name: a user and a password, or a token alone. The client does not look
/// there, and its traces show the address of the server.
fn server(url: &str) -> Result<(ServerAddr, Option<Login>), std::io::Error> {
    let plain = |text: &str| decoded(text).map_or_else(|| text.to_owned(), Cow::into_owned);
    let mut url = url.parse::<ServerAddr>()?.into_inner();
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (token, None) => Some(Login::Token(plain(token))),
        (user, Some(password)) => Some(Login::Password(plain(user), plain(password))),
    };
    if login.is_some() && (url.set_username("").is_err() || url.set_password(None).is_err()) {
        return Err(std::io::Error::other("the url has a user and no server"));
    }
    Ok((ServerAddr::from_url(url)?, login))
}

/// Whether a text is the url of a server, with a user and a port that can be read.
pub fn is_url(url: &SecretUrl) -> bool {
    server(url.expose()).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_is_taken_out_of_the_url() {
        let password = |user: &str, password: &str| Some(Login::Password(user.into(), password.into()));
        for (url, at, expected) in [
            ("nats://a:4222", "nats://a:4222", None),
            ("tls://me:p%40ss%3A@a", "tls://a", password("me", "p@ss:")),
            ("nats://me:100%@a", "nats://a", password("me", "100%")),
            ("nats://t0ken@a:1", "nats://a:1", Some(Login::Token("t0ken".into()))),
        ] {
            let (server, login) = server(url).expect("a url");
            assert_eq!((server.as_url_str(), login), (at, expected), "{url}");
        }
        assert!(server("nats://a:b:c").is_err());
    }
}
