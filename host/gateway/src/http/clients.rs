//! A limit on the connections of each client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::proxies::IpNet;

/// A client as limits see it: an IPv6 client is a network of 64 bits, since each subscriber has one at least.
pub(super) fn client_key(client: IpAddr) -> u128 {
    match client {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

/// The connections of a server by client, if there is a limit. Trusted proxies have none: each stands for many clients.
pub(super) struct Clients {
    limit: Option<Limit>,
}

struct Limit {
    most: usize,
    proxies: Vec<IpNet>,
    open: Arc<Open>,
}

/// The number of connections of each client that has any.
type Open = Mutex<HashMap<u128, usize>>;

/// A connection among those of its client, until all clones are dropped. The default is one that does not count.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    _counted: Option<Arc<Counted>>,
}

#[derive(Debug)]
struct Counted {
    client: u128,
    open: Arc<Open>,
}

/// A client has as many connections as it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) most: usize,
}

impl Clients {
    pub(super) fn new(most: Option<usize>, proxies: &[IpNet]) -> Self {
        Self { limit: most.map(|most| Limit { most, proxies: proxies.to_vec(), open: Arc::default() }) }
    }

    /// Counts another connection of a client.
    pub(super) fn enter(&self, client: IpAddr) -> Result<Place, Full> {
        let Some(Limit { most, proxies, open }) = &self.limit else { return Ok(Place::default()) };
        if proxies.iter().any(|network| network.contains(&client)) {
            return Ok(Place::default());
        }
        let client = client_key(client);
        let mut clients = open.lock();
        let count = clients.entry(client).or_default();
        if *count >= *most {
            return Err(Full { most: *most });
        }
        *count += 1;
        Ok(Place { _counted: Some(Arc::new(Counted { client, open: open.clone() })) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut clients = self.open.lock();
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_connections() {
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        let clients = Clients::new(Some(2), &proxies);
        let enter = |client: &str| clients.enter(client.parse().expect("an address"));
        let one = enter("192.0.2.1").expect("the first");
        let two = enter("192.0.2.1").expect("the second");
        assert_eq!(enter("192.0.2.1").err(), Some(Full { most: 2 }));
        let other = enter("192.0.2.2").expect("another client");
        drop(one);
        let three = enter("192.0.2.1").expect("one has ended");
        let network = ["2001:db8::1", "2001:db8::2"].map(|client| enter(client).expect("the first two"));
        assert!(enter("2001:db8::3").is_err(), "the same network");
        let proxied: Vec<_> = (0..5).map(|_| enter("10.1.1.1").expect("a proxy")).collect();
        drop((proxied, two, other, three, network));
        assert!(clients.limit.expect("it has one").open.lock().is_empty(), "no client is kept");
        let unlimited = Clients::new(None, &[]);
        let all: Result<Vec<_>, _> = (0..5).map(|_| unlimited.enter(IpAddr::from([192, 0, 2, 1]))).collect();
        assert!(all.is_ok());
    }
}
