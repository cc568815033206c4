//! The address of a client behind proxies. The word of a request about it counts as far as trusted proxies gave it.

use std::net::{IpAddr, SocketAddr};

use ::http::header::FORWARDED;
use ::http::{HeaderMap, HeaderName};
pub use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Maximum number of addresses that are looked at, from the last one on.
const MOST_HOPS: usize = 32;

/// The address of the client of a request. Each proxy adds the address that it got the request from, so that the last address
/// which is no trusted proxy is the client's. A proxy adds it to `Forwarded` (RFC 7239) or to `X-Forwarded-For`, and passes the
/// other header on as it came: where both are there and differ, neither is believed.
pub(super) fn client(peer: IpAddr, trusted: &[IpNet], headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let by = |name: &HeaderName, address: fn(&str) -> Option<IpAddr>| {
        headers.contains_key(name).then(|| last_stranger(peer, is_trusted, headers, name, address))
    };
    match (by(&FORWARDED, of_forwarded), by(&X_FORWARDED_FOR, of_list)) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

/// The last address of a header that is no trusted proxy.
fn last_stranger(
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
    headers: &HeaderMap,
    name: &HeaderName,
    address: fn(&str) -> Option<IpAddr>,
) -> IpAddr {
    let lines = headers.get_all(name).iter().rev().filter_map(|value| value.to_str().ok());
    let mut client = peer;
    for hop in lines.flat_map(|line| line.rsplit(',')).take(MOST_HOPS) {
        let address = address(hop);
        // A name that hides the address, or a text that is none: nothing before it can be believed.
        let Some(address) = address else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// One element of `X-Forwarded-For`.
fn of_list(element: &str) -> Option<IpAddr> {
    address(element.trim())
}

/// The `for` of one element of `Forwarded`.
fn of_forwarded(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An IP address, perhaps in brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    Some(text.parse().ok().or_else(bare).or_else(with_port)?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, lines: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        client(peer.parse().expect("an address"), &trusted, &headers).to_string()
    }

    #[test]
    fn stranger_cannot_name_another_client() {
        assert_eq!(of("192.0.2.1", &[("x-forwarded-for", "203.0.113.9")]), "192.0.2.1");
        assert_eq!(of("192.0.2.1", &[("forwarded", "for=203.0.113.9")]), "192.0.2.1");
    }

    #[test]
    fn last_address_before_the_trusted_proxies_is_the_client() {
        for (lines, client) in [
            (&[("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.2.2.2")][..], "203.0.113.9"),
            (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (&[("x-forwarded-for", "203.0.113.9:4711")], "203.0.113.9"),
            (&[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https, For=10.0.0.2")], "2001:db8::1"),
            (&[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (&[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "203.0.113.9")], "10.0.0.1"),
            (&[("forwarded", "for=6.6.6.6, for=_hidden")], "10.0.0.1"),
            (&[("x-forwarded-for", "junk")], "10.0.0.1"),
            (&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            (&[("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(of("10.0.0.1", lines), client, "{lines:?}");
        }
    }
}
