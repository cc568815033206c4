//! Addresses that a name may lead to: public ones, and networks that the manifest names. The owner of a name decides where it
//! leads, so a granted name alone never permits an address of a private network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A network, as in `10.0.0.0/8`; a single address is a network as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// The error for a text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network")]
pub struct NetworkError(String);

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address. Bits beyond the prefix must be zero.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.escape_debug().to_string());
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| wrong())?,
        };
        if net.addr() == net.network() { Ok(Self(net)) } else { Err(wrong()) }
    }

    /// A correction for a text that [`Network::parse`] refuses: the network that the address is in.
    pub fn meant(text: &str) -> Option<Self> {
        text.parse::<IpNet>().ok().map(|net| Self(net.trunc()))
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address that a connection really goes to: for an IPv6 form of an IPv4 address, that IPv4 address.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [.., a, b] = v6.segments();
    let last = Ipv4Addr::from((u32::from(a) << 16) | u32::from(b));
    match v6.segments() {
        // Mapped, compatible (of old, but not `::` and `::1`), translated by NAT64.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => last.into(),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => last.into(),
        // 6to4
        [0x2002, high, low, ..] => Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)).into(),
        _ => address,
    }
}

/// Whether the address is public on the internet: not private, local, shared or reserved, and not for documentation, tests
/// or multicast. After the IANA registries of special-purpose addresses (RFC 6890 and its updates).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // "This" network, private, local and shared addresses; protocols, documentation, the old 6to4 relay, benchmarks.
        [0 | 10 | 127, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => false,
        // Multicast, reserved addresses, broadcast.
        [first, ..] => first < 224,
    }
}

/// Only `2000::/3` is allocated so far, and parts of it are special.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocols, Teredo, benchmarks, overlays; two ranges for documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_purpose_addresses_are_not_public() {
        let public = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.3.1", "2606:4700::1", "2a00:1450::1"];
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in public {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
        for text in special {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        assert!(is_public("::ffff:8.8.8.8".parse().expect("an address")), "the address stands for 8.8.8.8");
    }

    #[test]
    fn network_parser_accepts_networks_and_refuses_other_texts() {
        for text in ["10.0.0.0/8", "fd00::/8", "192.168.1.7", "::1"] {
            assert!(Network::parse(text).is_ok(), "{text}");
        }
        for text in ["10.0.0.1/8", "10.0.0.0/33", "localhost", "10.*", "", "\u{1b}[2J"] {
            let error = Network::parse(text).expect_err(text).to_string();
            assert!(!error.contains('\u{1b}'), "{error}");
        }
        assert_eq!(Network::meant("10.1.2.3/8").map(|net| net.to_string()).as_deref(), Some("10.0.0.0/8"));
        let net = Network::parse("10.0.0.0/8").expect("good");
        assert!(net.has(plain("::ffff:10.9.9.9".parse().expect("an address"))));
        assert!(!net.has("11.0.0.0".parse().expect("an address")));
    }
}
