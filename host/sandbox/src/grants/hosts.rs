//! The targets that HTTP requests may have: scheme, host and port, as the manifest writes them and as a request has them.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, Scheme};

use super::addresses;

/// The form of a host; ends error messages.
const FORM: &str = "as in \"https://api.example.com\" or \"http://localhost:8080\"";

/// A grant: `https://api.example.com`, `http://localhost:8080`, `https://*.example.com`, `https://*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    tls: bool,
    name: Name,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// `*`: any name, and any public address.
    Any,
    /// `*.example.com`, kept with its first dot: any name below `example.com`, not `example.com` itself.
    Below(String),
    /// One name, in lower case, without a dot at its end.
    One(String),
    /// One address.
    Address(IpAddr),
}

/// The error for a text that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// No scheme.
    #[error("`{0}` has no scheme: it must begin with https:// or http://, {FORM}")]
    NoScheme(String),
    /// Another scheme.
    #[error("`{0}` has a scheme other than HTTP: it must begin with https:// or http://, {FORM}")]
    OtherScheme(String),
    /// More than scheme, host and port.
    #[error("`{0}` has a path, a query or a user: a grant is scheme, host and port, {FORM}")]
    MoreThanAHost(String),
    /// A star that is not the first label.
    #[error("`{0}` has a `*` in the middle: only the first label may be one, as in \"https://*.example.com\"")]
    Star(String),
    /// Not a host or not a port.
    #[error("`{0}` has no valid host and port: names are ASCII (punycode), addresses of IPv6 are in brackets, {FORM}")]
    Bad(String),
}

/// The target of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// In lower case, without brackets and without a dot at its end.
    pub(crate) name: String,
    pub(crate) port: u16,
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl Host {
    /// Reads a grant.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let shown = || text.escape_debug().to_string();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| HostError::NoScheme(shown()))?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(HostError::OtherScheme(shown())),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(HostError::MoreThanAHost(shown()));
        }
        let (name, port) = split(authority).ok_or_else(|| HostError::Bad(shown()))?;
        let name = match (name.as_str(), name.strip_prefix('*')) {
            ("*", _) => Name::Any,
            (_, Some(below)) if below.len() > 1 && below.starts_with('.') && !below.contains('*') => {
                if !is_name(&below[1..]) {
                    return Err(HostError::Bad(shown()));
                }
                Name::Below(below.to_owned())
            }
            _ if name.contains('*') => return Err(HostError::Star(shown())),
            _ => match name.parse() {
                Ok(address) => Name::Address(addresses::plain(address)),
                Err(_) if is_name(&name) => Name::One(name),
                Err(_) => return Err(HostError::Bad(shown())),
            },
        };
        Ok(Self { tls, name, port: port.unwrap_or(default_port(tls)) })
    }

    /// Whether a request to this host is encrypted.
    pub fn is_https(&self) -> bool {
        self.tls
    }

    /// Whether this is `*`, which stands for hosts that nobody names.
    pub fn is_any(&self) -> bool {
        self.name == Name::Any
    }

    /// Whether this grants all that `other` grants.
    pub fn covers(&self, other: &Self) -> bool {
        let same_port = (self.tls, self.port) == (other.tls, other.port);
        same_port
            && match (&self.name, &other.name) {
                // An address that is not public is granted only by a grant that names it.
                (Name::Any, Name::Address(address)) => addresses::is_public(*address),
                // `localhost` stands for addresses that are not public.
                (Name::Any, Name::One(name)) => !is_local_name(name),
                (Name::Any, _) => true,
                (Name::Below(below), Name::Below(other)) => other.ends_with(below.as_str()),
                (Name::Below(below), Name::One(name)) => name.ends_with(below.as_str()),
                (own, other) => own == other,
            }
    }

    pub(super) fn is_for(&self, target: &Target) -> bool {
        (self.tls, self.port) == (target.tls, target.port)
            && match &self.name {
                Name::Any => true,
                Name::Below(below) => target.name.ends_with(below.as_str()),
                Name::One(name) => *name == target.name,
                Name::Address(address) => target.address() == Some(*address),
            }
    }

    /// Whether the grant names this address itself, or is a name of this machine and the address is a loopback one.
    pub(super) fn names(&self, address: IpAddr) -> bool {
        match &self.name {
            Name::Address(named) => *named == address,
            Name::One(name) => is_local_name(name) && address.is_loopback(),
            Name::Any | Name::Below(_) => false,
        }
    }
}

impl Target {
    /// The target in a request's URI; none when the URI is not a plain one with scheme and host.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let (name, port) = split(uri.authority()?.as_str())?;
        (is_name(&name) || name.parse::<IpAddr>().is_ok()).then(|| Self {
            tls,
            name,
            port: port.unwrap_or(default_port(tls)),
        })
    }

    /// The address in the URI; none for a name.
    fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok().map(addresses::plain)
    }
}

/// Host and port of `host:port`, the host in lower case without brackets or a dot at its end; none for any other text.
fn split(authority: &str) -> Option<(String, Option<u16>)> {
    if authority.contains('@') {
        return None;
    }
    let parsed: Authority = authority.parse().ok()?;
    let host = parsed.host();
    let port = match authority.get(host.len()..)? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?),
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    };
    (!name.is_empty()).then_some((name, port))
}

/// Labels of letters, digits, `-` and `_`.
fn is_name(name: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    name.len() <= 253 && name.split('.').all(label)
}

/// Names that stand for this machine (RFC 6761).
fn is_local_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "https://" } else { "http://" })?;
        match &self.name {
            Name::Any => f.write_str("*")?,
            Name::Below(below) => write!(f, "*{below}")?,
            Name::One(name) => f.write_str(name)?,
            Name::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Name::Address(address) => write!(f, "{address}")?,
        }
        if self.port == default_port(self.tls) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let name = if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() };
        let port = if self.port == default_port(self.tls) { String::new() } else { format!(":{}", self.port) };
        write!(f, "{scheme}://{name}{port}")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::grants::{Grants, Network};

    fn grants(hosts: &[&str], networks: &[&str]) -> Grants {
        Grants {
            hosts: hosts.iter().map(|host| Host::parse(host).expect(host)).collect(),
            networks: networks.iter().map(|net| Network::parse(net).expect(net)).collect(),
            ..Grants::default()
        }
    }

    fn target(uri: &str) -> Option<Target> {
        Target::of(&uri.parse().ok()?)
    }

    /// Whether a request may connect when its name leads to the given address.
    fn passes(grants: &Grants, uri: &str, leads_to: &str) -> bool {
        let allowed = target(uri).and_then(|target| grants.allow(&target));
        allowed.is_some_and(|allowed| allowed.may_connect(SocketAddr::new(leads_to.parse().expect("an address"), 1)))
    }

    #[test]
    fn scheme_host_and_port_must_all_be_granted() {
        let granted = grants(&["https://api.example.com", "http://example.com:8080"], &[]);
        let passes = |uri| passes(&granted, uri, "8.8.8.8");
        for uri in ["https://api.example.com/x?y", "https://API.example.com.:443", "http://example.com:8080"] {
            assert!(passes(uri), "{uri}");
        }
        for uri in [
            "http://api.example.com",
            "https://api.example.com:444",
            "https://example.com",
            "https://api.example.com.evil.com",
            "https://xapi.example.com",
            "http://example.com",
            "https://user@api.example.com",
            "https://api.example.com@evil.com",
            "https://8.8.8.8",
        ] {
            assert!(!passes(uri), "{uri}");
        }
    }

    #[test]
    fn stars_stand_for_names_below_or_for_all() {
        let granted = grants(&["https://*.example.com", "http://*"], &[]);
        for uri in ["https://a.example.com", "https://a.b.example.com", "http://anybody.org", "http://8.8.8.8"] {
            assert!(passes(&granted, uri, "8.8.8.8"), "{uri}");
        }
        for uri in ["https://example.com", "https://aexample.com", "http://anybody.org:81"] {
            assert!(!passes(&granted, uri, "8.8.8.8"), "{uri}");
        }
    }

    #[test]
    fn granted_name_opens_no_private_address() {
        let granted = grants(&["http://evil.com", "http://*.evil.com", "http://*"], &[]);
        for leads_to in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fd00::1"] {
            for uri in ["http://evil.com", "http://x.evil.com", "http://2130706433", "http://localhost"] {
                assert!(!passes(&granted, uri, leads_to), "{uri} {leads_to}");
            }
        }
    }

    #[test]
    fn private_address_is_granted_by_its_own_name() {
        let granted = grants(&["http://127.0.0.1:8080", "http://localhost", "http://[::1]"], &[]);
        assert!(passes(&granted, "http://127.0.0.1:8080", "127.0.0.1"));
        assert!(passes(&granted, "http://[::ffff:127.0.0.1]:8080", "::ffff:127.0.0.1"));
        assert!(passes(&granted, "http://localhost", "127.0.0.1") && passes(&granted, "http://localhost", "::1"));
        assert!(passes(&granted, "http://[0:0::1]", "::1"));
        assert!(!passes(&granted, "http://127.0.0.1", "127.0.0.1"), "another port");
        assert!(!passes(&granted, "http://127.0.0.2:8080", "127.0.0.2"));
        assert!(!passes(&granted, "http://localhost", "10.0.0.1"), "a hosts file may give this address");
        let granted = grants(&["http://db.internal", "http://*:81"], &["10.1.0.0/16"]);
        assert!(
            passes(&granted, "http://db.internal", "10.1.9.9") && passes(&granted, "http://10.1.2.3:81", "10.1.2.3")
        );
        assert!(!passes(&granted, "http://db.internal", "10.2.0.1"));
    }

    #[test]
    fn grants_are_shown_as_they_are_written() {
        for text in
            ["https://a.com", "http://a.com:8080", "https://*.a.com", "http://*", "http://[::1]:81", "http://10.0.0.1"]
        {
            assert_eq!(Host::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Host::parse("https://A.com.:443/").expect("good").to_string(), "https://a.com");
    }

    #[test]
    fn text_that_is_no_host_is_refused_with_the_fault() {
        for (text, part) in [
            ("a.com", "has no scheme"),
            ("ftp://a.com", "a scheme other than HTTP"),
            ("https://a.com/path", "has a path"),
            ("https://me@a.com", "a user"),
            ("https://a.*.com", "in the middle"),
            ("https://**", "in the middle"),
            ("https://*a.com", "in the middle"),
            ("https://", "no valid host"),
            ("https://a.com:99999", "no valid host"),
            ("https://a.com:0", "no valid host"),
            ("https://::1", "no valid host"),
            ("https://a..com", "no valid host"),
            ("https://münchen.de", "no valid host"),
            ("https://\u{1b}[2J", "no valid host"),
        ] {
            let error = Host::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\u{1b}'));
        }
    }
}
