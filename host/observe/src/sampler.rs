//! Samples of all actors, one each second, whether metrics are on or not: how many messages they handled, the CPU time of their
//! code, and the age of their oldest unfinished message. With 10,000 actors, an idle one costs at
//! most 160 bytes (the table may be half empty), one that handled a message in the last minute 490 more, and one with unfinished
//! messages up to 770 more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use playhouse_kernel::{ActorId, Kernel, Progress};
use tokio::time::MissedTickBehavior;

use crate::ages::Notes;

/// Time between two samples.
const PERIOD: Duration = Duration::from_secs(1);
/// Samples of the longer rate: those of a minute.
const SAMPLES: usize = 60;

/// The recent past of each actor.
pub struct Sampler(Mutex<State>);

/// An actor as its samples show it. A rate over a second is that between the last two samples; one over a minute is that of the
/// last 60 samples, or of all since the actor was first seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Recent {
    /// Messages handled in each second, over the last second.
    pub handled_1s: f64,
    /// The same over the last minute.
    pub handled_1m: f64,
    /// CPU time in each second of time, over the last second: 1 is a whole core.
    pub cpu_1s: f64,
    /// The same over the last minute.
    pub cpu_1m: f64,
    /// A lower bound of the age of the oldest unfinished message.
    pub oldest: Duration,
}

struct State {
    /// The number of the last sample; 0 is the begin.
    number: u64,
    /// The times of the last samples, the last one at the end: one more than a minute has.
    times: VecDeque<Instant>,
    tracks: HashMap<ActorId, Track>,
}

/// The samples of one actor.
struct Track {
    /// The number of the first sample.
    first: u64,
    /// The number of the last sample.
    last: u64,
    handled: u64,
    cpu_ns: u64,
    /// None while the actor handled nothing in the last minute.
    deltas: Option<Box<Deltas>>,
    notes: Notes,
}

/// The differences between the samples of a minute, by the sample's number.
struct Deltas {
    handled: [u32; SAMPLES],
    cpu_us: [u32; SAMPLES],
    /// The last sample with a difference.
    last: u64,
}

impl Sampler {
    /// A sampler that begins now.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(State { number: 0, times: VecDeque::from([now]), tracks: HashMap::new() }))
    }

    /// Samples a play each second, until the future is dropped. A sample only reads, so that an idle play stays idle.
    pub async fn run(self: Arc<Self>, kernel: Kernel) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            // A tick may be late.
            self.sample(&kernel, now.into_std().max(tokio::time::Instant::now().into_std()));
        }
    }

    /// Samples all actors of a play.
    pub fn sample(&self, kernel: &Kernel, now: Instant) {
        let mut state = self.0.lock();
        state.begin(now);
        kernel.progress(|progress| state.note(progress, now));
        state.end();
    }

    /// The recent past of an actor.
    pub fn recent(&self, progress: &Progress, now: Instant) -> Recent {
        self.0.lock().recent(progress, now)
    }

    /// A lower bound of the age of an actor's oldest unfinished message; zero before the first sample that has it.
    pub fn oldest(&self, progress: &Progress, now: Instant) -> Duration {
        self.0.lock().tracks.get(&progress.actor).map_or(Duration::ZERO, |track| track.notes.age(progress, now))
    }
}

impl State {
    fn begin(&mut self, now: Instant) {
        self.number += 1;
        if self.times.len() > SAMPLES {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    fn note(&mut self, progress: Progress, now: Instant) {
        let number = self.number;
        let track = self.tracks.entry(progress.actor).or_insert_with(|| Track {
            first: number,
            last: number,
            handled: 0,
            cpu_ns: 0,
            deltas: None,
            notes: Notes::default(),
        });
        track.note(&progress, number, now);
    }

    /// Forgets the actors that are gone.
    fn end(&mut self) {
        let number = self.number;
        self.tracks.retain(|_, track| track.last == number);
        if self.tracks.len() * 4 < self.tracks.capacity() {
            self.tracks.shrink_to_fit();
        }
    }

    fn recent(&self, progress: &Progress, now: Instant) -> Recent {
        let Some(track) = self.tracks.get(&progress.actor) else { return Recent::default() };
        let oldest = track.notes.age(progress, now);
        let Some(deltas) = &track.deltas else { return Recent { oldest, ..Recent::default() } };
        let ago = |samples: u64| {
            let samples = usize::try_from(samples).unwrap_or(usize::MAX);
            let first = self.times.len().saturating_sub(samples.saturating_add(1));
            self.times.back().zip(self.times.get(first)).map_or(0.0, |(last, first)| (*last - *first).as_secs_f64())
        };
        // An actor that is new has handled its messages since the sample before its first one.
        let samples = (self.number - track.first + 1).min(SAMPLES as u64);
        let rate = |amount: f64, seconds: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        let sum = |of: &[u32; SAMPLES]| of.iter().copied().map(f64::from).sum::<f64>();
        let (second, minute, at) = (ago(1), ago(samples), place(self.number));
        Recent {
            handled_1s: rate(f64::from(deltas.handled[at]), second),
            handled_1m: rate(sum(&deltas.handled), minute),
            cpu_1s: rate(f64::from(deltas.cpu_us[at]) / 1e6, second),
            cpu_1m: rate(sum(&deltas.cpu_us) / 1e6, minute),
            oldest,
        }
    }
}

fn place(number: u64) -> usize {
    (number % SAMPLES as u64) as usize
}

impl Track {
    fn note(&mut self, progress: &Progress, number: u64, now: Instant) {
        self.last = number;
        self.notes.note(progress, now);
        let cpu_ns = u64::try_from(progress.cpu.as_nanos()).unwrap_or(u64::MAX);
        let handled = progress.handled.saturating_sub(self.handled);
        let cpu_us = cpu_ns.saturating_sub(self.cpu_ns) / 1000;
        // The rest of a microsecond counts the next time.
        self.cpu_ns += cpu_us * 1000;
        self.handled += handled;
        let is_some = handled > 0 || cpu_us > 0;
        if is_some {
            let deltas = self
                .deltas
                .get_or_insert_with(|| Box::new(Deltas { handled: [0; SAMPLES], cpu_us: [0; SAMPLES], last: number }));
            deltas.last = number;
        }
        let Some(deltas) = &mut self.deltas else { return };
        if number - deltas.last >= SAMPLES as u64 {
            self.deltas = None;
            return;
        }
        deltas.handled[place(number)] = u32::try_from(handled).unwrap_or(u32::MAX);
        deltas.cpu_us[place(number)] = u32::try_from(cpu_us).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn progress(actor: ActorId, handled: u64, cpu_ms: u64) -> Progress {
        let cpu = Duration::from_millis(cpu_ms);
        Progress { actor, accepted: handled, finished: handled, handled, cpu }
    }

    /// A state whose clock is the test's.
    struct Play {
        state: State,
        now: Instant,
    }

    impl Play {
        fn new() -> Self {
            let now = Instant::now();
            Self { state: State { number: 0, times: VecDeque::from([now]), tracks: HashMap::new() }, now }
        }

        fn after(&mut self, pause: Duration, all: &[Progress]) {
            self.now += pause;
            self.state.begin(self.now);
            for progress in all {
                self.state.note(*progress, self.now);
            }
            self.state.end();
        }

        /// The rates as texts, which are exact for these numbers.
        fn recent(&self) -> [String; 4] {
            let Recent { handled_1s, handled_1m, cpu_1s, cpu_1m, .. } =
                self.state.recent(&progress(ActorId::OUTSIDE, 0, 0), self.now);
            [handled_1s, handled_1m, cpu_1s, cpu_1m].map(|rate| rate.to_string())
        }
    }

    #[test]
    fn rates_are_of_a_second_and_of_all_within_a_minute() {
        let mut play = Play::new();
        assert_eq!(play.recent(), ["0"; 4]);
        let sample = |handled, cpu_ms| [progress(ActorId::OUTSIDE, handled, cpu_ms)];
        play.after(SECOND, &sample(10, 500));
        assert_eq!(play.recent(), ["10", "10", "0.5", "0.5"]);
        play.after(SECOND, &sample(40, 500));
        assert_eq!(play.recent(), ["30", "20", "0", "0.25"]);
        play.after(SECOND * 2, &sample(40, 1500));
        assert_eq!(play.recent(), ["0", "10", "0.5", "0.375"], "this sample was a second late");
    }

    #[test]
    fn minute_forgets_what_was_before_it() {
        let mut play = Play::new();
        play.after(SECOND, &[progress(ActorId::OUTSIDE, 6000, 0)]);
        for second in 1..60 {
            play.after(SECOND, &[progress(ActorId::OUTSIDE, 6000, 0)]);
            let all = f64::from(second + 1);
            assert_eq!(play.recent()[..2], ["0".to_owned(), (6000.0 / all).to_string()]);
        }
        play.after(SECOND, &[progress(ActorId::OUTSIDE, 6060, 0)]);
        assert_eq!(play.recent()[..2], ["60", "1"]);
        for _ in 0..60 {
            play.after(SECOND, &[progress(ActorId::OUTSIDE, 6060, 0)]);
        }
        assert_eq!(play.recent(), ["0"; 4]);
        assert!(play.state.tracks[&ActorId::OUTSIDE].deltas.is_none(), "an idle actor takes less memory");
        assert_eq!(play.state.times.len(), SAMPLES + 1);
    }

    #[test]
    fn new_actor_has_its_rate_since_it_came() {
        let mut play = Play::new();
        for _ in 0..30 {
            play.after(SECOND, &[]);
        }
        play.after(SECOND, &[progress(ActorId::OUTSIDE, 8, 0)]);
        play.after(SECOND, &[progress(ActorId::OUTSIDE, 10, 0)]);
        assert_eq!(play.recent()[..2], ["2", "5"]);
        play.after(SECOND, &[]);
        assert!(play.state.tracks.is_empty(), "an actor that is gone is forgotten");
    }

    #[test]
    fn memory_of_an_actor_is_bounded() {
        assert!(size_of::<(ActorId, Track)>() <= 80, "{}", size_of::<(ActorId, Track)>());
        assert!(size_of::<Deltas>() <= 490, "{}", size_of::<Deltas>());
    }
}
