//! The signals that end a run. SIGINT, SIGTERM and SIGHUP begin the orderly end; a second SIGINT or SIGTERM ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::drain;
use crate::console::Console;

/// The signals, received from the moment this value exists.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None when the process was started with SIGHUP ignored, as by `nohup`.
    hangup: Option<Signal>,
    /// Number of SIGINT and SIGTERM so far. A closed terminal sends SIGHUP twice (the system and the shell), and
    /// systemd's `SendSIGHUP=` sends it after SIGTERM: it never counts as a second signal.
    heard: u32,
    /// Whether any signal came.
    any: bool,
}

impl Signals {
    /// Call this within a runtime.
    pub(super) fn new() -> std::io::Result<Self> {
        let heeds_hangup = !ignores_hangup(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if heeds_hangup { Some(signal(SignalKind::hangup())?) } else { None },
            heard: 0,
            any: false,
        })
    }

    /// Whether any of the signals came.
    pub(super) fn is_heard(&self) -> bool {
        self.any
    }

    /// Whether a second SIGINT or SIGTERM came.
    pub(super) fn is_second(&self) -> bool {
        self.heard >= 2
    }

    /// Resolves at a second SIGINT or SIGTERM. If the end began without a signal, the first one is only answered.
    pub(super) async fn second(&mut self, console: &Console) {
        while !self.is_second() {
            let before = self.heard;
            self.next().await;
            if before == 0 && self.heard == 1 {
                drain::announce(console);
            }
        }
    }

    /// Resolves at any of the signals.
    pub(super) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => self.heard += 1,
            _ = self.terminate.recv() => self.heard += 1,
            _ = hangup => {}
        }
        self.any = true;
    }
}

/// Whether `status`, as in `/proc/self/status`, says that SIGHUP (signal 1) is ignored.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_hangup_is_seen_in_the_status() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"));
        assert!(!ignores_hangup("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores_hangup(""));
    }
}
