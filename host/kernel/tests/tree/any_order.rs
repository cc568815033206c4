//! Any tree, any events, any times: the promises of [`Watcher`](crate::watchful::Watcher) hold, every actor comes to rest,
//! and the play ends in time.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Directive, Ended, Event, Fault, Node, NodeSpec, ROOT};
use playhouse_kernel::{Backoff, MessageId, RestartKind, StartKind, Strategy as Restarts, SupervisionSpec};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use crate::house::*;

const KINDS: [RestartKind; 4] =
    [RestartKind::Permanent, RestartKind::Permanent, RestartKind::Transient, RestartKind::Temporary];
const STRATEGIES: [Restarts; 3] = [Restarts::OneForOne, Restarts::OneForAll, Restarts::RestForOne];
const STARTS: [StartKind; 8] = {
    let mut starts = [StartKind::Auto; 8];
    (starts[6], starts[7]) = (StartKind::OnMessage, StartKind::Manual);
    starts
};
const DIRECTIVES: [Directive; 4] = [Directive::Restart, Directive::Stop, Directive::Escalate, Directive::Default];
const COOLDOWNS: [Option<Duration>; 3] = [None, Some(Duration::ZERO), Some(Duration::from_secs(30))];
const DEEPEST: usize = 4;
const MOST_ACTORS: usize = 40;
/// The time that an incarnation takes for an answer while the play ends.
const ANSWER: Duration = Duration::from_millis(70);

fn supervision() -> impl Strategy<Value = SupervisionSpec> {
    let seconds = |choice: &'static [u64]| proptest::sample::select(choice).prop_map(Duration::from_secs);
    let intensity = proptest::sample::select(&[0, 1, 2, 5, 100, 100, 100, 100]);
    (proptest::sample::select(&STRATEGIES), intensity, seconds(&[1, 10]), seconds(&[0, 1, 5]))
        .prop_map(|(strategy, intensity, period, shutdown)| SupervisionSpec { strategy, intensity, period, shutdown })
}

fn spec() -> impl Strategy<Value = NodeSpec> {
    let backoff = proptest::sample::select(&[(0, 0), (0, 0), (10, 1000), (1000, 10_000)]);
    (
        proptest::sample::select(&KINDS),
        backoff,
        supervision(),
        proptest::sample::select(&STARTS),
        prop::bool::weighted(0.3),
        proptest::sample::select(&COOLDOWNS),
    )
        .prop_map(|(kind, (initial, max), supervision, start, decides_failures, trials)| NodeSpec {
            kind,
            backoff: Backoff { initial: Duration::from_millis(initial), max: Duration::from_millis(max) },
            supervision,
            start,
            dynamic: false,
            lasting: false,
            decides_failures,
            directive_timeout: Duration::from_secs(2),
            cooldown: trials,
            required: false,
            isolates: false,
        })
}

/// The next event. Its numbers choose among the actors to which it can happen.
#[derive(Debug, Clone)]
enum Move {
    Answer(usize),
    AnswerAll,
    ComesUp(usize),
    Ends(usize, Ended),
    /// A message arrived for it.
    Wanted(usize),
    /// Its code refuses to start.
    Refused(usize, Option<Duration>),
    /// An incarnation ends by itself after an order to stop, or while it starts.
    EndsInstead(usize, Ended),
    AllCrash,
    /// Its run reports the handled messages and the cause of its end.
    Accounts(usize, u64, Fault),
    Halt(usize),
    Resume(usize),
    Pass(Duration),
    /// The timer fires when it is due, or late.
    Fire(Duration),
    /// With this number of instances.
    Spawn(usize, NodeSpec, usize),
    Dismiss(usize),
    Adopt(usize),
    Direct(usize, Directive),
    /// Of an incarnation that is over, or of a removed actor.
    Late(usize, u8),
    Shutdown,
    Kill,
}

fn moves() -> impl Strategy<Value = Move> {
    let ended = || {
        proptest::sample::select(&[
            Ended::Crashed,
            Ended::Crashed,
            Ended::Exited,
            Ended::Stopped,
            Ended::Idle,
            Ended::Idle,
        ])
    };
    let recheck = || prop_oneof![Just(None), (0..20u64).prop_map(|ms| Some(Duration::from_millis(ms)))];
    let one = any::<usize>;
    prop_oneof![
        20 => (1..6usize).prop_map(Move::Answer),
        8 => Just(Move::AnswerAll),
        10 => one().prop_map(Move::ComesUp),
        16 => (one(), ended()).prop_map(|(who, how)| Move::Ends(who, how)),
        8 => (one(), ended()).prop_map(|(who, how)| Move::EndsInstead(who, how)),
        1 => Just(Move::AllCrash),
        6 => (one(), 0..30u64, fault()).prop_map(|(who, handled, fault)| Move::Accounts(who, handled, fault)),
        12 => one().prop_map(Move::Wanted),
        8 => (one(), recheck()).prop_map(|(who, recheck)| Move::Refused(who, recheck)),
        4 => one().prop_map(Move::Halt),
        6 => one().prop_map(Move::Resume),
        6 => (0..50u64).prop_map(|ms| Move::Pass(Duration::from_millis(ms))),
        2 => (1..15u64).prop_map(|s| Move::Pass(Duration::from_secs(s))),
        6 => proptest::sample::select(&[0, 0, 1, 3000]).prop_map(|ms| Move::Fire(Duration::from_millis(ms))),
        10 => (one(), spec(), instances()).prop_map(|(who, spec, instances)| Move::Spawn(who, spec, instances)),
        4 => one().prop_map(Move::Dismiss),
        8 => one().prop_map(Move::Adopt),
        6 => (one(), proptest::sample::select(&DIRECTIVES)).prop_map(|(who, what)| Move::Direct(who, what)),
        4 => (one(), any::<u8>()).prop_map(|(who, what)| Move::Late(who, what)),
        1 => prop_oneof![6 => Just(Move::AnswerAll), 2 => Just(Move::Shutdown), 1 => Just(Move::Kill)],
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let message = (0..4u64).prop_map(|n| Fault::Message(MessageId::seeded("any", n)));
    prop_oneof![Just(Fault::Actor), Just(Fault::Batch), Just(Fault::Another), message]
}

/// The behaviour of actors when the play ends.
#[derive(Debug, Clone, Copy)]
enum Manners {
    Polite,
    /// No actor ever answers, except to a kill.
    Deaf,
    /// Every actor crashes after each start.
    Crashing,
    /// Every actor crashes repeatedly, except those with an order to stop.
    Restless,
    /// Every actor was idle, and ended just before its order to stop.
    Drowsy,
}

fn pick<T: Copy>(from: &[T], number: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[number % from.len()])
}

impl House {
    fn nodes_where(&self, wanted: impl Fn(&crate::watchful::Known) -> bool) -> Vec<Node> {
        self.watcher.nodes.iter().filter(|(_, known)| wanted(known)).map(|(node, _)| *node).collect()
    }

    fn depth(&self, node: Node) -> usize {
        self.watcher.nodes.get(&node).map_or(0, |known| 1 + self.depth(known.parent))
    }

    fn ends(&mut self, node: Option<Node>, how: Ended) {
        if let Some(node) = node {
            self.step(Event::Ended(node, self.watcher.incarnation(node), how));
        }
    }

    fn apply(&mut self, a_move: &Move) {
        match *a_move {
            Move::Answer(times) => {
                for _ in 0..times {
                    self.answer_one();
                }
            }
            Move::AnswerAll => self.answer(),
            Move::ComesUp(who) => {
                if let Some(node) = pick(&self.nodes_where(|known| known.alive && !known.up), who) {
                    self.step(Event::Started(node, self.watcher.incarnation(node)));
                }
            }
            Move::Ends(who, how) => self.ends(pick(&self.nodes_where(|known| known.alive), who), how),
            Move::EndsInstead(who, how) => {
                self.ends(pick(&self.nodes_where(|known| known.alive && (known.told || !known.up)), who), how);
            }
            Move::Wanted(who) => {
                if let Some(node) = pick(&self.nodes_where(|known| !known.alive || who % 8 == 0), who / 8) {
                    self.step(Event::Wanted(node));
                }
            }
            Move::Refused(who, recheck) => {
                let node = pick(&self.nodes_where(|known| known.alive && (!known.up || who % 8 == 0)), who / 8);
                self.ends(node, Ended::Refused(recheck));
            }
            Move::AllCrash => {
                for node in self.nodes_where(|known| known.alive) {
                    self.ends(Some(node), Ended::Crashed);
                }
            }
            Move::Accounts(who, handled, fault) => {
                if let Some(node) = pick(&self.nodes_where(|known| known.alive || who % 8 == 0), who / 8) {
                    self.step(Event::Account { node, handled, fault });
                }
            }
            Move::Halt(who) => {
                if let Some(node) = pick(&self.nodes_where(|_| true), who) {
                    self.step(Event::Halt(node));
                }
            }
            Move::Resume(who) => {
                if let Some(node) =
                    pick(&self.nodes_where(|known| known.halted || known.failed || who % 8 == 0), who / 8)
                {
                    self.step(Event::Resume(node));
                }
            }
            Move::Pass(time) => self.wait(time),
            Move::Fire(late) => {
                if let Some(due) = self.tree.next_timer() {
                    self.now = self.now.max(due + late);
                    self.step(Event::Timer);
                }
            }
            Move::Spawn(who, spec, instances) => {
                let mut parents = self.nodes_where(|_| true);
                parents.retain(|&node| self.depth(node) < DEEPEST && !self.watcher.is_several(node));
                parents.push(ROOT);
                // Mostly by actors that can, sometimes by one that has just ended.
                let able: Vec<_> = parents.iter().copied().filter(|&n| self.watcher.may_have_children(n)).collect();
                let parents = if able.is_empty() || who % 5 == 0 { parents } else { able };
                let parent = pick(&parents, who / 5).expect("the kernel");
                if self.watcher.over.is_none() && self.watcher.nodes.len() < MOST_ACTORS {
                    let spec = NodeSpec { dynamic: true, ..spec };
                    let first = self.add_below(parent, spec);
                    // The kernel itself spawns nothing, and counts no failures of removed instances.
                    let more = if parent == ROOT { 1 } else { instances };
                    let others: Vec<_> = (1..more).map(|_| self.add_instance_of(first, spec)).collect();
                    for node in [first].into_iter().chain(others) {
                        self.step(Event::Spawned(node));
                    }
                }
            }
            Move::Dismiss(who) => {
                if let Some(node) = pick(&self.nodes_where(|known| known.spec.dynamic || who % 4 == 0), who / 4) {
                    self.step(Event::Dismiss(node));
                }
            }
            Move::Adopt(who) => {
                let comes_up = |node: Node| self.watcher.nodes.get(&node).is_some_and(|known| known.alive && !known.up);
                let any = who % 8 == 0;
                if let Some(node) = pick(&self.nodes_where(|k| k.orphan && (any || comes_up(k.parent))), who / 8) {
                    self.step(Event::Adopted(node));
                }
            }
            Move::Direct(who, directive) => {
                if let Some((child, incarnation)) = pick(&self.watcher.asked, who) {
                    self.step(Event::Directive { child, incarnation, directive });
                }
            }
            Move::Late(who, what) => self.something_late(who, what),
            Move::Shutdown => drop(self.step(Event::Shutdown)),
            Move::Kill => drop(self.step(Event::Kill)),
        }
    }

    fn something_late(&mut self, who: usize, what: u8) {
        let gone = pick(&self.watcher.forgotten, who);
        let before = pick(&self.nodes_where(|known| known.incarnation > 0), who);
        let event = match (gone, before, what % 8) {
            (Some(node), _, 0) => Event::Ended(node, u64::from(what) / 8, Ended::Crashed),
            (Some(node), _, 1) => Event::Started(node, u64::from(what) / 8),
            (Some(node), _, 2) => Event::Spawned(node),
            (Some(node), _, 3) => Event::Dismiss(node),
            (Some(node), _, 4) => Event::Resume(node),
            (_, Some(node), 5) => Event::Started(node, self.watcher.incarnation(node) - 1),
            (_, Some(child), 6) => {
                let incarnation = self.watcher.incarnation(child) - 1;
                Event::Directive { child, incarnation, directive: Directive::Escalate }
            }
            (_, Some(node), _) => Event::Ended(node, self.watcher.incarnation(node) - 1, Ended::Crashed),
            _ => return,
        };
        self.step(event);
    }

    /// One answer in the play's last minutes. False when no actor has one.
    fn answer_with(&mut self, manners: Manners) -> bool {
        let told = |known: &crate::watchful::Known| known.alive && known.told;
        let (node, how) = match manners {
            Manners::Polite => return self.answer_one(),
            Manners::Deaf => (None, Ended::Stopped),
            Manners::Crashing => (pick(&self.nodes_where(|known| known.alive), 0), Ended::Crashed),
            Manners::Restless => match pick(&self.nodes_where(|known| known.alive && !known.told), 0) {
                Some(node) => (Some(node), Ended::Crashed),
                None => (pick(&self.nodes_where(told), 0), Ended::Stopped),
            },
            Manners::Drowsy => {
                // An actor that must drain after its end does so.
                let node = pick(&self.nodes_where(|known| known.alive), 0);
                let told_at_once = |node: &Node| self.watcher.nodes[node].drains_after_all;
                (node, if node.as_ref().is_some_and(told_at_once) { Ended::Stopped } else { Ended::Idle })
            }
        };
        self.ends(node, how);
        node.is_some()
    }

    /// Shuts down, and returns the time of it.
    fn end_play(&mut self, manners: Manners) -> Duration {
        let began = self.now;
        self.step(Event::Shutdown);
        let mut steps = 0;
        while self.watcher.over.is_none() {
            // A kill ends an incarnation at once. Every other end takes time.
            if let Some(node) = pick(&self.nodes_where(|known| known.alive && known.killed), 0) {
                self.ends(Some(node), Ended::Stopped);
                continue;
            }
            let answered = self.answer_with(manners);
            let due = self.tree.next_timer().filter(|&due| due <= self.now + ANSWER || !answered);
            assert!(answered || due.is_some(), "the play never ends");
            match due {
                _ if self.watcher.over.is_some() => {}
                Some(due) => {
                    self.now = self.now.max(due);
                    self.step(Event::Timer);
                }
                None => self.now += ANSWER,
            }
            steps += 1;
            assert!(steps < 200_000, "the play never ends");
        }
        self.now - began
    }
}

fn instances() -> impl Strategy<Value = usize> {
    proptest::sample::select(&[1, 1, 1, 2, 3])
}

/// Each actor's parent, as a number among those before it, its kind, and its number of instances.
fn tree() -> impl Strategy<Value = (SupervisionSpec, Vec<(usize, NodeSpec, usize)>)> {
    // A kernel that soon fails ends most plays too early.
    let kernel = (supervision(), prop::bool::weighted(0.8))
        .prop_map(|(spec, patient)| SupervisionSpec { intensity: if patient { 1000 } else { spec.intensity }, ..spec });
    (kernel, proptest::collection::vec((any::<usize>(), spec(), instances()), 1..12))
}

fn cases(cases: u32) -> Config {
    let failure_persistence: Option<Box<dyn proptest::test_runner::FailurePersistence>> =
        Some(Box::new(FileFailurePersistence::Off));
    Config { cases, failure_persistence, max_shrink_iters: 20_000, ..Config::default() }
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn rules_hold_for_any_order_of_events(
        (kernel, actors) in tree(),
        events in proptest::collection::vec(moves(), 0..120),
        boots in prop::bool::weighted(0.8),
        passivated_first in any::<bool>(),
        required in 0..20usize,
        manners in proptest::sample::select(&[Manners::Polite, Manners::Deaf, Manners::Crashing, Manners::Restless, Manners::Drowsy]),
    ) {
        let mut house = House::new(kernel);
        let mut nodes = vec![ROOT];
        for (n, (parent, spec, instances)) in actors.into_iter().enumerate() {
            let parents: Vec<_> = nodes.iter().copied().filter(|&node| house.depth(node) < DEEPEST).collect();
            let parent = pick(&parents, parent).expect("the kernel");
            let required = parent == ROOT && n == required;
            let spec = NodeSpec { required, ..spec };
            let node = house.add_below(parent, spec);
            for _ in 1..instances {
                house.add_instance_of(node, spec);
            }
            if instances == 1 {
                nodes.push(node);
            }
        }
        house.step(Event::Boot);
        if boots {
            house.settle();
        }
        for event in &events {
            house.apply(event);
        }
        if passivated_first {
            house.settle();
            house.watcher.check_passivated(&house.tree);
        }
        if house.watcher.over.is_none() {
            let most = house.watcher.longest_shutdown();
            let took = house.end_play(manners);
            prop_assert!(took <= most, "the shutdown took {took:?}, the sum of the times is {most:?}");
        }
        house.watcher.check_passivated(&house.tree);
    }
}
