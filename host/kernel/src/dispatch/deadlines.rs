//! The deadlines of open asks: one timer for all of them. A timer for each ask would cost as much as the rest of its record.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// No ask has a deadline.
const NONE: u64 = u64::MAX;

/// The time at which the next ask may be late. It may be too early, since asks that have their answer stay counted until the next search.
pub(crate) struct Deadlines {
    began: Instant,
    /// In microseconds since `began`.
    soonest: AtomicU64,
    is_over: AtomicBool,
    changed: Notify,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            soonest: AtomicU64::new(NONE),
            is_over: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }
}

impl Deadlines {
    /// An ask has this deadline.
    #[inline]
    pub(crate) fn add(&self, deadline: Instant) {
        let nanos = deadline.saturating_duration_since(self.began).as_nanos();
        let micros = u64::try_from(nanos.div_ceil(1000)).unwrap_or(NONE - 1);
        if micros < self.soonest.load(Ordering::Relaxed) && micros < self.soonest.fetch_min(micros, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }

    /// No ask will be opened any more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    fn soonest(&self) -> Option<Instant> {
        match self.soonest.load(Ordering::Relaxed) {
            NONE => None,
            micros => Some(self.began + Duration::from_micros(micros)),
        }
    }

    /// Begins a search: until it ends, only asks that are opened meanwhile are counted.
    pub(crate) fn forget(&self) {
        self.soonest.store(NONE, Ordering::Relaxed);
    }

    /// Waits until an ask may be late, but not before `earliest`. False: the play is over.
    pub(crate) async fn reached(&self, earliest: Instant) -> bool {
        loop {
            if self.is_over.load(Ordering::Acquire) {
                return false;
            }
            let Some(soonest) = self.soonest() else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(soonest.max(earliest)) => return true,
                () = self.changed.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::ask::Asks;
    use crate::words::message::ActorId;
    use crate::words::send_error::AskError;

    /// The alarm of asks without a play around them.
    async fn answer_all(asks: &Asks) {
        while asks.deadlines().reached(Instant::now()).await {
            asks.answer_late(Instant::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_ask_ends_at_its_deadline() {
        let (asks, began) = (Asks::default(), Instant::now());
        let waits = [50_u64, 10, 30, 0].map(|millis| {
            let asks = &asks;
            async move {
                let mut ask = asks.open(ActorId(1), began + Duration::from_millis(millis));
                let answer = ask.answer_to(&tokio::runtime::Handle::current(), std::pin::pin!(async { Ok(()) })).await;
                assert_eq!(answer.map(|reply| reply.body), Err(AskError::Timeout));
                assert_eq!(began.elapsed(), Duration::from_millis(millis));
            }
        });
        tokio::select! {
            () = answer_all(&asks) => {}
            _ = futures_util::future::join_all(waits) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answered_asks_cost_one_search() {
        let asks = Asks::default();
        let mut searches = 0;
        let long = Duration::from_secs(1);
        let began = Instant::now();
        while began.elapsed() < 10 * long {
            let ask = asks.open(ActorId(1), Instant::now() + long);
            drop(ask);
            tokio::select! {
                biased;
                _ = asks.deadlines().reached(began) => {
                    searches += 1;
                    asks.answer_late(Instant::now());
                }
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        assert!((9..=11).contains(&searches), "{searches}");
    }

    #[tokio::test]
    async fn end_of_the_play_ends_the_alarm() {
        let deadlines = Deadlines::default();
        deadlines.end();
        assert!(!deadlines.reached(Instant::now()).await);
    }
}
