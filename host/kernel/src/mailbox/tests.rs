//! A mailbox with several instances, against a model: which sleep, which were woken, which are busy.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use std::time::Duration;

use super::*;
use playhouse_frame::{HEADER_BYTES, Parts};

use crate::mailbox::message_log::TakenMessages;
use crate::words::address::Address;
use crate::words::event::AboutActor;
use crate::words::message::{ActorId, Envelope, FlowId, MessageId, Payload, ReplyToken, append_numbered};

const ENVELOPE: Envelope = Envelope {
    id: MessageId(1),
    sender: ActorId(1),
    flow: FlowId(1),
    hops: 0,
    attempt: 0,
    reply: ReplyToken::NONE,
    parts: Parts::NONE,
};

/// Remembers that it was woken.
#[derive(Default)]
struct Alarm {
    rang: AtomicBool,
    times: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Sleeps,
    Works,
    /// Its incarnation ended.
    Down,
}

/// The action of an instance that looks.
#[derive(Debug, Clone, Copy)]
enum Then {
    Takes(usize),
    /// It has a backlog.
    HandlesItsOwn,
    Ends,
}

fn owner() -> AboutActor<'static> {
    static ROOT: LazyLock<Address> = LazyLock::new(Address::root);
    AboutActor { address: &ROOT, plugin: "test" }
}

struct Model {
    mailbox: Mailbox,
    instances: Vec<(Doing, Arc<Alarm>)>,
}

impl Model {
    fn new(instances: usize) -> Self {
        let instance = || (Doing::Works, Arc::default());
        Self {
            mailbox: Mailbox::new(MailboxSpec::default(), None, instances),
            instances: std::iter::repeat_with(instance).take(instances).collect(),
        }
    }

    fn push(&self, messages: usize) {
        let fill =
            |space: &mut Space<'_>| (0..messages).for_each(|_| assert!(space.put(&ENVELOPE, &Payload::plain(b"x"))));
        assert_eq!(self.mailbox.push(&owner(), fill), Ok(Vec::new()));
    }

    /// An instance looks, as an incarnation does; returns how many messages it takes.
    fn look(&mut self, instance: usize, then: Then) -> usize {
        let (doing, alarm) = &mut self.instances[instance];
        alarm.rang.store(false, Ordering::Relaxed);
        if *doing == Doing::Down {
            self.mailbox.set_signal(instance, Signal::Run);
            *doing = Doing::Works;
        }
        let mut batch = TakenMessages::default();
        let waker = Waker::from(alarm.clone());
        *doing = match then {
            Then::Takes(most) => {
                let mut cx = Context::from_waker(&waker);
                match self.mailbox.poll_take(instance, &mut cx, most, 1 << 20, false, &mut batch) {
                    Poll::Ready(_) => Doing::Works,
                    Poll::Pending => Doing::Sleeps,
                }
            }
            Then::HandlesItsOwn => {
                self.mailbox.look(instance);
                self.mailbox.pass_on();
                Doing::Works
            }
            Then::Ends => {
                self.mailbox.look(instance);
                self.mailbox.pass_on();
                Doing::Down
            }
        };
        batch.len()
    }

    fn sleepers(&self, woken: bool) -> usize {
        let counts = |(doing, alarm): &&(Doing, Arc<Alarm>)| {
            *doing == Doing::Sleeps && alarm.rang.load(Ordering::Relaxed) == woken
        };
        self.instances.iter().filter(counts).count()
    }

    /// The number of wake-ups of all instances but `except`.
    fn wakes(&self, except: usize) -> usize {
        let others = self.instances.iter().enumerate().filter(|(instance, _)| *instance != except);
        others.map(|(_, (_, alarm))| alarm.times.load(Ordering::Relaxed)).sum()
    }
}

fn step() -> impl Strategy<Value = (usize, usize, Option<Then>)> {
    let then = prop_oneof![
        6 => (1usize..12).prop_map(Then::Takes),
        1 => Just(Then::HandlesItsOwn),
        1 => Just(Then::Ends),
    ];
    // An instance, a number of messages, and an action; `None` is a push.
    (0usize..5, 1usize..20, prop_oneof![1 => Just(None), 3 => then.prop_map(Some)])
}

proptest! {
    #[test]
    fn waiting_messages_keep_one_instance_awake(
        instances in 1usize..5,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new(instances);
        let (mut pushed, mut taken) = (0, 0);
        for (instance, messages, then) in steps {
            let instance = if then.is_some() { instance % instances } else { usize::MAX };
            let before = model.wakes(instance);
            match then {
                Some(then) => taken += model.look(instance, then),
                None if pushed - taken < 1000 => {
                    model.push(messages);
                    pushed += messages;
                }
                None => {}
            }
            prop_assert!(model.wakes(instance) <= before + 1, "one at a time");
            let nobody_missing = model.sleepers(false) == 0 || model.sleepers(true) > 0;
            prop_assert!(model.mailbox.len() == 0 || nobody_missing);
        }
        // The woken instances are enough to empty the mailbox.
        for instance in 0..instances {
            if model.instances[instance].0 != Doing::Sleeps {
                taken += model.look(instance, Then::Takes(64));
            }
        }
        while let Some(instance) = model.instances.iter().position(|(doing, alarm)| {
            *doing == Doing::Works || alarm.rang.load(Ordering::Relaxed)
        }) {
            taken += model.look(instance, Then::Takes(64));
        }
        prop_assert_eq!(taken, pushed);
    }
}

#[test]
fn instance_takes_its_share_of_at_least_eight() {
    let mut model = Model::new(4);
    model.push(64);
    let all = Then::Takes(64);
    assert_eq!([0, 1, 2, 3].map(|instance| model.look(instance, all)), [16, 12, 9, 8]);
    assert_eq!([0, 1, 2].map(|instance| model.look(instance, all)), [8, 8, 3]);
    let mut alone = Model::new(1);
    alone.push(64);
    assert_eq!(alone.look(0, all), 64);
}

#[test]
fn last_drained_instance_closes_the_mailbox() {
    let mut model = Model::new(3);
    assert_eq!(model.mailbox.sibling_of(1, 0), Some(0));
    assert!(model.mailbox.is_drained(0));
    model.push(1);
    assert!(!model.mailbox.is_drained(2), "a message waits");
    assert_eq!(model.look(2, Then::Takes(1)), 1);
    assert!(model.mailbox.is_drained(2));
    assert_eq!(model.mailbox.push(&owner(), |_| ()), Err(Refused::Closed));
}

#[test]
fn nudge_wakes_an_instance_that_is_about_to_sleep() {
    let mut model = Model::new(2);
    model.mailbox.look(1);
    model.mailbox.nudge(1);
    assert_eq!(model.look(1, Then::Takes(1)), 0);
    assert!(model.instances[1].1.rang.load(Ordering::Relaxed), "it looks again, into its backlog first");
    model.look(1, Then::Takes(1));
    assert!(!model.instances[1].1.rang.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn take_reports_a_woken_sender_only_with_messages_left() {
    let spec = MailboxSpec { capacity: 4, ..MailboxSpec::default() };
    let mailbox = Mailbox::new(spec, None, 1);
    let fill = |space: &mut Space<'_>| while space.put(&ENVELOPE, &Payload::default()) {};
    mailbox.push(&owner(), fill).expect("it is open");
    let (place, owner) = (mailbox.queue_up(ActorId::OUTSIDE), owner());
    let cx = &mut Context::from_waker(Waker::noop());
    let mut waits = std::pin::pin!(place.push(&owner, 0, tokio::time::Instant::now() + Duration::from_secs(1), fill));
    assert!(waits.as_mut().poll(cx).is_pending());
    let take = |most| {
        let mut batch = TakenMessages::default();
        mailbox.poll_take(0, &mut Context::from_waker(Waker::noop()), most, usize::MAX, false, &mut batch)
    };
    assert_eq!(take(3), Poll::Ready(Took::Messages { shared: true }), "the sender can go on beside it");
    assert_eq!(take(1), Poll::Ready(Took::Messages { shared: false }), "nothing is left");
    assert_eq!(waits.as_mut().poll(cx), Poll::Ready(Ok(Vec::new())));
    assert_eq!(mailbox.len(), 4);
    assert_eq!(take(3), Poll::Ready(Took::Messages { shared: false }), "no sender waits");
}

/// How many messages, each taken alone and `turn` after the one before, make a full mailbox wake its sender: for the first three wakes of
/// one sender, which fills the mailbox again each time.
async fn takes_before_wakes(mailbox: &Mailbox, body: &[u8], turn: Duration) -> [usize; 3] {
    let fill = |space: &mut Space<'_>| while space.put(&ENVELOPE, &Payload::plain(body)) {};
    mailbox.push(&owner(), fill).expect("it is open");
    let (_place, alarm) = (mailbox.queue_up(ActorId::OUTSIDE), Arc::<Alarm>::default());
    let mut counts = [0; 3];
    for takes in &mut counts {
        mailbox.inner.lock().blocked[0].wait(&Context::from_waker(&Waker::from(alarm.clone())));
        while !alarm.rang.swap(false, Ordering::Relaxed) {
            tokio::time::advance(turn).await;
            let (cx, mut batch) = (&mut Context::from_waker(Waker::noop()), TakenMessages::default());
            assert!(mailbox.poll_take(0, cx, 1, usize::MAX, false, &mut batch).is_ready());
            *takes += 1;
        }
        mailbox.push_as(&owner(), Some(0), fill).expect("it is open");
    }
    counts
}

fn bounded(capacity: usize, capacity_bytes: usize) -> Mailbox {
    Mailbox::new(MailboxSpec { capacity, capacity_bytes, ..MailboxSpec::default() }, None, 1)
}

/// A turn of a quick receiver.
const QUICK: Duration = Duration::from_micros(1);

#[tokio::test(start_paused = true)]
async fn sender_is_woken_for_a_quarter_of_the_mailbox() {
    // Nothing says at the first take whether the receiver is quick.
    assert_eq!(takes_before_wakes(&bounded(32, 1 << 20), b"x", QUICK).await, [1, 8, 8]);
    assert_eq!(takes_before_wakes(&bounded(4, 1 << 20), b"x", QUICK).await, [1, 1, 1]);
    assert_eq!(takes_before_wakes(&bounded(32, 16 * HEADER_BYTES), b"", QUICK).await, [1, 4, 4], "of its bytes");
}

#[tokio::test(start_paused = true)]
async fn sender_of_a_slow_receiver_is_not_held_back() {
    let turn = Duration::from_micros;
    assert_eq!(takes_before_wakes(&bounded(32, 1 << 20), b"x", turn(100)).await, [1, 1, 1]);
    assert_eq!(takes_before_wakes(&bounded(32, 1 << 20), b"x", turn(30)).await, [1, 5, 5], "for 100 µs at most");
}

#[tokio::test(start_paused = true)]
async fn sender_of_large_bodies_is_not_held_back() {
    assert_eq!(takes_before_wakes(&bounded(1024, 1 << 20), &vec![7; 64 << 10], QUICK).await, [1, 1, 1]);
    assert_eq!(takes_before_wakes(&bounded(1024, 1 << 20), &vec![7; 32 << 10], QUICK).await, [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn sender_is_woken_by_the_take_of_the_last_message() {
    let mailbox = bounded(32, 1 << 20);
    // Space that is reserved is not free, and is not taken.
    let load = Load { messages: 29, bytes: 0, first_bytes: 0 };
    mailbox.reserve(&owner(), load).expect("there is space");
    assert_eq!(takes_before_wakes(&mailbox, b"x", QUICK).await, [1, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn held_sender_is_woken_at_the_end_of_a_poll() {
    let mailbox = bounded(32, 1 << 20);
    assert_eq!(takes_before_wakes(&mailbox, b"x", QUICK).await, [1, 8, 8]);
    let (_place, alarm) = (mailbox.queue_up(ActorId::OUTSIDE), Arc::<Alarm>::default());
    let take = || {
        let (cx, mut batch) = (&mut Context::from_waker(Waker::noop()), TakenMessages::default());
        mailbox.inner.lock().blocked[0].wait(&Context::from_waker(&Waker::from(alarm.clone())));
        assert!(mailbox.poll_take(0, cx, 1, usize::MAX, false, &mut batch).is_ready());
        (alarm.rang.swap(false, Ordering::Relaxed), mailbox.holds_sender())
    };
    assert_eq!([take(), take()], [(true, false), (false, true)]);
    mailbox.wake_held_sender();
    assert!(alarm.rang.load(Ordering::Relaxed) && !mailbox.holds_sender());
}

/// 200 messages that were read from the store, from number 1 on.
fn page_of_200() -> ReadPage {
    let record = [&ENVELOPE.encode(100)[..], &[0; 100]].concat();
    let mut records = Vec::new();
    (1..=200).for_each(|number| append_numbered(&record, number, &mut records));
    ReadPage { records, messages: 200, next: 201 }
}

#[test]
fn page_becomes_a_batch_without_a_copy_and_its_buffer_is_freed() {
    for (memory_bytes, keeps) in [(64 << 10, false), (4 << 20, true)] {
        let spec = MailboxSpec { keep: Keep::Stored, memory_bytes, ..MailboxSpec::default() };
        let (mailbox, read) = (Mailbox::new(spec, None, 1), page_of_200());
        let (buffer, bytes) = (read.records.as_ptr_range(), read.records.len());
        mailbox.restore(&[], 0, 200);
        mailbox.restore_unread(200, bytes, 1);
        assert!(mailbox.begins_reading());
        let page = mailbox.next_page().expect("messages wait");
        mailbox.put_page(&page, read);
        let mut batch = TakenMessages::default();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(mailbox.poll_take(0, cx, 256, usize::MAX, false, &mut batch).is_ready());
        assert!(buffer.contains(&batch.body(0).as_ptr()), "the page itself");
        assert_eq!((batch.len(), batch.sequence(199), mailbox.len()), (200, 200, 0));
        batch.clear();
        assert!(mailbox.poll_take(0, cx, 256, usize::MAX, false, &mut batch).is_pending());
        assert_eq!(batch.buffer_bytes() > 0, keeps, "{memory_bytes} bytes of memory");
    }
}
