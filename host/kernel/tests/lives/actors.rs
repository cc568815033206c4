//! The work of actors on a message: sends, asks, pauses, and faults by their dice, which no crash turns back.

mod arrival;
pub mod plan;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    AskError, Behavior, BoxFuture, Config, Crash, CrashReason, Failure, HostClock, Launcher, Outcome, TaskDone, Turn,
};
use tokio::time::Instant;

use crate::dice::Dice;
use crate::ledger::{Book, Question, RunId, body_of};
use crate::play::{Play, Role, Who};

/// The state that actors of all lives share.
#[derive(Clone)]
pub struct Stage {
    pub play: Arc<Play>,
    pub book: Book,
    pub dice: Arc<Mutex<Dice>>,
    /// The virtual time that passed in earlier lives.
    pub before: Arc<Mutex<Duration>>,
    /// When this life began.
    pub began: Arc<Mutex<Option<Instant>>>,
}

impl Stage {
    /// The virtual time since the first life began.
    pub fn now(&self) -> Duration {
        *self.before.lock() + self.began.lock().map_or(Duration::ZERO, |began| began.elapsed())
    }
}

impl HostClock for Stage {
    fn thread_time(&self) -> Duration {
        Duration::ZERO
    }

    fn delayed(&self, _: tokio::time::Instant) -> Duration {
        Duration::ZERO
    }

    fn suspended(&self, _: tokio::time::Instant) -> Duration {
        Duration::ZERO
    }

    fn world(&self) -> std::time::SystemTime {
        let jumped_ms: i64 = self.play.jumps[..=self.book.lock().life].iter().sum();
        let world = std::time::SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365) + *self.before.lock();
        let jump = Duration::from_millis(jumped_ms.unsigned_abs());
        if jumped_ms < 0 { world - jump } else { world + jump }
    }
}

struct Code {
    stage: Stage,
    /// None for all members of the family.
    who: Option<Who>,
}

impl Launcher for Code {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let is_it = |role: &Role| role.address == *turn.address();
        let who = self.who.or_else(|| self.stage.play.roles.iter().position(is_it)).expect("a role");
        let (stage, uncommitted) = (self.stage.clone(), Vec::new());
        let acting: Box<dyn Behavior> = Box::new(Acting { turn, stage, who, uncommitted, caused: Some(0) });
        Box::pin(async { Ok(acting) })
    }

    fn plugin(&self) -> &'static str {
        "acting"
    }

    fn watches(&self) -> bool {
        self.who.is_some_and(|who| self.stage.play.roles[who].watches)
    }

    fn calls_back(&self) -> bool {
        self.who.is_some_and(|who| self.stage.play.roles[who].calls_back)
    }
}

struct Acting {
    turn: Turn,
    stage: Stage,
    who: Who,
    /// Finished runs of this call; an ask commits them.
    uncommitted: Vec<RunId>,
    /// Number of sends, asks and timers of the current message so far, which is in the id of the next one; none when the kernel may have
    /// refused one of them.
    caused: Option<u64>,
}

impl Behavior for Acting {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async move {
            while self.turn.current().is_some() {
                let run = self.arrives();
                self.caused = Some(0);
                self.remember(run).await;
                let worked = self.work(run).await;
                let mut book = self.stage.book.lock();
                let Ok(outcome) = &worked else {
                    for run in self.uncommitted.drain(..) {
                        (book.runs[run].done, book.runs[run].retried) = (None, false);
                    }
                    drop(book);
                    return worked.map(drop);
                };
                book.runs[run].done = Some(matches!(outcome, Outcome::Done(_)));
                let attempts = self.stage.play.roles[self.who].attempts;
                let again = self.turn.envelope().is_some_and(|envelope| envelope.attempt + 1 < attempts);
                book.runs[run].retried = again && matches!(outcome, Outcome::Failed(Failure::Retry(_)));
                if matches!(outcome, Outcome::Failed(_)) {
                    book.asks_anew(run);
                }
                drop(book);
                self.uncommitted.push(run);
                self.turn.finish(worked?);
            }
            self.uncommitted.clear();
            Ok(())
        })
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        Box::pin(async move {
            let ids: Vec<_> = done.iter().map(|task| task.id).collect();
            self.stage.book.lock().note(format!("{} gets the outcomes of {ids:?}", self.who));
            self.stage.book.lock().outcomes.heard.extend(ids);
            let (slow, temper) = (self.stage.play.slow, self.stage.play.temper);
            if self.roll(|dice| dice.percent(slow)) {
                let pause = self.roll(|dice| dice.millis(0, 5));
                tokio::time::sleep(pause).await;
            }
            let is_of_notice = done.iter().any(|task| self.stage.book.lock().is_notice(task.id));
            if !is_of_notice && self.roll(|dice| dice.percent(temper / 2)) {
                return Err(Crash::new(CrashReason::Trap { kind: "simulated".into() }));
            }
            Ok(())
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}

impl Acting {
    fn roll<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.stage.dice.lock())
    }

    /// Writes into the state that the message was handled, and checks what the state says so far: `n` is the number of messages
    /// that were handled before, and each of them has a key `m` with its serial.
    async fn remember(&mut self, run: RunId) {
        if self.stage.play.roles[self.who].state.is_none() {
            return;
        }
        let serial = self.stage.book.lock().runs[run].of;
        let key = format!("m{serial}");
        let handled = match self.turn.state_value("n").await {
            Ok(value) => value.map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap())),
            // The store has failed.
            Err(_) => return,
        };
        let known = self.turn.state_value(&key).await;
        self.check_passing(handled).await;
        if handled > 0 && self.roll(|dice| dice.percent(10)) {
            let keys = self.turn.state_keys("m", None, 1000).await;
            let mut book = self.stage.book.lock();
            let count = keys.as_ref().map_or(handled, |keys| keys.len() as u64);
            book.must(count == handled, || format!("the state counts {handled} messages, and has the keys {keys:?}"));
        }
        {
            let mut book = self.stage.book.lock();
            let is_new = known.as_ref().is_ok_and(Option::is_none);
            book.must(is_new || known.is_err(), || format!("#{serial} is handled again, and the state has it"));
            if handled > 0 && book.life > 0 {
                book.seen.insert("state from an earlier life");
            }
        }
        let _ = self.turn.set_state("n", &(handled + 1).to_le_bytes()).await;
        let _ = self.turn.set_state(&key, b"").await;
        let passing = (self.who, handled + 1);
        let time = self.roll(|dice| dice.percent(30).then(|| dice.millis(0, 30)));
        if let Some(time) = time {
            let _ = self.turn.set_state_for("t", &(handled + 1).to_le_bytes(), time).await;
        }
        let mut book = self.stage.book.lock();
        let life = book.life;
        match time {
            Some(time) => drop(book.passing.insert(passing, (life, Instant::now() + time))),
            None => drop(book.passing.remove(&passing)),
        }
    }

    /// Checks the value that does not stay: it is that of the last message which set it, and does not go before its time.
    async fn check_passing(&mut self, handled: u64) {
        let Ok(value) = self.turn.state_value("t").await else { return };
        let value = value.map(|value| u64::from_le_bytes(value[..].try_into().unwrap()));
        let mut book = self.stage.book.lock();
        let last = book.passing.range((self.who, 0)..=(self.who, handled)).next_back();
        let last = last.map(|((_, number), (life, ends))| (*number, *life, *ends));
        let is_last = value.is_none() || value == last.map(|(number, ..)| number);
        book.must(is_last, || format!("the value of {value:?} is there, and {last:?} set it last"));
        if let Some((number, life, ends)) = last
            && life == book.life
            && Instant::now() < ends
        {
            book.must(value.is_some(), || format!("the value of {number} went before its time"));
        }
        if last.is_some() && value.is_none() {
            book.seen.insert("a value went after its time");
        }
    }

    async fn work(&mut self, run: RunId) -> Result<Outcome, Crash> {
        let attempt = self.turn.envelope().unwrap().attempt;
        let (fuel, temper) = match self.turn.notice() {
            // A crash would be told to others, whose crashes would be told, without an end.
            Some(_) => (0, Some(self.temper()).filter(|temper| *temper != 1).unwrap_or_default()),
            None => (self.turn.body()[4], self.turn.body()[5]),
        };
        for _ in 0..self.roll(|dice| dice.below(4)) {
            self.step(run, fuel).await;
        }
        let bad = self.roll(|dice| dice.percent(50));
        match temper {
            1 if bad || attempt == 0 => return Err(Crash::new(CrashReason::Trap { kind: "simulated".into() })),
            2 if bad => return Ok(Outcome::Failed(Failure::Reject("no".into()))),
            3 if bad || attempt == 0 => return Ok(Outcome::Failed(Failure::Retry("not now".into()))),
            _ => {}
        }
        let reply = self.roll(|dice| dice.percent(70));
        Ok(Outcome::Done(reply.then(|| (run as u64).to_le_bytes().to_vec())))
    }

    async fn step(&mut self, run: RunId, fuel: u8) {
        let play = self.stage.play.clone();
        if self.roll(|dice| dice.percent(play.slow)) {
            let pause = self.roll(|dice| dice.millis(0, 10));
            return tokio::time::sleep(pause).await;
        }
        let targets = &play.roles[self.who].targets;
        if fuel == 0 || targets.is_empty() {
            return;
        }
        let again = self.caused.and_then(|at| self.stage.book.lock().asked_again(run, at));
        if let Some(question) = again.filter(|_| self.roll(|dice| dice.percent(85))) {
            return self.ask(run, question).await;
        }
        let children: Vec<_> = play.children_of(self.who).collect();
        if !children.is_empty() && self.roll(|dice| dice.percent(25)) {
            return self.change_child(run, &children);
        }
        if self.roll(|dice| dice.percent(15)) {
            return self.set_timer(run, fuel);
        }
        // Another child, or member, of the same name has timers of its own, with the same ids.
        if !play.roles[self.who].comes_and_goes() && self.roll(|dice| dice.percent(5)) {
            return self.cancel_timer(run);
        }
        if play.roles[self.who].watches && self.roll(|dice| dice.percent(15)) {
            return self.change_watch(run);
        }
        let (to, is_ask) = self.roll(|dice| (dice.pick(targets), dice.percent(20)));
        let temper = self.temper();
        let address = play.roles[to].address.as_str();
        let serial = self.stage.book.lock().sends(Some(run), to, is_ask);
        let body = body_of(serial, fuel - 1, temper);
        if is_ask {
            return self.ask(run, Question { serial, to, body }).await;
        }
        match self.turn.tell(address, &body) {
            Ok(()) => self.count_caused(),
            Err(error) => {
                let is_child = play.roles[to].parent.is_some();
                let mut book = self.stage.book.lock();
                book.must(is_child, || format!("run {run} cannot send to {to}: {error}"));
                book.runs[run].sends.pop();
            }
        }
    }

    /// The fault of a message.
    fn temper(&self) -> u8 {
        let chance = self.stage.play.temper;
        self.roll(|dice| if dice.percent(chance) { dice.between(1, 3) as u8 } else { 0 })
    }

    /// Watches an actor that is no member of a family, or ends a watch that the store has.
    fn change_watch(&mut self, run: RunId) {
        let play = self.stage.play.clone();
        let (to, begins) = self.roll(|dice| (dice.pick(&play.roles[self.who].targets), dice.percent(80)));
        if begins && play.roles[to].is_member {
            // Such a watch is of the incarnation alone.
            return;
        }
        if begins {
            let watch = self.turn.watch(play.roles[to].address.as_str());
            let mut book = self.stage.book.lock();
            book.note(format!("run {run} watches {to}: {watch:?}"));
            book.must(watch.is_ok(), || format!("run {run} may not watch {to}: {watch:?}"));
            book.runs[run].watches.extend(watch.ok());
            return;
        }
        let own = {
            let book = self.stage.book.lock();
            let id = book.addresses.get(play.roles[self.who].address.as_str());
            id.map(|id| book.watches.of(id.0)).unwrap_or_default()
        };
        if !own.is_empty() {
            let watch = self.roll(|dice| dice.pick(&own));
            self.stage.book.lock().note(format!("run {run} ends the watch {watch}"));
            self.turn.unwatch(watch);
        }
    }

    fn count_caused(&mut self) {
        self.caused = self.caused.map(|caused| caused + 1);
    }

    async fn ask(&mut self, run: RunId, question: Question) {
        let play = self.stage.play.clone();
        if let Some(at) = self.caused {
            self.stage.book.lock().asks(run, at, &question);
        }
        self.count_caused();
        let Question { serial, to, body } = question;
        let committed = std::mem::take(&mut self.uncommitted);
        let timeout = self.roll(|dice| dice.millis(0, 40));
        let answer = self.turn.ask(play.roles[to].address.as_str(), &body, timeout).await;
        let mut book = self.stage.book.lock();
        let is_answered = matches!(
            answer,
            Ok(_) | Err(AskError::NoReply | AskError::Rejected(_) | AskError::RetriesSpent(_) | AskError::Crashed(_))
        );
        if !is_answered {
            for run in committed {
                book.runs[run].is_unsure = true;
            }
        }
        if !matches!(answer, Ok(_) | Err(AskError::NoReply)) {
            self.caused = None;
            book.asks_anew(run);
        }
        book.note(format!("run {run}: the answer to #{serial} is {answer:?}"));
        let Ok(reply) = answer else { return };
        let by = u64::from_le_bytes(*reply.first_chunk().unwrap()) as usize;
        let (of, earlier) = (book.runs[by].of, book.runs[by].life < book.life);
        book.must(of == serial, || format!("run {run} asks #{serial}, and gets the answer to #{of}"));
        if earlier {
            book.seen.insert("an answer was kept");
        }
    }

    fn change_child(&mut self, run: RunId, children: &[Who]) {
        let child = self.roll(|dice| dice.pick(children));
        let address = self.stage.play.roles[child].address.clone();
        if self.roll(|dice| dice.percent(70)) {
            let spawned = self.turn.spawn(address.name(), "child", Config::new());
            let mut book = self.stage.book.lock();
            book.note(format!("run {run} spawns {child}: {spawned:?}"));
            if spawned.is_ok() {
                book.runs[run].spawns.push(child);
            }
        } else {
            let stopped = self.turn.stop(address.name());
            self.stage.book.lock().note(format!("run {run} stops {child}: {stopped:?}"));
        }
    }

    fn set_timer(&mut self, run: RunId, fuel: u8) {
        let play = self.stage.play.clone();
        let (to, delay) = self.roll(|dice| (dice.pick(&play.roles[self.who].targets), dice.millis(0, 40)));
        let fires_at = self.stage.now() + delay;
        let serial = self.stage.book.lock().sends_later(run, to);
        let body = body_of(serial, fuel - 1, 0);
        let Ok(id) = self.turn.tell_after(play.roles[to].address.as_str(), &body, delay) else {
            let mut book = self.stage.book.lock();
            book.must(play.roles[to].parent.is_some(), || format!("run {run} cannot send to {to}"));
            book.runs[run].timers.pop();
            return;
        };
        self.count_caused();
        let mut book = self.stage.book.lock();
        book.sent[serial].timer = Some((id, fires_at));
        book.note(format!("run {run}: timer {id} sends #{serial} in {delay:?}"));
    }

    /// Cancels a timer of any run of this actor: it may have fired. The id of a timer that an earlier life did not keep is in no
    /// state.
    fn cancel_timer(&mut self, run: RunId) {
        let serials: Vec<_> = {
            let book = self.stage.book.lock();
            let of_actor = book.runs.iter().filter(|run| run.who == self.who);
            let timers = of_actor.flat_map(|run| run.timers.iter().copied());
            let is_kept = |serial: &usize| book.kept.get(serial).is_some_and(|kept| !kept.set.is_empty());
            timers.filter(|serial| book.sent[*serial].life == book.life || is_kept(serial)).collect()
        };
        if serials.is_empty() {
            return;
        }
        let serial = self.roll(|dice| dice.pick(&serials));
        let mut book = self.stage.book.lock();
        let Some((id, _)) = book.sent[serial].timer else { return };
        book.runs[run].cancels.push(serial);
        book.note(format!("run {run}: cancels timer {id}"));
        drop(book);
        self.turn.cancel(id);
    }
}
