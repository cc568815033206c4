//! Errors of the host that no caller handles, counted where they surface. The counts belong to the process, because panics and accept errors do.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A kind of error that no caller handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostError {
    /// A panic of one of the host's threads or tasks: a bug. Counted after [`count_panics`].
    Panic,
    /// A connection to the control socket or to the server of metrics that could not be accepted.
    Accept,
}

static COUNTS: [AtomicU64; HostError::ALL.len()] = [const { AtomicU64::new(0) }; HostError::ALL.len()];

impl HostError {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Panic, Self::Accept];

    /// The name, as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Accept => "accept",
        }
    }

    /// Counts an error of this kind.
    pub fn count(self) {
        COUNTS[self as usize].fetch_add(1, Relaxed);
    }

    /// The counts of the process, in the order of [`HostError::ALL`].
    pub fn counts() -> [u64; Self::ALL.len()] {
        Self::ALL.map(|kind| COUNTS[kind as usize].load(Relaxed))
    }
}

/// Counts the panics of the process from now on. The hook that was there before is called as well. For the program itself: a
/// library does not change hooks. Native actors' panics are counted, too.
pub fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        HostError::Panic.count();
        before(panic);
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    // The only test with a panic in this program: hook and counts are the process's.
    #[test]
    fn panic_is_counted_and_reaches_the_hook_before() {
        static SEEN: AtomicBool = AtomicBool::new(false);
        std::panic::set_hook(Box::new(|_| SEEN.store(true, Relaxed)));
        count_panics();
        let before = HostError::counts();
        std::thread::spawn(|| panic!("a bug")).join().expect_err("it panics");
        drop(std::panic::take_hook());
        let after = HostError::counts();
        assert!(SEEN.load(Relaxed));
        assert_eq!((after[0], after[1]), (before[0] + 1, before[1]));
    }
}
