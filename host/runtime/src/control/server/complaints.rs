//! The log lines about bad requests and connections: a few in each period, for any number of them.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use playhouse_kernel::{AboutHost, LogEvent};
use tokio::time::Instant;

use crate::events::ControlRefused;

/// Maximum number of lines in one period; further ones are counted.
const LINES: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

/// The limit on log lines about input of the control socket.
pub(super) struct Complaints(Mutex<Window>);

impl Default for Complaints {
    fn default() -> Self {
        Self(Mutex::new(Window::of(LINES)))
    }
}

/// The lines of one period.
pub(super) struct Window {
    most: u32,
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Window {
    /// For this maximum of lines in one period.
    pub(super) fn of(most: u32) -> Self {
        Self { most, began: None, lines: 0, left_out: 0 }
    }

    /// The number of lines that were left out before this one; `None` if this line is left out as well.
    pub(super) fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.duration_since(began) >= PERIOD) {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines == self.most {
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
        let Some(left_out) = admitted else { return };
        let more = if left_out > 0 { format!(" ({left_out} more like it were not logged)") } else { String::new() };
        let left_out = Some(left_out).filter(|left_out| *left_out > 0);
        ControlRefused { subject: AboutHost, left_out, why: &what, more: &more }.log();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_logs_a_few_lines_and_counts_the_others() {
        let mut window = Window::of(LINES);
        let now = Instant::now();
        let logged = (0..1000).filter(|_| window.admit(now).is_some()).count();
        assert_eq!(logged, LINES as usize);
        assert_eq!(window.admit(now + PERIOD), Some(990));
        assert_eq!(window.admit(now + PERIOD), Some(0));
    }
}
