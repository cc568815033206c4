//! The parts that sources and sinks have in common: the error of a broker, the pause before another try, and the flow of a trace.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use playhouse_kernel::{Backoff, FlowId};

use crate::secret::SecretUrl;

/// The longest text of a broker's error that is kept, in bytes.
const MOST_ERROR_BYTES: usize = 200;

/// A broker does not do what it should: it is not reachable, or refuses. The text has no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokerError(String);

impl BrokerError {
    /// An error with this text, in one line and of bounded length. The user and the password of `url` never appear in it.
    pub fn new(text: impl std::fmt::Display, url: &SecretUrl) -> Self {
        let mut text = explained(text.to_string()).replace(|c: char| c.is_control(), " ");
        let user = url.expose().split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
        for secret in [user, password].into_iter().flatten().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        Self(bounded(text))
    }

    /// An error whose text comes from this program alone.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(bounded(explained(text.into())))
    }
}

/// The errors of TLS that an operator meets first, in words of this program.
fn explained(text: String) -> String {
    const WORDS: [(&str, &str); 2] = [
        (
            "invalid peer certificate: UnknownIssuer",
            "its certificate is of no authority that this machine trusts: add the authority to the machine's list, or name its \
             file in SSL_CERT_FILE",
        ),
        ("received corrupt message of type InvalidContentType", "it does not speak TLS on this port"),
    ];
    WORDS.into_iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours))
}

fn bounded(mut text: String) -> String {
    if text.len() > MOST_ERROR_BYTES {
        let end = (0..=MOST_ERROR_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The pauses between tries to reach a broker: of random length below a ceiling that doubles.
#[derive(Debug)]
pub(crate) struct Pauses {
    backoff: Backoff,
    in_a_row: u32,
    random: RandomState,
}

impl Pauses {
    /// The pauses of connections.
    pub(crate) fn of_connections() -> Self {
        Self::new(Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(10) })
    }

    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, in_a_row: 0, random: RandomState::new() }
    }

    /// The pause after one more failure: half of the ceiling at least, so that a broker that restarts is not flooded.
    pub(crate) fn next(&mut self) -> Duration {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let ceiling = self.backoff.ceiling(self.in_a_row);
        let mut hasher = self.random.build_hasher();
        hasher.write_u32(self.in_a_row);
        #[allow(clippy::cast_precision_loss)] // a fraction needs no more digits
        let fraction = hasher.finish() as f64 / u64::MAX as f64;
        ceiling.mul_f64(0.5 + fraction / 2.0)
    }

    /// Begins again after a success.
    pub(crate) fn succeeded(&mut self) {
        self.in_a_row = 0;
    }
}

/// The flow of a W3C `traceparent`: `00-<32 digits>-<16 digits>-<2 digits>`.
pub fn flow_of_traceparent(text: &str) -> Option<FlowId> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let good = is_hex(version, 2) && version != "ff" && is_hex(parent, 16) && is_hex(flags, 2);
    if !good || (version == "00" && parts.next().is_some()) {
        return None;
    }
    flow(trace)
}

/// The flow of 32 hexadecimal digits, which are not all 0.
pub(crate) fn flow(text: &str) -> Option<FlowId> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().filter(|flow| *flow != 0).map(FlowId)
}

/// The `traceparent` of a message: its flow, and a parent from its id.
pub(crate) fn traceparent(flow: FlowId, id: playhouse_kernel::MessageId) -> String {
    #[allow(clippy::cast_possible_truncation)] // half of the id identifies it in its flow
    let parent = (id.0 as u64).max(1);
    format!("00-{flow}-{parent:016x}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_has_no_password_and_one_short_line() {
        let url = SecretUrl::new("redis://user:s3cret@host:6379/0");
        let error = BrokerError::new(format!("cannot use {}\nnow {}", url.expose(), "x".repeat(300)), &url).to_string();
        assert!(!error.contains("s3cret") && !error.contains('\n') && error.len() < 210, "{error}");
        assert_eq!(BrokerError::new("the token", &SecretUrl::new("nats://token@h")).to_string(), "the ***");
    }

    #[test]
    fn pauses_double_and_begin_again() {
        let mut pauses = Pauses::new(Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(3) });
        let within = |pause: Duration, ceiling: u64| {
            let ceiling = Duration::from_secs(ceiling);
            assert!(pause >= ceiling / 2 && pause <= ceiling, "{pause:?} of {ceiling:?}");
        };
        within(pauses.next(), 1);
        within(pauses.next(), 2);
        within(pauses.next(), 3);
        pauses.succeeded();
        within(pauses.next(), 1);
    }

    #[test]
    fn traceparent_becomes_the_flow() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(flow_of_traceparent(good), Some(FlowId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)));
        for bad in [
            "",
            "00-0-0-0",
            &good.replace("00-4", "ff-4"),
            &format!("{good}-x"),
            &format!("00-{:032}-00f067aa0ba902b7-01", 0),
        ] {
            assert_eq!(flow_of_traceparent(bad), None, "{bad}");
        }
        let made = traceparent(FlowId(5), playhouse_kernel::MessageId(7));
        assert_eq!(flow_of_traceparent(&made), Some(FlowId(5)));
    }
}
