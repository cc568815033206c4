//! Measurements of this process, of the machine and of a guest's output while it acts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use playhouse_kernel::BoxFuture;
use playhouse_sandbox::{LineOrigin, Output};

/// Far longer than any step of a test takes.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The total delay of a thread that only sleeps: the time that a busy machine takes from each thread.
pub fn lateness() -> Duration {
    const STEP: Duration = Duration::from_millis(5);
    static LATE_US: LazyLock<Arc<(AtomicU64, AtomicU64)>> = LazyLock::new(|| {
        let late = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let counted = late.clone();
        std::thread::spawn(move || {
            loop {
                let began = Instant::now();
                std::thread::sleep(STEP);
                let over = began.elapsed().saturating_sub(STEP);
                counted.0.fetch_add(over.as_micros() as u64, Relaxed);
                counted.1.fetch_add(1, Relaxed);
            }
        });
        late
    });
    // The present delay counts once the thread has woken up.
    let looks = LATE_US.1.load(Relaxed);
    while LATE_US.1.load(Relaxed) == looks {
        std::thread::sleep(STEP);
    }
    Duration::from_micros(LATE_US.0.load(Relaxed))
}

/// The resident memory of this process.
pub fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits until something holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let until = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < until, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An output that counts the lines on stderr, and takes at most a mebibyte of stdout.
#[derive(Default)]
pub struct Counted {
    pub lines: AtomicU64,
    stdout_bytes: AtomicU64,
}

impl Output for Counted {
    fn stdout(&self, _: &LineOrigin<'_>, piece: &[u8], _: bool) {
        self.stdout_bytes.fetch_add(piece.len() as u64, Relaxed);
    }

    fn stdout_full(&self) -> bool {
        self.stdout_bytes.load(Relaxed) > 1 << 20
    }

    fn wait_stdout_space(&self) -> BoxFuture<'_, ()> {
        if self.stdout_full() { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(())) }
    }

    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {
        self.lines.fetch_add(1, Relaxed);
    }
}
