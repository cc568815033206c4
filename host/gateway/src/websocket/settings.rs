//! The settings of a WebSocket route: the plugin of its handlers, and its bounds. Plain data, checked where it was made.

use std::time::Duration;

/// A route whose requests become connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// The plugin of the handlers: the name of a template of the plan.
    pub plugin: String,
    /// Connections at a time.
    pub connections: usize,
    /// The pages that may open connections.
    pub origins: Origins,
    /// The subprotocols that the handlers speak, the preferred one first.
    pub subprotocols: Vec<String>,
    /// Bytes of a message from a client.
    pub message_bytes: usize,
    /// Bytes that wait for a client, with [`WebSocketSettings::FRAME_BYTES`] more for each message.
    pub queue_bytes: usize,
    /// The time between two pings.
    pub ping: Duration,
}

impl WebSocketSettings {
    /// The default of `connections`.
    pub const CONNECTIONS: usize = 100;
    /// The default of `queue`.
    pub const QUEUE_BYTES: usize = 1 << 20;
    /// The default of `ping`.
    pub const PING: Duration = Duration::from_secs(30);
    /// The bytes that each waiting message takes beside its body.
    pub const FRAME_BYTES: usize = 64;
}

/// The pages that may open connections. A browser names the page's origin in each request; other programs name none, and pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host that the request names, with the same port.
    Same,
    /// These, as in `https://example.com`.
    Listed(Vec<String>),
    /// All pages.
    Any,
}

impl Origins {
    /// Whether a page with this origin may open a connection by a request to `host`.
    pub(super) fn pass(&self, origin: &str, host: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => list.iter().any(|listed| listed.eq_ignore_ascii_case(origin)),
            Self::Same => {
                let Some((scheme, authority)) = origin.split_once("://") else { return false };
                let default = match scheme {
                    "http" => ":80",
                    "https" => ":443",
                    _ => return false,
                };
                let plain = |host: &str| host.strip_suffix(default).unwrap_or(host).to_ascii_lowercase();
                host.is_some_and(|host| plain(host) == plain(authority))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_passes_if_it_is_the_same_or_listed() {
        let same = |origin, host| Origins::Same.pass(origin, Some(host));
        for (origin, host) in [
            ("http://a.com", "a.com"),
            ("https://A.com", "a.COM"),
            ("https://a.com", "a.com:443"),
            ("http://a.com:8080", "a.com:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(same(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://b.com", "a.com"),
            ("http://a.com.b.com", "a.com"),
            ("http://a.com:8080", "a.com"),
            ("http://a.com", "a.com:443"),
            ("null", "a.com"),
            ("", "a.com"),
            ("file://", ""),
        ] {
            assert!(!same(origin, host), "{origin} {host}");
        }
        assert!(!Origins::Same.pass("http://a.com", None));
        let listed = Origins::Listed(vec!["https://a.com".into()]);
        assert!(listed.pass("https://a.com", Some("b.com")) && !listed.pass("http://a.com", Some("a.com")));
        assert!(Origins::Any.pass("null", None));
    }
}
