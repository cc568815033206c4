//! Runs one play, life after life. A host that dies is a runtime that is dropped with all its tasks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use playhouse_kernel::{ActorView, Address, AskError, FamilyView, Kernel, SendError, State, Store};
use tokio::time::{Instant, sleep, timeout};

use super::book::Book;
use super::code::{self, PERIOD, Stage, address_of, body_of, is_member};
use super::play::{By, Deed, End, Name, Play, Serial, Work};
use super::{checks, code::plan};
use crate::disk::Disk;
use crate::given::Given;

/// Longer than anything in a play takes.
const LONG: Duration = Duration::from_mins(10);
const PATIENCE: Duration = Duration::from_secs(2);
/// Pauses between two looks grow by this.
const LOOKS_APART: Duration = Duration::from_millis(2);

/// Runs the play of a seed.
pub fn give(seed: u64) -> Given {
    let play = Arc::new(Play::roll(seed));
    let book = Arc::new(Mutex::new(Book::new(play.clone())));
    let stage = Stage { play: play.clone(), book: book.clone(), before: Arc::default() };
    let disk = play.is_stored.then(|| Disk::new(seed, play.writes, Arc::new(stage.clone())));
    for life in 0..play.lives.len() {
        stage.book().begins_life(life);
        if let Some(disk) = disk.as_ref().filter(|_| play.lives[life].end.is_none()) {
            disk.work();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime needs nothing");
        let began = runtime.block_on(async { Instant::now() });
        stage.before.lock().1 = Some(began);
        runtime.block_on(live(&stage, disk.as_ref(), life));
        let passed = runtime.block_on(async { began.elapsed() });
        let before = stage.before.lock().0 + passed;
        // Outside of the runtime, its clock does not stand still.
        *stage.before.lock() = (before, None);
        stage.book().is_over();
        drop(runtime);
        stage.book().is_dropped = false;
        if let Some(disk) = &disk {
            disk.settle();
        }
    }
    if let Some(disk) = disk {
        let above = Address::parse("/user").expect("a good address");
        let there = disk.memory().children(&above, None, usize::MAX).now_or_never().expect("it never waits");
        checks::in_the_end(&mut stage.book(), &there.expect("a store in memory never fails"));
    }
    let mut book = book.lock();
    let (log, broken) = (std::mem::take(&mut book.trace), std::mem::take(&mut book.broken));
    Given { log, broken, seen: std::mem::take(&mut book.seen) }
}

async fn live(stage: &Stage, disk: Option<&Arc<Disk>>, life: usize) {
    let kernel = match disk {
        Some(disk) => Kernel::open(&plan(stage), disk.clone()).await.expect("the store is well"),
        None => Kernel::start(&plan(stage)).expect("a good plan"),
    };
    let crowds = 0..stage.play.lives[life].crowds.len();
    let crowds: Vec<_> = crowds.map(|crowd| tokio::spawn(send(stage.clone(), kernel.clone(), life, crowd))).collect();
    let watcher = tokio::spawn(watch(stage.clone(), kernel.clone()));
    match stage.play.lives[life].end {
        Some(End::Crash(after)) => {
            sleep(after).await;
            stage.book().note("the host dies");
        }
        Some(End::Stop(after)) => {
            sleep(after).await;
            stage.book().note("the host stops");
            stage.book().ends = true;
            kernel.shut_down();
            if timeout(Duration::from_secs(5), kernel.wait_stopped()).await.is_ok() {
                stage.book().seen.insert("a life ended in order");
            }
        }
        None => {
            for crowd in crowds {
                let ended = timeout(LONG, crowd).await;
                stage.book().must(matches!(ended, Ok(Ok(()))), || format!("a crowd: {ended:?}"));
            }
            rest(stage, &kernel).await;
            stage.book().ends = true;
            kernel.shut_down();
            let stopped = timeout(LONG, kernel.wait_stopped()).await;
            stage.book().must(stopped.is_ok(), || "the play does not stop".to_owned());
            let _ = watcher.await;
        }
    }
}

/// Lets everything end, until no member is in memory, and looks at what is left.
async fn rest(stage: &Stage, kernel: &Kernel) {
    for name in 0..stage.play.names {
        resume(stage, kernel, name).await;
    }
    // The longest timer, and failures that count.
    let pause = Duration::from_secs(2) + stage.play.idle_stop + stage.play.cooldown + 2 * PERIOD;
    for _ in 0..2 {
        let idle = timeout(LONG, kernel.wait_idle()).await;
        stage.book().must(idle.is_ok(), || "it is never idle".to_owned());
        sleep(pause).await;
    }
    let (family, members) = look(kernel).await;
    checks::when_idle(&mut stage.book(), family, &members, &kernel.dead_letters());
    // One more, if there is place: no count is too high.
    let (fresh, makes) = (stage.play.names, stage.play.outside_makes.is_some());
    if makes && family.members < stage.play.most {
        tell(stage, kernel, By::Outside, fresh, Work::Forget).await;
        let accepted = stage.book().sent.last().and_then(|sent| sent.accepted);
        stage.book().must(accepted == Some(true), || format!("there is place for {fresh}: {family:?}"));
        sleep(pause).await;
    }
    if let Some(expire) = stage.play.expire {
        sleep(expire + expire / 8 + Duration::from_secs(4)).await;
        let (family, members) = look(kernel).await;
        let mut book = stage.book();
        book.must(family.members == 0, || format!("members do not expire: {family:?} {members:?}"));
        checks::when_idle(&mut book, family, &members, &kernel.dead_letters());
    }
}

/// The family, and its members in memory.
async fn look(kernel: &Kernel) -> (FamilyView, Vec<ActorView>) {
    let mut views = kernel.actors().await;
    let family = views.iter().find_map(|view| view.family).expect("a family");
    views.retain(|view| is_member(&view.address).is_some());
    (family, views)
}

async fn send(stage: Stage, kernel: Kernel, life: usize, crowd: usize) {
    let play = stage.play.clone();
    for deed in &play.lives[life].crowds[crowd] {
        match *deed {
            Deed::Pause(pause) => sleep(pause).await,
            Deed::Halt(name) => halt(&stage, &kernel, name).await,
            Deed::Resume(name) => resume(&stage, &kernel, name).await,
            Deed::Tell(by, to, work) => tell(&stage, &kernel, by, to, work).await,
            Deed::Ask(to, work) => {
                let serial = {
                    let mut book = stage.book();
                    let serial = book.sends(By::Outside, Some(to), work, true);
                    book.leaves(serial);
                    serial
                };
                let answer = kernel.ask(&address_of(to), &body_of(serial), PATIENCE).await;
                let mut book = stage.book();
                book.note(format!("the answer to #{serial} is {answer:?}"));
                match answer {
                    Ok(_) => {
                        book.seen.insert("answered");
                        let done = book.sent[serial].done;
                        book.must(done > 0, || format!("#{serial} has an answer, and was not handled"));
                    }
                    Err(AskError::NotSent(error)) => is_refused(&mut book, serial, &error),
                    Err(_) => {}
                }
            }
        }
    }
}

async fn tell(stage: &Stage, kernel: &Kernel, by: By, to: Name, work: Work) {
    let (serial, address) = {
        let mut book = stage.book();
        let serial = book.sends(by, Some(to), work, false);
        if by == By::Outside {
            book.leaves(serial);
            (serial, address_of(to))
        } else {
            let outer = book.sends(By::Outside, None, Work::Calm, false);
            book.sent[outer].carries = Some(serial);
            let address = if by == By::Maker { "/maker" } else { "/stranger" };
            (outer, Address::parse(address).expect("a good address"))
        }
    };
    let told = kernel.tell(&address, &body_of(serial), PATIENCE).await;
    let mut book = stage.book();
    book.note(format!("#{serial} is {told:?}"));
    match told {
        Ok(_) => book.sent[serial].accepted = Some(true),
        Err(error) => is_refused(&mut book, serial, &error),
    }
}

/// A message from outside was refused.
fn is_refused(book: &mut Book, serial: Serial, error: &SendError) {
    let Some(to) = book.sent[serial].to else { return };
    book.sent[serial].accepted =
        matches!(error.kind(), "not-created" | "too-many-members" | "creates-too-fast").then_some(false);
    checks::refusal(book, serial, error.kind());
    if error.kind() == "too-many-members" {
        let others = book.members.iter().enumerate().filter(|(name, member)| *name != to && member.is_wanted).count();
        let most = book.play.most;
        book.must(others >= most, || format!("#{serial} is refused: {error}, and there were {others} others ever"));
    }
}

async fn halt(stage: &Stage, kernel: &Kernel, name: Name) {
    stage.book().members[name].halts = true;
    let state = kernel.halt(&address_of(name)).await;
    let mut book = stage.book();
    book.note(format!("an operator stops {name}: {state:?}"));
    // A start that was on its way then is still seen, and another crowd may have started it meanwhile.
    let is_stopped = state.is_some_and(|state| state != State::Starting);
    book.members[name].is_halted = is_stopped && book.members[name].halts;
}

async fn resume(stage: &Stage, kernel: &Kernel, name: Name) {
    {
        let mut book = stage.book();
        book.note(format!("an operator starts {name}"));
        (book.members[name].halts, book.members[name].is_halted) = (false, false);
        // An order to start is no message, and starts it for those that wait.
        book.members[name].may_start |= book.rows.of(name).is_some();
    }
    kernel.resume(&address_of(name)).await;
}

/// Looks from time to time until all is over.
async fn watch(stage: Stage, kernel: Kernel) {
    let mut pause = Duration::ZERO;
    while timeout(pause, kernel.wait_stopped()).await.is_err() {
        pause = (pause + LOOKS_APART).min(code::PERIOD);
        let views = kernel.actors().await;
        let mut book = stage.book();
        let Some(family) = views.iter().find_map(|view| view.family) else { continue };
        let most = stage.play.most;
        book.must(family.members <= most, || format!("{} members exist, of {most}", family.members));
        for view in &views {
            let Some(name) = is_member(&view.address) else { continue };
            if view.state == State::Failed {
                book.seen.insert("a member is failed");
                let crashes = book.members[name].crashes;
                book.must(crashes > 0, || format!("{name} is failed, and never crashed"));
            }
            if view.state == State::Starting && family.live >= family.most_live {
                book.seen.insert("a start waited for a place");
            }
        }
    }
}
