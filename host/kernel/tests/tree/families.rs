//! Families: members are supervised alone, below a head that never fails because of them, and leave when nothing is known of them.

use std::time::Duration;

use playhouse_kernel::supervision::events::{Action, Ended, Event, Fault, Node, NodeSpec, ROOT, State, WhyGaveUp};
use playhouse_kernel::supervision::tree::Tree;
use playhouse_kernel::{StartKind, SupervisionSpec};

use crate::house::{PLAIN, SECOND, SUPERVISOR};

const COOLDOWN: Duration = Duration::from_mins(1);
const MEMBER: NodeSpec = NodeSpec { start: StartKind::OnMessage, dynamic: true, cooldown: Some(COOLDOWN), ..PLAIN };

/// A family whose head is up, two restarts in ten seconds allowed.
struct Family {
    tree: Tree,
    head: Node,
    now: Duration,
}

impl Family {
    fn new() -> Self {
        let supervision = SupervisionSpec { intensity: 2, ..SUPERVISOR };
        let mut tree = Tree::new(supervision, 7);
        let head = tree.add(ROOT, NodeSpec { supervision, isolates: true, ..PLAIN }).unwrap();
        tree.step(Duration::ZERO, Event::Boot);
        tree.step(Duration::ZERO, Event::Started(head, 1));
        Self { tree, head, now: Duration::ZERO }
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.tree.step(self.now, event)
    }

    /// A member that is up.
    fn member(&mut self) -> Node {
        let member = self.tree.add(self.head, MEMBER).unwrap();
        assert_eq!(self.step(Event::Spawned(member)), [Action::Passivated(member)]);
        assert_eq!(self.step(Event::Wanted(member)), [Action::Start(member, 1)]);
        self.step(Event::Started(member, 1));
        member
    }

    fn crash(&mut self, member: Node) -> Vec<Action> {
        let incarnation = self.tree.view(member).unwrap().incarnation;
        self.step(Event::Account { node: member, handled: 0, fault: Fault::Actor });
        let actions = self.step(Event::Ended(member, incarnation, Ended::Crashed));
        let next = self.tree.view(member).unwrap().incarnation;
        if next > incarnation {
            self.step(Event::Started(member, next));
        }
        actions
    }

    fn idle(&mut self, member: Node) -> Vec<Action> {
        let incarnation = self.tree.view(member).unwrap().incarnation;
        self.step(Event::Ended(member, incarnation, Ended::Idle))
    }

    fn state(&self, node: Node) -> State {
        self.tree.view(node).unwrap().state
    }
}

#[test]
fn member_that_fails_too_often_is_failed_alone() {
    let mut family = Family::new();
    let (bad, good) = (family.member(), family.member());
    family.crash(bad);
    family.crash(good);
    family.crash(bad);
    family.crash(good);
    let failed = family.crash(bad);
    assert!(
        matches!(failed[..], [Action::Failed { why: WhyGaveUp::TooOften(_), trial_in: Some(COOLDOWN), .. }]),
        "{failed:?}"
    );
    assert_eq!(
        [bad, good, family.head].map(|node| family.state(node)),
        [State::Failed, State::Running, State::Running]
    );
    family.now += COOLDOWN;
    let trial = family.step(Event::Timer);
    assert_eq!(trial, [Action::Reset(bad), Action::Start(bad, 4)]);
}

#[test]
fn first_start_of_a_member_that_fails_is_tried_again() {
    let mut family = Family::new();
    let member = family.tree.add(family.head, MEMBER).unwrap();
    family.step(Event::Spawned(member));
    family.step(Event::Wanted(member));
    let actions = family.step(Event::Ended(member, 1, Ended::FailedStart));
    assert!(matches!(actions[..], [Action::RestartIn { .. }, Action::Start(..)]), "{actions:?}");
}

#[test]
fn passivated_member_leaves_unless_a_failure_counts() {
    let mut family = Family::new();
    let (bad, good) = (family.member(), family.member());
    assert!(!family.tree.may_be_released(good), "it runs");
    family.crash(bad);
    assert_eq!((family.idle(bad), family.idle(good)), (vec![Action::Passivated(bad)], vec![Action::Passivated(good)]));
    assert_eq!((family.tree.may_be_released(bad), family.tree.may_be_released(good)), (false, true));
    assert_eq!(family.step(Event::Released(bad)), []);
    assert_eq!(family.step(Event::Released(good)), [Action::Forget(good)]);
    assert!(family.tree.view(good).is_none());
    // When the failure does not count any more, the supervision looks again.
    family.now = family.tree.next_timer().unwrap();
    assert!(family.now >= 10 * SECOND);
    assert_eq!(family.step(Event::Timer), [Action::Passivated(bad)]);
    assert!(family.tree.may_be_released(bad));
    family.step(Event::Released(bad));
    assert_eq!((family.tree.len(), family.tree.next_timer()), (1, None));
}

#[test]
fn message_starts_a_member_whose_failures_count() {
    let mut family = Family::new();
    let member = family.member();
    family.crash(member);
    family.idle(member);
    assert_eq!(family.step(Event::Wanted(member)), [Action::Start(member, 3)]);
    assert_eq!(family.tree.next_timer(), None);
}

#[test]
fn stop_of_the_play_drains_members_before_their_head() {
    let mut family = Family::new();
    let (runs, rests) = (family.member(), family.member());
    family.idle(rests);
    let actions = family.step(Event::Shutdown);
    assert_eq!(actions, [Action::Forget(rests), Action::Stop { node: runs, drain: true }]);
    let late = family.tree.add(family.head, MEMBER).unwrap();
    assert_eq!(family.step(Event::Spawned(late)), [Action::Forget(late)], "no member is made any more");
    let actions = family.step(Event::Ended(runs, 1, Ended::Stopped));
    assert_eq!(actions, [Action::Forget(runs), Action::Stop { node: family.head, drain: true }]);
}
