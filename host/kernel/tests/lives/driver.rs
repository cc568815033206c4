//! Runs one play, life after life. A host that dies is a runtime that is dropped with all its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{ActorId, Kernel, Metadata, SendError, State, Store, WaitingNumbers};
use tokio::time::{Instant, sleep, timeout};

use crate::actors::{Stage, plan};
use crate::checks;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::ledger::{Book, Ledger, body_of};
use crate::play::{Deed, End, Kind, Play};

/// Longer than anything in a play takes.
const LONG: Duration = Duration::from_mins(10);

pub fn give(seed: u64) -> Ledger {
    let play = Arc::new(Play::roll(seed));
    let book = Book::default();
    book.lock().stored = play.roles.iter().map(|role| role.kind != Kind::Memory).collect();
    let children = (0..play.roles.len()).filter(|&who| play.roles[who].parent.is_some());
    book.lock().children = children.map(|who| (play.roles[who].address.to_string(), who)).collect();
    book.lock().places = (0..play.roles.len()).map(|who| (play.roles[who].address.to_string(), who)).collect();
    let calls_back = |who: &usize| play.roles[*who].calls_back && play.roles[*who].kind != Kind::Memory;
    book.lock().outcomes.wanted_by = (0..play.roles.len()).filter(calls_back).collect();
    book.lock().attempts = play.roles.iter().map(|role| role.attempts).collect();
    let disk = Disk::new(seed, play.writes, book.clone());
    let dice = Arc::new(Mutex::new(Dice::new(seed, 2)));
    let (before, began) = (Arc::default(), Arc::default());
    let stage = Stage { play: play.clone(), book: book.clone(), dice, before, began };
    for life in 0..play.crowds.len() {
        book.lock().begins_life(life);
        book.lock().note(format!("life {life}"));
        let is_last = life == play.ends.len();
        if is_last {
            book.lock().watches.begin_last_life();
            disk.work();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let began = runtime.block_on(async { Instant::now() });
        *stage.began.lock() = Some(began);
        runtime.block_on(live(&stage, &disk, seed, life));
        let passed = runtime.block_on(async { began.elapsed() });
        *stage.began.lock() = None;
        *stage.before.lock() += passed;
        if !is_last && book.lock().runs.iter().any(|run| run.life == life && run.done.is_none()) {
            book.lock().seen.insert("a life ended in a turn");
        }
        drop(runtime);
        disk.settle();
    }
    let image = futures_util::FutureExt::now_or_never(disk.open()).unwrap().unwrap();
    checks::in_the_end(&mut book.lock(), &play, &disk.memory().history(), &image);
    std::mem::take(&mut *book.lock())
}

async fn live(stage: &Stage, disk: &Arc<Disk>, seed: u64, life: usize) {
    let play = stage.play.clone();
    let kernel = Kernel::open(&plan::plan(stage, seed), disk.clone()).await.expect("the store is well");
    check_restored(stage, &kernel).await;
    let crowds: Vec<_> = play.crowds[life]
        .iter()
        .enumerate()
        .map(|(crowd, _)| tokio::spawn(send(stage.clone(), disk.clone(), kernel.clone(), life, crowd)))
        .collect();
    match play.ends.get(life) {
        Some(End::Crash(after)) => {
            sleep(*after).await;
            stage.book.lock().note("the host dies");
        }
        Some(End::Stop(after)) => {
            sleep(*after).await;
            stage.book.lock().note("the host stops");
            kernel.shut_down();
            // A full store, or a turn that takes long, may make it longer than the operator waits.
            if timeout(Duration::from_secs(5), kernel.wait_stopped()).await.is_ok() && kernel.store_failure().is_none()
            {
                stage.book.lock().seen.insert("a life ended in order");
            }
        }
        None => {
            for crowd in crowds {
                let ended = timeout(LONG, crowd).await;
                stage.book.lock().must(matches!(ended, Ok(Ok(()))), || format!("a crowd: {ended:?}"));
            }
            for role in &play.roles {
                kernel.resume(&role.address).await;
            }
            let idle = timeout(LONG, kernel.wait_idle()).await;
            let views = kernel.actors().await;
            stage.book.lock().must(idle.is_ok(), || format!("the play is never idle: {views:?}"));
            kernel.shut_down();
            let stopped = timeout(LONG, kernel.wait_stopped()).await;
            let failure = kernel.store_failure();
            let mut book = stage.book.lock();
            book.must(stopped.is_ok() && failure.is_none(), || format!("the stop: {stopped:?}, {failure:?}"));
            let kept: usize = book.kept.values().map(|kept| kept.letters.len()).sum();
            let letters = kernel.dead_letters().len();
            book.must(letters == kept, || format!("{letters} letters, and {kept} are kept"));
            if kernel
                .dead_letters()
                .iter()
                .any(|letter| matches!(letter.reason, playhouse_kernel::DeadReason::Recorded(..)))
            {
                book.seen.insert("a letter survived");
            }
        }
    }
}

/// Orders of operators hold over all lives.
async fn check_restored(stage: &Stage, kernel: &Kernel) {
    let halted: BTreeMap<u64, bool> = stage.book.lock().halted.clone();
    if halted.is_empty() {
        return;
    }
    kernel.wait_booted().await;
    let ids: BTreeMap<String, ActorId> = BTreeMap::from_iter(stage.book.lock().addresses.clone());
    for view in kernel.actors().await {
        let Some(halted) = ids.get(view.address.as_str()).and_then(|id| halted.get(&id.0)) else { continue };
        let mut book = stage.book.lock();
        book.must((view.state == State::Stopped) == *halted, || format!("{} is {:?}", view.address, view.state));
        if *halted {
            book.seen.insert("an order of an operator survived");
        }
    }
}

async fn send(stage: Stage, disk: Arc<Disk>, kernel: Kernel, life: usize, crowd: usize) {
    let play = stage.play.clone();
    for deed in &play.crowds[life][crowd] {
        match deed {
            Deed::Pause(pause) => sleep(*pause).await,
            Deed::Halt(who) => drop(kernel.halt(&play.roles[*who].address).await),
            Deed::Resume(who) => drop(kernel.resume(&play.roles[*who].address).await),
            Deed::Drop(who, chance) => drop_waiting(&stage, &disk, &kernel, *who, *chance).await,
            Deed::Tell(to, fuel) => {
                let (serial, body) = message(&stage, *to, *fuel, false);
                let told = kernel.tell(&play.roles[*to].address, &body, Duration::from_millis(20)).await;
                let views = kernel.actors().await;
                let spills = views.iter().any(|view| view.mailbox.memory_bytes < view.mailbox.bytes);
                let mut book = stage.book.lock();
                book.note(format!("#{serial} to {to} is {told:?}"));
                let stored = play.roles[*to].kind != Kind::Memory;
                match told {
                    Ok(_) => {
                        if spills {
                            book.seen.insert("a mailbox spilled");
                        }
                        book.sent[serial].acknowledged = true;
                        if stored {
                            book.seen.insert("an acknowledged tell");
                            let durable = book.is_put(serial);
                            book.must(durable, || format!("#{serial} is acknowledged and not durable"));
                        }
                    }
                    Err(SendError::MailboxFull(_) | SendError::Stopped(_)) => {
                        let put = book.is_put(serial);
                        book.must(!put, || format!("#{serial} was refused, and is kept"));
                    }
                    Err(_) => {}
                }
            }
            Deed::Ask(to, fuel) => {
                let (serial, body) = message(&stage, *to, *fuel, true);
                let question = (&play.roles[*to].address, Metadata::new());
                let answer = kernel.ask_with(question.0, &question.1, &body, Duration::from_millis(60)).await;
                let mut book = stage.book.lock();
                book.note(format!("the answer to #{serial} of {to} is {answer:?}"));
                let Ok(reply) = answer else { continue };
                let run = u64::from_le_bytes(*reply.body.first_chunk().unwrap()) as usize;
                // All that the answer followed from is durable.
                let to_stored = |serial: &&usize| play.roles[book.sent[**serial].to].kind != Kind::Memory;
                let sends: Vec<_> = book.runs[run].sends.iter().filter(to_stored).copied().collect();
                let safe = |serial: &usize| book.kept.contains_key(serial);
                let lost = sends.iter().filter(|serial| !safe(serial)).count();
                book.must(lost == 0, || {
                    format!("the answer of run {run} came before {lost} of its sends were durable")
                });
                if play.roles[*to].kind != Kind::Memory {
                    book.seen.insert("an answer from a stored actor");
                }
            }
        }
    }
}

/// Drops some of the messages that wait for a stored actor.
async fn drop_waiting(stage: &Stage, disk: &Disk, kernel: &Kernel, who: usize, chance: usize) {
    let role = &stage.play.roles[who];
    let id = stage.book.lock().addresses.get(role.address.as_str()).copied();
    let Some(id) = id.filter(|_| role.kind != Kind::Memory) else { return };
    let Ok(mut order) = kernel.order_mailboxes("an operator").await else { return };
    let mut numbers = WaitingNumbers::default();
    for message in disk.messages(id, 0, usize::MAX).await.unwrap() {
        let is_wanted = stage.dice.lock().percent(chance);
        match message.due {
            _ if !is_wanted => {}
            Some(_) => numbers.held.push(message.number),
            None => numbers.in_order.push(message.number..message.number + 1),
        }
    }
    let views = kernel.actors().await;
    let spills =
        views.iter().any(|view| view.address == role.address && view.mailbox.memory_bytes < view.mailbox.bytes);
    let dropped = order.drop_messages(id, &role.address, &numbers).await;
    let mut book = stage.book.lock();
    book.note(format!("{dropped:?} of {numbers:?} of {who} are dropped"));
    let Ok(dropped) = dropped else { return };
    let gone = numbers.ranges().flatten().filter(|number| book.dropped.contains(&book.numbers[&(id.0, *number)]));
    let gone = gone.count() as u64;
    book.must(gone == dropped, || format!("{dropped} messages of {who} were dropped, and {gone} are gone"));
    if dropped > 0 {
        book.seen.insert(if spills { "a drop beyond the memory" } else { "a drop" });
    }
}

fn message(stage: &Stage, to: usize, fuel: u8, is_ask: bool) -> (usize, Vec<u8>) {
    let serial = stage.book.lock().sends(None, to, is_ask);
    let temper = {
        let mut dice = stage.dice.lock();
        if dice.percent(stage.play.temper) { dice.between(1, 3) as u8 } else { 0 }
    };
    (serial, body_of(serial, fuel, temper))
}
