//! A limit on the requests of each client address: the generic cell rate algorithm (ITU-T I.371), which keeps one time for each
//! client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::clients::client_key;

/// Maximum number of clients that are kept.
const MOST_CLIENTS: usize = 65_536;

/// Requests of one client within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number; at least 1. That many may come at once.
    pub requests: u32,
    /// The time; not 0.
    pub per: Duration,
}

/// The clients of a server.
pub(super) struct Rates {
    rate: Rate,
    start: Instant,
    /// By client: the time at which all its requests would have come at the even rate, since the start.
    clients: Mutex<HashMap<u128, Duration>>,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, start: Instant::now(), clients: Mutex::default() }
    }

    /// Counts a request. `Err` is the time until the client may send another one.
    pub(super) fn pass(&self, client: IpAddr) -> Result<(), Duration> {
        self.pass_at(client, self.start.elapsed())
    }

    fn pass_at(&self, client: IpAddr, now: Duration) -> Result<(), Duration> {
        let step = self.rate.per / self.rate.requests.max(1);
        let mut clients = self.clients.lock();
        if clients.len() >= MOST_CLIENTS {
            // Those that sent nothing lately are as new ones.
            clients.retain(|_, even| *even > now);
        }
        if clients.len() >= MOST_CLIENTS {
            // Too many at a time: some begin anew, so that the others keep their limit.
            let some: Vec<_> = clients.keys().take(MOST_CLIENTS / 8).copied().collect();
            for client in some {
                clients.remove(&client);
            }
        }
        let even = clients.entry(client_key(client)).or_insert(now);
        let next = (*even).max(now) + step;
        let early = next.saturating_sub(now + self.rate.per);
        if early.is_zero() {
            *even = next;
            Ok(())
        } else {
            Err(early)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_rate() {
        let rates = Rates::new(Rate { requests: 3, per: Duration::from_secs(3) });
        let pass =
            |client: &str, ms| rates.pass_at(client.parse().expect("an address"), Duration::from_millis(ms)).is_ok();
        assert_eq!([0, 0, 0, 0].map(|ms| pass("192.0.2.1", ms)), [true, true, true, false]);
        assert!(pass("192.0.2.2", 0), "another client");
        assert_eq!([999, 1000, 1001].map(|ms| pass("192.0.2.1", ms)), [false, true, false]);
        assert_eq!([9000, 9000, 9000, 9000].map(|ms| pass("192.0.2.1", ms)), [true, true, true, false]);
        assert_eq!([0, 0, 0].map(|_| pass("2001:db8::1", 0)), [true; 3]);
        assert!(!pass("2001:db8::2", 0), "the same network");
    }

    #[test]
    fn number_of_kept_clients_is_bounded() {
        let rates = Rates::new(Rate { requests: 1, per: Duration::from_secs(1) });
        for client in 0..2 * MOST_CLIENTS as u32 {
            let _ = rates.pass_at(IpAddr::V4(client.into()), Duration::ZERO);
        }
        assert!(rates.clients.lock().len() <= MOST_CLIENTS);
    }
}
