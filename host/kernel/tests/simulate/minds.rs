//! Policies of mailboxes: they reorder, drop, delay and crash by their dice. The messages are the kernel's, so the ledger may
//! notice only another order and some dead letters.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    About, Arrivals, BoxFuture, Crash, CrashReason, Key, MailboxPolicy, PolicyLauncher, PolicySpec, Rules,
};
use tokio::time::sleep;

use crate::dice::Dice;
use crate::mind::Mind;
use crate::stage::Stage;
use crate::world::Who;

/// The policy of one mailbox.
pub fn spec(mind: Mind, stage: &Arc<Stage>, who: Who) -> PolicySpec {
    let Mind { overflow, overtakes, timeout, backoff, intensity, .. } = mind;
    let launcher = Arc::new(Thinker { stage: stage.clone(), who, mind });
    let period = Duration::from_millis(500);
    PolicySpec { overflow, overtakes, timeout, backoff, intensity, period, ..PolicySpec::new(launcher) }
}

struct Thinker {
    stage: Arc<Stage>,
    who: Who,
    mind: Mind,
}

impl PolicyLauncher for Thinker {
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
        let dice = Dice::new(self.stage.play.seed, 6 + 8 * (self.who as u64 + 64 * about.run));
        let mut thought = Thought { mind: self.mind, dice, waiting: Vec::new(), stage: self.stage.clone() };
        Box::pin(async move {
            thought.mishap().await?;
            let thought: Box<dyn MailboxPolicy> = Box::new(thought);
            Ok(thought)
        })
    }

    fn plugin(&self) -> &'static str {
        "simulated"
    }
}

struct Thought {
    mind: Mind,
    dice: Dice,
    /// With their bytes.
    waiting: Vec<(Key, u64)>,
    stage: Arc<Stage>,
}

impl Thought {
    /// Takes time, or has a fault.
    async fn mishap(&mut self) -> Result<(), Crash> {
        if self.dice.percent(self.mind.slow) {
            sleep(self.dice.millis(0, 8)).await;
        }
        if self.dice.percent(self.mind.fault) {
            self.stage.ledger().seen.insert("a policy crashed");
            match self.dice.below(4) {
                0 => std::panic::resume_unwind(Box::new("a panic of the simulated policy")),
                1 => std::future::pending().await,
                _ => return Err(Crash::new(CrashReason::Trap { kind: "simulated".into() })),
            }
        }
        Ok(())
    }

    /// Names a wrong message, or forgets one, which is then released late.
    fn confuse(&mut self, keys: &mut Vec<Key>) {
        if self.dice.percent(self.mind.fault / 4) {
            match self.dice.below(if self.mind.orderly { 2 } else { 4 }) {
                0 => keys.push(Key::MAX),
                1 => keys.extend(keys.first().copied()),
                2 => drop(keys.pop()),
                _ => drop(self.waiting.pop()),
            }
        }
    }
}

impl MailboxPolicy for Thought {
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>> {
        Box::pin(async move {
            self.mishap().await?;
            Ok(Rules { when_full: self.mind.when_full, prefix_bytes: self.dice.pick(&[0, 8, u32::MAX]) })
        })
    }

    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>> {
        Box::pin(async move {
            self.mishap().await?;
            self.waiting.extend(arrivals.entries.iter().map(|entry| (entry.key, u64::from(entry.bytes) + 64)));
            let (mut dropped, mut bytes) = (Vec::new(), 0);
            let abandons = self.dice.percent(self.mind.abandon);
            while dropped.len() < arrivals.excess.messages as usize
                || bytes < arrivals.excess.bytes
                || abandons && dropped.is_empty()
            {
                let at = self.dice.below(self.waiting.len());
                let (key, size) = self.waiting.remove(at);
                dropped.push(key);
                bytes += size;
            }
            self.confuse(&mut dropped);
            Ok(dropped)
        })
    }

    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>> {
        Box::pin(async move {
            self.mishap().await?;
            let mut keys: Vec<_> = overdue.into_iter().collect();
            self.waiting.retain(|(key, _)| Some(*key) != overdue);
            let most = self.dice.between(1, most as usize);
            while keys.len() < most && !self.waiting.is_empty() {
                let at = if self.mind.orderly { 0 } else { self.dice.below(self.waiting.len()) };
                keys.push(self.waiting.remove(at).0);
            }
            self.confuse(&mut keys);
            Ok(keys)
        })
    }

    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>> {
        Box::pin(async move {
            self.mishap().await?;
            Ok(self.waiting.len() as u64)
        })
    }
}
