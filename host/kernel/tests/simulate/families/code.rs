//! The work of members on their messages, and that of the actors `/maker` and `/stranger`, which send to members.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Backoff, Behavior, BoxFuture, Clock, Crash, CrashReason, Failure, FamilySpec,
    HostClock, Keep, Launcher, MailboxSpec, Outcome, Plan, RestartSpec, StateSpec, SupervisionSpec, Turn,
};
use tokio::time::{Instant, sleep};

use super::book::Book;
use super::play::{By, Name, Play, Serial, Work};

/// The time in which failures of a member count.
pub const PERIOD: Duration = Duration::from_secs(1);
/// The time of an ask.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Stage {
    pub play: Arc<Play>,
    pub book: Arc<Mutex<Book>>,
    /// The virtual time of earlier lives, and the begin of this one.
    pub before: Arc<Mutex<(Duration, Option<Instant>)>>,
}

impl Stage {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        let mut book = self.book.lock();
        let (before, began) = *self.before.lock();
        book.now = before + began.map_or(Duration::ZERO, |began| began.elapsed());
        book
    }
}

impl HostClock for Stage {
    fn thread_time(&self) -> Duration {
        Duration::ZERO
    }

    fn delayed(&self, _: Instant) -> Duration {
        Duration::ZERO
    }

    fn suspended(&self, _: Instant) -> Duration {
        Duration::ZERO
    }

    fn world(&self) -> std::time::SystemTime {
        std::time::SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365) + self.before.lock().0
    }
}

pub fn address_of(name: Name) -> Address {
    Address::parse(&format!("/user/{name}")).expect("a good address")
}

/// The member at an address; none for another actor.
pub fn is_member(address: &Address) -> Option<Name> {
    address.as_str().strip_prefix("/user/")?.parse().ok()
}

pub fn body_of(serial: Serial) -> Vec<u8> {
    (serial as u32).to_le_bytes().to_vec()
}

pub fn serial_of(body: &[u8]) -> Serial {
    u32::from_le_bytes(body.try_into().expect("four bytes")) as Serial
}

pub fn plan(stage: &Stage) -> Plan {
    Plan {
        actors: vec![family(stage), sender(stage, "/maker"), sender(stage, "/stranger")],
        supervision: SupervisionSpec { intensity: 2, period: PERIOD, ..SupervisionSpec::default() },
        clock: Clock::from(Arc::new(stage.clone())),
        seed: stage.play.seed,
        ..Plan::default()
    }
}

fn family(stage: &Stage) -> ActorSpec {
    let play = &stage.play;
    let creators = [("/", play.outside_makes), ("/maker", play.maker_makes), ("/user", play.members_make)];
    let family = FamilySpec { expire: play.expire, ..FamilySpec::new(play.live, play.most) };
    let family = creators.into_iter().fold(family, |family, (creator, rate)| match rate {
        Some(rate) => family.created_by(Address::parse(creator).expect("a good address"), rate),
        None => family,
    });
    let spec = spec(stage, "/user", Arc::new(Members(stage.clone())));
    ActorSpec {
        idle_stop: Some(play.idle_stop),
        batch: play.batch,
        state: play.is_stored.then(|| Box::new(StateSpec::default())),
        family: Some(Arc::new(family)),
        ..spec
    }
}

fn sender(stage: &Stage, address: &str) -> ActorSpec {
    spec(stage, address, Arc::new(Senders(stage.clone())))
}

fn spec(stage: &Stage, address: &str, code: Arc<dyn Launcher>) -> ActorSpec {
    let keep = if stage.play.is_stored { Keep::Stored } else { Keep::Memory };
    let (initial, max) = (Duration::from_millis(5), Duration::from_millis(30));
    ActorSpec {
        mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
        restart: RestartSpec {
            attempts: stage.play.attempts,
            backoff: Backoff { initial, max },
            cooldown: Some(stage.play.cooldown),
            ..RestartSpec::default()
        },
        grants: ActorGrants {
            sends_below: vec![Address::parse("/user").expect("a good address")],
            ..ActorGrants::default()
        },
        ..ActorSpec::new(Address::parse(address).expect("a good address"), code)
    }
}

struct Members(Stage);

impl Launcher for Members {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let (stage, name) = (self.0.clone(), is_member(turn.address()).expect("a member"));
        stage.book().launches(name, turn.incarnation());
        let member: Box<dyn Behavior> = Box::new(Member { turn, presence: Presence { stage, name, in_call: false } });
        Box::pin(async { Ok(member) })
    }

    fn plugin(&self) -> &'static str {
        "member"
    }
}

struct Member {
    turn: Turn,
    presence: Presence,
}

/// One incarnation of a member, from its launch to its end of any kind.
struct Presence {
    stage: Stage,
    name: Name,
    in_call: bool,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut book = self.stage.book();
        if self.in_call {
            book.is_cut_off(self.name);
        }
        book.is_gone(self.name);
    }
}

impl Behavior for Member {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async move {
            let (stage, name) = (self.presence.stage.clone(), self.presence.name);
            self.presence.in_call = true;
            stage.book().call_begins(name);
            while let Some(envelope) = self.turn.envelope() {
                let serial = serial_of(self.turn.body());
                stage.book().begins(name, serial, envelope.attempt);
                let Some(outcome) = self.work(serial, envelope.attempt).await else {
                    self.presence.in_call = false;
                    stage.book().crashes(name);
                    return Err(Crash::new(CrashReason::Trap { kind: "simulated".into() }));
                };
                self.turn.finish(outcome);
            }
            self.presence.in_call = false;
            stage.book().call_returns(name);
            Ok(())
        })
    }
}

impl Member {
    /// None: it crashes.
    async fn work(&mut self, serial: Serial, attempt: u32) -> Option<Outcome> {
        let (stage, name) = (self.presence.stage.clone(), self.presence.name);
        let work = stage.book().sent[serial].work;
        let mut count = 0;
        if stage.play.is_stored {
            // An error: the store has failed.
            let value = self.turn.state_value("n").await.ok()?;
            count = value.map_or(0, |value| u64::from_le_bytes(value[..].try_into().expect("eight bytes")));
            stage.book().reads(name, count);
        }
        match work {
            Work::Poison => return None,
            Work::Shock if attempt == 0 => return None,
            Work::Rejected => return Some(Outcome::Failed(Failure::Reject("no".into()))),
            Work::Retried if attempt == 0 => return Some(Outcome::Failed(Failure::Retry("not yet".into()))),
            Work::Slow => sleep(Duration::from_millis(1 + serial as u64 % 20)).await,
            Work::Tell(to) => {
                let sent = self.sends(to, false);
                let told = self.turn.tell(address_of(to).as_str(), &body_of(sent));
                stage.book().must(told.is_ok(), || format!("{name} cannot tell {to}: {told:?}"));
            }
            Work::Timer(to) => {
                let sent = self.sends(to, false);
                let delay = Duration::from_millis(100 + 50 * (serial as u64 % 30));
                let set = self.turn.tell_after(address_of(to).as_str(), &body_of(sent), delay);
                stage.book().must(set.is_ok(), || format!("{name} cannot set a timer for {to}: {set:?}"));
            }
            Work::Ask(to) => {
                let sent = self.sends(to, true);
                stage.book().asks(name);
                let answer = self.turn.ask(address_of(to).as_str(), &body_of(sent), PATIENCE).await;
                stage.book().note(format!("the answer to #{sent} is {answer:?}"));
            }
            Work::Calm | Work::Forget | Work::Shock | Work::Retried => {}
        }
        if stage.play.is_stored {
            count = if work == Work::Forget { 0 } else { count + 1 };
            match count {
                0 => self.turn.delete_state("n").ok()?,
                count => self.turn.set_state("n", &count.to_le_bytes()).await.ok()?,
            }
        }
        stage.book().ends_well(name, serial, count);
        Some(Outcome::Done(Some(b"done".to_vec())))
    }

    /// A message of its own, which asks for no more.
    fn sends(&self, to: Name, is_ask: bool) -> Serial {
        let mut book = self.presence.stage.book();
        let serial = book.sends(By::Member(self.presence.name), Some(to), Work::Calm, is_ask);
        book.leaves(serial);
        serial
    }
}

/// The code of an actor that sends on the messages that it gets.
struct Senders(Stage);

impl Launcher for Senders {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let sender: Box<dyn Behavior> = Box::new(Sender { turn, stage: self.0.clone() });
        Box::pin(async { Ok(sender) })
    }

    fn plugin(&self) -> &'static str {
        "sender"
    }
}

struct Sender {
    turn: Turn,
    stage: Stage,
}

impl Behavior for Sender {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async move {
            while self.turn.envelope().is_some() {
                let serial = serial_of(self.turn.body());
                let (carries, to) = {
                    let mut book = self.stage.book();
                    let carries = book.sent[serial].carries.expect("a message to send on");
                    book.leaves(carries);
                    (carries, book.sent[carries].to.expect("a member"))
                };
                let told = self.turn.tell(address_of(to).as_str(), &body_of(carries));
                self.stage.book().must(told.is_ok(), || format!("#{carries} cannot be sent: {told:?}"));
                self.stage.book().sent[serial].done += 1;
                self.turn.finish(Outcome::Done(None));
            }
            Ok(())
        })
    }
}
