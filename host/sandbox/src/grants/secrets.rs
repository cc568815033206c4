//! Secrets that an actor sends without knowing them. The guest has a placeholder as an environment variable; the host puts the
//! value in its place, in one header of https requests to the granted hosts.

use std::fmt;
use std::sync::Arc;

use http::header::{Entry, HeaderName, HeaderValue};
use http::{HeaderMap, header};
use playhouse_kernel::Secret;
use ring::rand::{SecureRandom, SystemRandom};
use wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;

use super::hosts::{Host, Target};
use super::narrowing::common;

/// Size of the largest secret that is sent in a header.
const MOST_BYTES: usize = 8 << 10;
/// Random bytes of a placeholder: nobody guesses it.
const RANDOM_BYTES: usize = 16;

/// One entry of `grants.secrets`.
#[derive(Debug, Clone)]
pub struct SecretGrant {
    /// The name of the secret, and of the variable with the placeholder.
    pub name: String,
    /// The hosts that get the value, all with https.
    pub hosts: Vec<Host>,
    /// The header in which a placeholder is replaced.
    pub header: HeaderName,
    /// The secret; none before the host has read it. Without it the guest has no placeholder.
    pub sealed: Option<SealedSecret>,
}

/// A secret with the placeholder that guests have in its place.
#[derive(Clone)]
pub struct SealedSecret {
    placeholder: Arc<str>,
    value: Secret,
}

/// The reason why a secret cannot be sent in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value has a byte that no header may have.
    #[error("its value has a line break or another control character, which no header may have")]
    NoHeader,
    /// The value is too large.
    #[error("its value has over {MOST_BYTES} bytes, too many for a header")]
    TooLarge,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for its placeholder")]
    NoRandom,
}

/// The reason why a secret cannot be in the header of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a name.
    #[error("`{0}` is no name of a header")]
    NoName(String),
    /// A header that the host sets itself.
    #[error("`{0}` is a header of the connection, which no actor sets")]
    OfConnection(String),
}

impl SealedSecret {
    /// The secret with a new random placeholder.
    pub fn new(value: Secret) -> Result<Self, SealError> {
        if value.expose().len() > MOST_BYTES {
            return Err(SealError::TooLarge);
        }
        HeaderValue::from_bytes(value.expose().as_bytes()).map_err(|_| SealError::NoHeader)?;
        let mut random = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| SealError::NoRandom)?;
        let placeholder = format!("placeholder-{:032x}", u128::from_ne_bytes(random)).into();
        Ok(Self { placeholder, value })
    }

    /// The text that guests have in place of the value.
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }

    /// The header value with the secret in place of each placeholder; none without a placeholder.
    fn put_into(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.contains(&*self.placeholder))?;
        let text = text.replace(&*self.placeholder, self.value.expose());
        let mut put = HeaderValue::from_bytes(text.as_bytes()).ok()?;
        put.set_sensitive(true);
        Some(put)
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(***)")
    }
}

impl SecretGrant {
    /// Reads the name of a header that a guest may set: not one that belongs to the connection, or that says how long a body is.
    pub fn parse_header(name: &str) -> Result<HeaderName, HeaderError> {
        let shown = || name.escape_debug().to_string();
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::NoName(shown()))?;
        let of_message = [header::CONTENT_LENGTH, header::TE, header::TRAILER];
        if DEFAULT_FORBIDDEN_HEADERS.contains(&header) || of_message.contains(&header) {
            return Err(HeaderError::OfConnection(shown()));
        }
        Ok(header)
    }

    /// The part of this grant that a parent with the grants `above` has as well.
    pub(super) fn within(&self, above: &[Self]) -> Option<Self> {
        let same = above.iter().filter(|other| (&other.name, &other.header) == (&self.name, &self.header));
        let mut hosts = Vec::new();
        for host in same.flat_map(|other| common(&self.hosts, &other.hosts, Host::covers)) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        (!hosts.is_empty()).then(|| Self { hosts, ..self.clone() })
    }

    /// Puts the secret in place of its placeholder, if a request to `target` may have it.
    pub(crate) fn put_into(&self, target: &Target, headers: &mut HeaderMap) {
        let Some(sealed) = &self.sealed else { return };
        if !target.tls || !self.hosts.iter().any(|host| host.is_for(target)) {
            return;
        }
        if let Entry::Occupied(mut values) = headers.entry(&self.header) {
            for value in values.iter_mut() {
                if let Some(put) = sealed.put_into(value) {
                    *value = put;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(hosts: &[&str], header: &'static str) -> SecretGrant {
        let hosts = hosts.iter().map(|host| Host::parse(host).expect("good")).collect();
        let sealed = Some(SealedSecret::new(Secret::new("hunter2")).expect("it is short"));
        SecretGrant { name: "API".to_owned(), hosts, header: HeaderName::from_static(header), sealed }
    }

    /// The values of the header `name` after a request with the given text, in which `@` is the placeholder.
    fn sent(grant: &SecretGrant, to: &str, name: &'static str, text: &str) -> String {
        let text = text.replace('@', grant.sealed.as_ref().expect("given").placeholder());
        let mut headers = HeaderMap::new();
        headers.insert(name, text.parse().expect("a value"));
        grant.put_into(&Target::of(&to.parse().expect("a url")).expect("a target"), &mut headers);
        let sealed = grant.sealed.as_ref().expect("given");
        headers[name].to_str().expect("text").replace(sealed.placeholder(), "@")
    }

    #[test]
    fn placeholder_is_replaced_in_its_header_to_its_host() {
        let grant = grant(&["https://api.example.com", "https://*.a.com"], "authorization");
        for to in ["https://api.example.com/x", "https://b.a.com"] {
            assert_eq!(sent(&grant, to, "authorization", "Bearer @"), "Bearer hunter2");
            assert_eq!(sent(&grant, to, "authorization", "@, @"), "hunter2, hunter2");
            assert_eq!(sent(&grant, to, "x-other", "@"), "@", "another header");
        }
        for to in ["http://api.example.com", "https://api.example.com:8443", "https://example.com", "https://a.com"] {
            assert_eq!(sent(&grant, to, "authorization", "Bearer @"), "Bearer @", "{to}");
        }
        let plain = self::grant(&["http://api.example.com"], "authorization");
        assert_eq!(sent(&plain, "http://api.example.com", "authorization", "@"), "@", "never without TLS");
    }

    #[test]
    fn replaced_value_is_not_shown() {
        let grant = grant(&["https://a.com"], "authorization");
        let sealed = grant.sealed.clone().expect("given");
        let put = sealed.put_into(&sealed.placeholder().parse().expect("a value")).expect("replaced");
        assert!(!format!("{put:?} {grant:?}").contains("hunter2"));
    }

    #[test]
    fn placeholders_are_never_the_same() {
        let one = || SealedSecret::new(Secret::new("x")).expect("it is short").placeholder().to_owned();
        assert_ne!(one(), one());
        assert_eq!(one().len(), "placeholder-".len() + 32);
    }

    #[test]
    fn value_that_no_header_may_have_is_refused() {
        let sealed = |text: &str| SealedSecret::new(Secret::new(text)).map(drop);
        assert_eq!(sealed("a\nb"), Err(SealError::NoHeader));
        assert_eq!(sealed("a\rb"), Err(SealError::NoHeader));
        assert_eq!(sealed("a\0b"), Err(SealError::NoHeader));
        assert_eq!(sealed("pässword"), Ok(()));
        assert_eq!(sealed(&"x".repeat(MOST_BYTES + 1)), Err(SealError::TooLarge));
    }

    #[test]
    fn child_gets_no_secret_that_its_parent_lacks() {
        let child = grant(&["https://a.com", "https://b.com"], "authorization");
        let hosts = |above: &[SecretGrant]| {
            let kept = child.within(above)?;
            Some(kept.hosts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(hosts(&[]), None);
        assert_eq!(hosts(&[grant(&["https://a.com"], "authorization")]), Some(vec!["https://a.com".to_owned()]));
        assert_eq!(hosts(&[grant(&["https://a.com"], "x-api-key")]), None, "another header");
        assert_eq!(hosts(&[grant(&["https://c.com"], "authorization")]), None, "another host");
        let other = SecretGrant { name: "OTHER".to_owned(), ..child.clone() };
        assert_eq!(hosts(&[other]), None, "another secret");
    }

    #[test]
    fn header_of_the_connection_is_refused() {
        let read = |name: &str| SecretGrant::parse_header(name).map(|header| header.to_string());
        for (name, header) in [("Authorization", "authorization"), ("X-Api-Key", "x-api-key"), ("cookie", "cookie")] {
            assert_eq!(read(name), Ok(header.to_owned()));
        }
        for name in ["Host", "te", "content-length", "Connection"] {
            assert_eq!(read(name), Err(HeaderError::OfConnection(name.to_owned())));
        }
        for name in ["", "a b", "a:"] {
            assert_eq!(read(name), Err(HeaderError::NoName(name.to_owned())));
        }
    }
}
