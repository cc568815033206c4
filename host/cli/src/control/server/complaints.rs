//! What is logged about requests and connections that are no good: a few lines now and then, however many there are.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines in one period; the others are counted.
const LINES: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

/// The log's patience with what comes over the control socket.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Window>);

#[derive(Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Window {
    /// Whether there is room for a line, and how many were left out before it.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.duration_since(began) >= PERIOD) {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines == LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Complaints {
    pub(super) fn say(&self, what: fmt::Arguments<'_>) {
        let admitted = self.0.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        match admitted {
            None => {}
            Some(0) => tracing::warn!(target: "playhouse::control", "{what}"),
            Some(n) => tracing::warn!(target: "playhouse::control", "{what} ({n} more like it were not logged)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_a_few_lines_are_logged_and_the_rest_is_counted() {
        let mut window = Window::default();
        let now = Instant::now();
        let logged = (0..1000).filter(|_| window.admit(now).is_some()).count();
        assert_eq!(logged, LINES as usize);
        assert_eq!(window.admit(now + PERIOD), Some(990));
        assert_eq!(window.admit(now + PERIOD), Some(0));
    }
}
