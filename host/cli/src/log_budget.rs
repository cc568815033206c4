//! The limit on the log lines of one actor of the manifest in each second: the actor's stderr, the lines of the host about the
//! actor, and both of all actors that it spawns. Further lines are left out and counted, and one line tells their number.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use playhouse_runtime::{AboutActor, Address, LeftOut, LeftOutLines, LineSource, LogLinesLeftOut};

use playhouse_runtime::printable::counted;

const PERIOD: Duration = Duration::from_secs(1);

/// The source of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The guest itself.
    Guest,
    /// The host, about the actor.
    Host,
}

impl Voice {
    fn source(self) -> LineSource {
        match self {
            Self::Guest => LineSource::Guest,
            Self::Host => LineSource::Host,
        }
    }
}

/// The budgets of all actors of the manifest. Lines about other actors, and about the play, are not counted.
#[derive(Default)]
pub(crate) struct LogBudgets {
    of: OnceLock<HashMap<String, Planned>>,
    /// Writes a note about left-out lines to the log.
    say: OnceLock<Say>,
    /// The counts of all lines that were left out.
    left_out: Arc<LeftOutLines>,
}

type Say = Box<dyn Fn(&LogLinesLeftOut<'_>) + Send + Sync>;

/// An actor of the manifest.
struct Planned {
    address: Address,
    plugin: String,
    budget: Mutex<Budget>,
}

struct Budget {
    most_lines: u64,
    most_bytes: u64,
    /// A second, from the first line after the one before.
    period: Option<Period>,
    excess: Excess,
}

struct Period {
    end: Instant,
    lines: u64,
    bytes: u64,
    /// Once a line is left out, all further lines of the second are left out, so that the log shows no partial output as whole.
    over: bool,
}

/// The lines that were left out and not reported yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Excess {
    guest_lines: u64,
    host_lines: u64,
    bytes: u64,
    most_lines: u64,
    most_bytes: u64,
}

impl Excess {
    fn add(&mut self, voice: Voice, lines: u64, bytes: u64) {
        let count = match voice {
            Voice::Guest => &mut self.guest_lines,
            Voice::Host => &mut self.host_lines,
        };
        *count += lines;
        self.bytes += bytes;
    }

    fn is_none(&self) -> bool {
        self.guest_lines == 0 && self.host_lines == 0
    }
}

/// The lines in words.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { guest_lines, host_lines, .. } = self;
        let parts = [(*guest_lines, "of its stderr"), (*host_lines, "of the host about it")];
        let parts = parts.iter().filter(|(lines, _)| *lines > 0);
        let parts: Vec<_> = parts.map(|(lines, whose)| format!("{} {whose}", counted(*lines, "line"))).collect();
        f.write_str(&parts.join(" and "))
    }
}

impl LogBudgets {
    /// Sets the actors of the manifest: address, plugin, lines a second, bytes a second. Only the first call counts.
    pub(crate) fn set(&self, actors: impl IntoIterator<Item = (Address, String, u64, u64)>) {
        let budget = |(address, plugin, most_lines, most_bytes): (Address, _, _, _)| {
            let budget = Mutex::new(Budget { most_lines, most_bytes, period: None, excess: Excess::default() });
            (address.to_string(), Planned { address, plugin, budget })
        };
        let of: HashMap<_, _> = actors.into_iter().map(budget).collect();
        self.left_out.set_actors(of.keys().cloned());
        let _ = self.of.set(of);
    }

    /// Sets the function that writes a note about left-out lines. Only the first call counts.
    pub(crate) fn on_excess(&self, say: impl Fn(&LogLinesLeftOut<'_>) + Send + Sync + 'static) {
        let _ = self.say.set(Box::new(say));
    }

    /// The counts of all lines that were left out.
    pub(crate) fn left_out(&self) -> &Arc<LeftOutLines> {
        &self.left_out
    }

    /// Whether a line about the actor at this address is let through.
    pub(crate) fn admit(self: &Arc<Self>, address: &str, voice: Voice, bytes: u64) -> bool {
        self.admit_at(Instant::now(), address, voice, bytes)
    }

    fn admit_at(self: &Arc<Self>, now: Instant, address: &str, voice: Voice, bytes: u64) -> bool {
        let Some(planned) = self.find(address) else { return true };
        let mut budget = planned.lock();
        let before = if budget.period.as_ref().is_some_and(|period| period.end <= now) {
            budget.period = None;
            budget.take_excess()
        } else {
            Excess::default()
        };
        let (most_lines, most_bytes) = (budget.most_lines, budget.most_bytes);
        let period = budget.period.get_or_insert_with(|| Period { end: now + PERIOD, lines: 0, bytes: 0, over: false });
        let fits = period.lines < most_lines && period.bytes.saturating_add(bytes) <= most_bytes;
        let admitted = fits && !period.over;
        if admitted {
            period.lines += 1;
            period.bytes += bytes;
        } else {
            let first = !std::mem::replace(&mut period.over, true);
            budget.excess.add(voice, 1, bytes);
            self.left_out.add(planned.address.as_str(), voice.source(), 1);
            if first {
                self.say_later(planned);
            }
        }
        drop(budget);
        self.say(planned, &before);
        admitted
    }

    /// Counts lines of an actor's stderr that the sandbox left out by the same limits.
    pub(crate) fn add_left_out(self: &Arc<Self>, address: &str, left_out: LeftOut) {
        let Some(planned) = self.find(address) else { return };
        let first = {
            let mut budget = planned.lock();
            let first = budget.excess.is_none();
            budget.excess.add(Voice::Guest, left_out.lines, left_out.bytes);
            self.left_out.add(planned.address.as_str(), LineSource::Guest, left_out.lines);
            first
        };
        if first {
            self.say_later(planned);
        }
    }

    /// Reports all left-out lines that were not reported yet.
    pub(crate) fn say_all(&self) {
        let Some(all) = self.of.get() else { return };
        let mut all: Vec<_> = all.iter().collect();
        all.sort_by_key(|(address, _)| *address);
        for (_, planned) in all {
            let excess = planned.lock().take_excess();
            self.say(planned, &excess);
        }
    }

    /// Reports the left-out lines after the second, also for an actor that writes no more lines.
    fn say_later(self: &Arc<Self>, planned: &Planned) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (budgets, address) = (Arc::downgrade(self), planned.address.clone());
        runtime.spawn(async move {
            tokio::time::sleep(PERIOD).await;
            let Some(budgets) = budgets.upgrade() else { return };
            if let Some(planned) = budgets.find(address.as_str()) {
                let excess = planned.lock().take_excess();
                budgets.say(planned, &excess);
            }
        });
    }

    fn say(&self, planned: &Planned, excess: &Excess) {
        let Some(say) = self.say.get().filter(|_| !excess.is_none()) else { return };
        let Excess { guest_lines, host_lines, bytes, most_lines, most_bytes } = *excess;
        let subject = AboutActor { address: &planned.address, plugin: Some(planned.plugin.as_str()) };
        say(&LogLinesLeftOut { subject, guest_lines, host_lines, bytes, most_lines, most_bytes, shown: excess });
    }

    /// The actor of the manifest at this address, or the nearest above it.
    fn find(&self, address: &str) -> Option<&Planned> {
        let all = self.of.get()?;
        let mut address = address;
        loop {
            if let Some(planned) = all.get(address) {
                return Some(planned);
            }
            address = &address[..address.rfind('/')?];
        }
    }
}

impl Budget {
    fn take_excess(&mut self) -> Excess {
        let (most_lines, most_bytes) = (self.most_lines, self.most_bytes);
        Excess { most_lines, most_bytes, ..std::mem::take(&mut self.excess) }
    }
}

impl Planned {
    fn lock(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use playhouse_runtime::LogEvent;

    use super::*;

    fn budgets(lines: u64, bytes: u64) -> (Arc<LogBudgets>, Arc<Mutex<Vec<String>>>) {
        let (budgets, said) = (Arc::new(LogBudgets::default()), Arc::new(Mutex::new(Vec::new())));
        budgets.set(["/a", "/b"].map(|at| (Address::parse(at).expect("good"), "test".to_owned(), lines, bytes)));
        let notes = said.clone();
        budgets.on_excess(move |event| {
            notes.lock().expect("no test panics here").push(format!("{} {}", event.subject.address, event.text()));
        });
        (budgets, said)
    }

    fn admitted(budgets: &Arc<LogBudgets>, now: Instant, address: &str, voice: Voice, lines: usize) -> usize {
        (0..lines).filter(|_| budgets.admit_at(now, address, voice, 10)).count()
    }

    #[test]
    fn budget_holds_for_guest_host_and_descendants_together() {
        let (budgets, said) = budgets(5, 1000);
        let now = Instant::now();
        assert_eq!(admitted(&budgets, now, "/a", Voice::Guest, 2), 2);
        assert_eq!(admitted(&budgets, now, "/a/child", Voice::Host, 2), 2);
        assert_eq!(admitted(&budgets, now, "/a/child/of", Voice::Guest, 3), 1);
        assert_eq!(admitted(&budgets, now, "/a", Voice::Host, 7), 0);
        assert_eq!(admitted(&budgets, now, "/b", Voice::Host, 1), 1, "another actor has its own");
        assert_eq!(admitted(&budgets, now, "/ab", Voice::Host, 9), 9, "`/ab` has no budget");
        assert_eq!(admitted(&budgets, now + PERIOD, "/a", Voice::Host, 7), 5);
        let text = "left out 2 lines of its stderr and 7 lines of the host about it (90 bytes): \
                    limits.log_lines is 5 a second, limits.log_bytes 1000";
        assert_eq!(*said.lock().unwrap(), [format!("/a {text}")]);
        budgets.say_all();
        budgets.say_all();
        assert_eq!(said.lock().unwrap().len(), 2, "each line is counted once");
        assert_eq!(budgets.left_out().by_actor(), [("/a".to_owned(), [2, 9])]);
    }

    #[test]
    fn bytes_count_as_well() {
        let (budgets, said) = budgets(1000, 35);
        assert_eq!(admitted(&budgets, Instant::now(), "/a", Voice::Host, 9), 3);
        budgets.say_all();
        assert!(said.lock().unwrap()[0].starts_with("/a left out 6 lines of the host about it (60 bytes)"));
    }

    #[test]
    fn lines_that_the_sandbox_left_out_are_reported() {
        let (budgets, said) = budgets(5, 1000);
        budgets.add_left_out("/a/child", LeftOut { lines: 3, bytes: 30, most_lines: 5, most_bytes: 1000 });
        budgets.say_all();
        assert!(said.lock().unwrap()[0].starts_with("/a left out 3 lines of its stderr (30 bytes)"));
        assert_eq!(budgets.left_out().by_actor(), [("/a".to_owned(), [3, 0])]);
    }

    #[tokio::test(start_paused = true)]
    async fn left_out_lines_of_a_silent_actor_are_reported() {
        let (budgets, said) = budgets(1, 1000);
        assert_eq!(admitted(&budgets, Instant::now(), "/a", Voice::Host, 4), 1);
        tokio::time::sleep(PERIOD * 2).await;
        assert_eq!(said.lock().unwrap().len(), 1);
    }
}
