//! The hosts that a request may name. A web page in an operator's browser can reach a local port under a name of its own; such a
//! name is refused.

use std::net::{IpAddr, SocketAddr};

/// The names that pass, besides IP addresses and `localhost`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// These names, without a port.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether the value of a `Host` header passes.
    pub(crate) fn allows(&self, header: &str) -> bool {
        let name = without_port(header);
        // The same name, written as an absolute one.
        let name = name.strip_suffix('.').unwrap_or(name);
        let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        literal.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
    }
}

fn without_port(header: &str) -> &str {
    match header.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => header,
    }
}

/// Whether other machines can reach an address.
pub fn is_public(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_than_the_given_ones_are_refused() {
        let hosts = Hosts::new(["Metrics.example".to_owned()]);
        for passes in [
            "127.0.0.1",
            "127.0.0.1:9464",
            "[::1]:9464",
            "[::1]",
            "::1",
            "[::ffff:10.0.0.1]:1",
            "localhost",
            "LOCALHOST:1",
            "localhost.:9464",
            "metrics.EXAMPLE:9464",
            "metrics.example.",
        ] {
            assert!(hosts.allows(passes), "{passes}");
        }
        for refused in [
            "",
            "evil.example",
            "localhost.evil.example",
            "metrics.example.evil",
            "127.0.0.1.evil:9464",
            ":9464",
            ".",
            "localhost..",
            "localhost:x",
            "localhost:1:2",
            "localhost 127.0.0.1",
            "operator@localhost",
            "[localhost]",
            "[::1",
            // Other ways in which a resolver takes 127.0.0.1.
            "2130706433",
            "0x7f.1",
            "127.1",
            "127.0.0.1.nip.example",
            "*",
        ] {
            assert!(!hosts.allows(refused), "{refused}");
        }
    }

    #[test]
    fn only_loopback_addresses_are_not_public() {
        let public = |text: &str| is_public(text.parse().expect("an address"));
        assert_eq!(["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"].map(public), [false; 4]);
        for all_or_others in [
            "0.0.0.0:1",
            "[::]:1",
            "[::ffff:0.0.0.0]:1",
            "[::ffff:10.0.0.1]:1",
            "10.0.0.1:1",
            "192.168.0.1:1",
            "172.16.0.1:1",
            "169.254.1.1:1",
            "[fe80::1%1]:1",
            "[fc00::1]:1",
            "[::127.0.0.1]:1",
        ] {
            assert!(public(all_or_others), "{all_or_others}");
        }
    }
}
