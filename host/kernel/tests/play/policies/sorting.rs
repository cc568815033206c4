//! A policy in plain Rust that sorts and has faults by order of a test, and the shop whose mailbox has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    About, ActorSpec, ActorView, Arrivals, BoxFuture, Crash, Kernel, Key, MailboxPolicy, PolicyLauncher, PolicySpec,
    PolicyState, Rules, StartKind, WhenFull,
};

use crate::stage::*;

/// The faults of a policy, by calls and runs.
type Fault = dyn Fn(u64, &'static str, &mut Vec<Key>) -> Result<bool, Crash> + Send + Sync;

/// Orders bodies by their first byte. The largest one leaves when there are too many.
#[derive(Clone)]
pub struct Sorting {
    pub rules: Rules,
    /// Looks at each call: its run, its name, its result. An error is a crash, and true makes the call hang for ever.
    pub fault: Arc<Fault>,
    pub runs: Arc<AtomicU64>,
}

pub const SEES_ONE_BYTE: Rules = Rules { when_full: WhenFull::Block, prefix_bytes: 1 };

pub fn sorting() -> Sorting {
    Sorting { rules: SEES_ONE_BYTE, fault: Arc::new(|_, _, _| Ok(false)), runs: Arc::default() }
}

impl Sorting {
    pub fn when_full(mut self, rule: WhenFull) -> Self {
        self.rules.when_full = rule;
        self
    }

    pub fn fault(
        mut self,
        fault: impl Fn(u64, &'static str, &mut Vec<Key>) -> Result<bool, Crash> + Send + Sync + 'static,
    ) -> Self {
        self.fault = Arc::new(fault);
        self
    }

    pub fn in_front_of(self, mut spec: ActorSpec) -> ActorSpec {
        spec.policy = Some(Box::new(PolicySpec::new(Arc::new(self))));
        spec
    }
}

impl PolicyLauncher for Sorting {
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        assert_eq!(about.run, run);
        let made = (self.fault)(run, "launch", &mut Vec::new());
        let policy: Box<dyn MailboxPolicy> = Box::new(Sorter { sorting: self.clone(), run, waiting: BTreeMap::new() });
        Box::pin(async { made.map(|_| policy) })
    }

    fn plugin(&self) -> &'static str {
        "sorting"
    }
}

struct Sorter {
    sorting: Sorting,
    run: u64,
    /// By first byte, then in the order of arrival. With their bytes.
    waiting: BTreeMap<(u8, Key), u64>,
}

impl Sorter {
    fn answer(&self, call: &'static str, mut keys: Vec<Key>) -> BoxFuture<'static, Result<Vec<Key>, Crash>> {
        let fault = (self.sorting.fault)(self.run, call, &mut keys);
        Box::pin(async {
            if fault? {
                std::future::pending::<()>().await;
            }
            Ok(keys)
        })
    }
}

impl MailboxPolicy for Sorter {
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>> {
        let rules = self.sorting.rules;
        Box::pin(async move { Ok(rules) })
    }

    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>> {
        let mut from = 0;
        for entry in &arrivals.entries {
            let prefix = &arrivals.prefixes[from..entry.prefix_end as usize];
            from = entry.prefix_end as usize;
            self.waiting.insert((prefix.first().copied().unwrap_or(0), entry.key), u64::from(entry.bytes) + 64);
        }
        let (mut dropped, mut bytes) = (Vec::new(), 0);
        while dropped.len() < arrivals.excess.messages as usize || bytes < arrivals.excess.bytes {
            let ((_, key), size) = self.waiting.pop_last().expect("there are too many");
            dropped.push(key);
            bytes += size;
        }
        self.answer("put", dropped)
    }

    fn take(&mut self, most: u32, overdue: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>> {
        let overdue = overdue.and_then(|overdue| self.waiting.keys().find(|(_, key)| *key == overdue).copied());
        let mut keys: Vec<_> = overdue.into_iter().collect();
        self.waiting.retain(|place, _| !keys.contains(place));
        while keys.len() < most as usize
            && let Some((place, _)) = self.waiting.pop_first()
        {
            keys.push(place);
        }
        self.answer("take", keys.into_iter().map(|(_, key)| key).collect())
    }

    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>> {
        let size = self.waiting.len() as u64;
        let answer = self.answer("size", Vec::new());
        Box::pin(async move { Ok(answer.await?.first().copied().unwrap_or(size)) })
    }
}

/// An actor that only an operator starts, so that its mailbox fills.
pub fn closed_shop(journal: &Journal, policy: Sorting) -> ActorSpec {
    let mut spec = policy.in_front_of(recorder(journal).at("/shop"));
    spec.start = StartKind::Manual;
    spec.mailbox.capacity = 4;
    spec.mailbox.block_timeout = Duration::from_secs(2);
    spec
}

pub async fn tell_all(kernel: &Kernel, bodies: &[&str]) {
    for body in bodies {
        tell(kernel, "/shop", body).await;
        settle().await;
    }
}

/// Lets all tasks run until none can go on: on paused time, before the next timer.
pub async fn settle() {
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

pub async fn open(kernel: &Kernel) {
    kernel.resume(&addr("/shop")).await;
    kernel.wait_idle().await;
}

pub async fn shop(kernel: &Kernel) -> ActorView {
    kernel.actors().await.into_iter().find(|actor| actor.address == addr("/shop")).expect("it is there")
}

pub async fn policy_state(kernel: &Kernel) -> (PolicyState, u64) {
    let policy = shop(kernel).await.mailbox.policy.expect("it has one");
    (policy.state, policy.crashes)
}

pub fn handled(journal: &Journal) -> String {
    journal.lines().iter().map(|line| line.trim_start_matches("shop:").to_owned()).collect::<Vec<_>>().join(" ")
}
