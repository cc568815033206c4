//! The promises about answers that stored actors gave to stored actors, each in a small play.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorSpec, Backoff, Failure, Keep, Kernel, MailboxSpec, MemoryStore, Message, NativeActor,
    NativeContext, NativeLauncher, NativeResult, Plan, RestartSpec, StartKind, Store,
};

use crate::house::{SOON, addr, in_order, stop, tell};

/// The actors of a play over several runs, and everything that they saw.
#[derive(Clone, Default)]
struct Office {
    store: MemoryStore,
    /// Address, body and attempt of each message.
    seen: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<String>>>,
    /// Whether `hang` hangs.
    hangs: Arc<AtomicBool>,
}

/// Does what a message says: `ask /b text` asks, with each `+` as a `;`, `other /b` asks something else each time, `reply text`
/// replies, `hang` hangs as long as it may, `panic`, `retry` and `reject` fail, `once` begins what is only done at the first attempt.
struct Asker(Office);

impl NativeActor for Asker {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body).unwrap();
        let attempt = msg.envelope.attempt;
        self.0.seen.lock().push(format!("{} {text} {attempt}", ctx.address()));
        for command in text.split(';') {
            let (verb, rest) = command.trim().split_once(' ').unwrap_or((command.trim(), ""));
            match verb {
                "ask" => {
                    let (to, body) = rest.split_once(' ').unwrap();
                    let answer = ctx.ask(to, body.replace('+', ";"), SOON).await;
                    let answer = answer.map(|reply| String::from_utf8(reply).unwrap());
                    self.0.answers.lock().push(answer.unwrap_or_else(|error| error.kind().to_owned()));
                }
                "other" => {
                    let number = self.0.seen.lock().len();
                    let _ = ctx.ask(rest, format!("reply {number}"), SOON).await;
                }
                "reply" => ctx.reply(rest),
                "hang" if self.0.hangs.load(Ordering::Relaxed) => std::future::pending().await,
                "once" if attempt > 0 => break,
                "panic" => panic!("as told"),
                "retry" => return Err(Failure::Retry("not now".into())),
                "reject" => return Err(Failure::Reject("never".into())),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Office {
    fn actor(&self, address: &str, keep: Keep) -> ActorSpec {
        let office = self.clone();
        ActorSpec {
            mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
            restart: RestartSpec {
                attempts: 2,
                backoff: Backoff { initial: SOON / 100, max: SOON / 100 },
                ..RestartSpec::default()
            },
            grants: ActorGrants { sends_to: ["/a", "/b", "/c"].map(addr).to_vec(), ..ActorGrants::default() },
            ..ActorSpec::new(addr(address), NativeLauncher::new(move || Asker(office.clone())))
        }
    }

    async fn open(&self, actors: Vec<ActorSpec>) -> Kernel {
        let plan = Plan { actors, ..Plan::default() };
        let kernel = Kernel::open(&plan, Arc::new(self.store.clone())).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    async fn open_all(&self) -> Kernel {
        self.open(["/a", "/b", "/c"].map(|address| self.actor(address, Keep::Stored)).to_vec()).await
    }

    /// Tells `/a` this, and ends the host while a `hang` hangs. Returns the number of answers that are kept.
    async fn cut_off(&self, message: &str) -> usize {
        self.hangs.store(true, Ordering::Relaxed);
        let kernel = self.open_all().await;
        tell(&kernel, "/a", message).await;
        tokio::time::sleep(SOON / 2).await;
        stop(&kernel).await;
        self.hangs.store(false, Ordering::Relaxed);
        self.kept().await
    }

    /// Goes on until nothing is to do, and ends in order.
    async fn go_on(&self) {
        let kernel = self.open_all().await;
        kernel.wait_idle().await;
        stop(&kernel).await;
    }

    async fn kept(&self) -> usize {
        self.store.origins("answer", b"", 100).await.unwrap().len()
    }

    /// How often an actor got a message with this body.
    fn handled(&self, message: &str) -> usize {
        self.seen.lock().iter().filter(|line| line.starts_with(message)).count()
    }

    fn answers(&self) -> Vec<String> {
        self.answers.lock().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_question_has_the_answer_of_the_first() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b reply yes; hang").await, 1);
    office.go_on().await;
    assert_eq!((office.handled("/a"), office.handled("/b reply yes")), (2, 1));
    assert_eq!(office.answers(), ["yes", "yes"]);
    assert_eq!(office.kept().await, 0, "it is removed with the turn that asked");
}

#[tokio::test(start_paused = true)]
async fn question_without_a_reply_is_not_handled_twice() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b be quiet; hang").await, 1);
    office.go_on().await;
    assert_eq!(office.handled("/b"), 1);
    assert_eq!(office.answers(), ["no-reply", "no-reply"]);
}

#[tokio::test(start_paused = true)]
async fn each_question_of_a_turn_has_its_own_answer() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b reply 1; ask /c reply 2; ask /b reply 3; hang").await, 3);
    office.go_on().await;
    assert_eq!((office.handled("/b"), office.handled("/c")), (2, 1));
    assert_eq!(office.answers(), ["1", "2", "3", "1", "2", "3"]);
    assert_eq!(office.kept().await, 0);
}

#[tokio::test(start_paused = true)]
async fn other_question_with_the_same_id_is_handled() {
    let office = Office::default();
    assert_eq!(office.cut_off("other /b; hang").await, 1);
    office.go_on().await;
    assert_eq!((office.handled("/b reply 1"), office.handled("/b reply 3")), (1, 1));
    assert_eq!(office.kept().await, 0);
}

#[tokio::test(start_paused = true)]
async fn answers_of_a_chain_are_kept_for_its_first_turn() {
    let office = Office::default();
    // `/b` has its answer, and its own turn is open.
    assert_eq!(office.cut_off("ask /b ask /c reply 1+ hang+ reply 2; hang").await, 1);
    office.hangs.store(true, Ordering::Relaxed);
    let kernel = office.open_all().await;
    tokio::time::sleep(SOON / 2).await;
    stop(&kernel).await;
    assert_eq!((office.handled("/b"), office.handled("/c"), office.kept().await), (2, 1, 1));
    office.hangs.store(false, Ordering::Relaxed);
    office.go_on().await;
    assert_eq!((office.handled("/a"), office.handled("/b"), office.handled("/c")), (3, 3, 1));
    assert_eq!(office.answers(), ["1", "1", "1", "2"]);
    assert_eq!(office.kept().await, 0);
}

#[tokio::test(start_paused = true)]
async fn turn_that_answered_keeps_no_answers_of_its_own() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b ask /c reply 1+ reply 2; hang").await, 1, "that of `/b` alone");
    office.go_on().await;
    assert_eq!((office.handled("/b"), office.handled("/c")), (1, 1));
    assert_eq!(office.answers(), ["1", "2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn crash_of_the_asker_does_not_repeat_its_question() {
    let office = Office::default();
    let kernel = office.open_all().await;
    tell(&kernel, "/a", "ask /b reply yes; once; panic").await;
    kernel.wait_idle().await;
    assert_eq!((office.handled("/a"), office.handled("/b")), (2, 1));
    assert_eq!((office.answers(), office.kept().await), (vec!["yes".to_owned(); 2], 0));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn retry_asks_anew() {
    let office = Office::default();
    let kernel = office.open_all().await;
    tell(&kernel, "/a", "ask /b reply busy; once; retry").await;
    kernel.wait_idle().await;
    assert_eq!((office.handled("/a"), office.handled("/b"), office.kept().await), (2, 2, 0));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn failed_answer_is_not_kept() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b reject; hang").await, 0);
    office.go_on().await;
    assert_eq!((office.handled("/b"), office.answers()), (2, vec!["rejected".to_owned(); 2]));
}

#[tokio::test(start_paused = true)]
async fn dead_letter_takes_its_answers_along() {
    let office = Office::default();
    let kernel = office.open_all().await;
    tell(&kernel, "/a", "ask /b reply yes; panic").await;
    kernel.wait_idle().await;
    assert_eq!((kernel.dead_letters().len(), office.handled("/b"), office.kept().await), (1, 1, 0));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_message_takes_its_answers_along() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b reply yes; hang").await, 1);
    let asleep = ActorSpec { start: StartKind::Manual, ..office.actor("/a", Keep::Stored) };
    let kernel = office.open(vec![asleep, office.actor("/b", Keep::Stored)]).await;
    assert_eq!(office.kept().await, 1, "its message waits");
    let mailbox = kernel.actors().await.iter().position(|view| view.address == addr("/a")).unwrap() as u64 + 1;
    let mut order = kernel.order_mailboxes("an operator").await.unwrap();
    let dropped = order.drop_messages(playhouse_kernel::ActorId(mailbox), &addr("/a"), &in_order(&[(1, 2)])).await;
    assert_eq!((dropped, office.kept().await), (Ok(1), 0));
    drop(order);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn actor_gone_from_the_plan_keeps_its_answers() {
    let office = Office::default();
    assert_eq!(office.cut_off("ask /b reply yes; hang").await, 1);
    let kernel = office.open(vec![office.actor("/b", Keep::Stored)]).await;
    stop(&kernel).await;
    assert_eq!(office.kept().await, 1);
    office.go_on().await;
    assert_eq!((office.handled("/b"), office.kept().await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn question_of_or_to_an_actor_in_memory_is_not_kept() {
    for in_memory in ["/a", "/b"] {
        let office = Office::default();
        office.hangs.store(true, Ordering::Relaxed);
        let keep = |address| if address == in_memory { Keep::Memory } else { Keep::Stored };
        let kernel = office.open(["/a", "/b"].map(|address| office.actor(address, keep(address))).to_vec()).await;
        tell(&kernel, "/a", "ask /b reply yes; hang").await;
        tokio::time::sleep(SOON / 2).await;
        assert_eq!((office.answers(), office.kept().await), (vec!["yes".to_owned()], 0), "{in_memory}");
        stop(&kernel).await;
    }
}
