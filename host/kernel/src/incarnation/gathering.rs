//! Gathering: an actor that was woken by one message lets the tasks that are ready run first, if that has made its batches larger
//! before. A turn of many messages costs little more than a turn of one.

use std::time::Duration;

use tokio::time::Instant;

/// The time that gathering may take: beyond it, the tasks that run first do more than to send.
const MOST: Duration = Duration::from_millis(1);
/// The most wakes without gathering between two attempts.
const MOST_SKIPPED: u32 = 255;

/// The decision of an incarnation whether to gather. While it gains nothing it is tried ever more rarely, so that an actor with one
/// message at a time does not pay for it.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Wakes until the next attempt.
    skipped: u32,
    /// Wakes to skip after an attempt that gained nothing.
    pause: u32,
    began: Option<Instant>,
}

impl Gathering {
    /// Whether to gather now. Each call is a wake by one message.
    pub(super) fn is_due(&mut self) -> bool {
        if self.skipped > 0 {
            self.skipped -= 1;
            return false;
        }
        self.began = Some(Instant::now());
        true
    }

    /// Gathering is over, with so many messages.
    pub(super) fn ended(&mut self, messages: usize) {
        let is_quick = self.began.take().is_some_and(|began| began.elapsed() <= MOST);
        self.pause = if is_quick && messages > 1 { 0 } else { (2 * self.pause + 1).min(MOST_SKIPPED) };
        self.skipped = self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gathering_that_gains_nothing_gets_rare() {
        let mut gathering = Gathering::default();
        let mut tried = 0;
        for _ in 0..10_000 {
            if gathering.is_due() {
                tried += 1;
                gathering.ended(1);
            }
        }
        assert!((40..60).contains(&tried), "{tried}");
        while !gathering.is_due() {}
        gathering.ended(5);
        assert!(gathering.is_due(), "a gain makes it usual again");
        tokio::time::advance(MOST * 2).await;
        gathering.ended(5);
        assert!(!gathering.is_due(), "it took too long");
    }
}
