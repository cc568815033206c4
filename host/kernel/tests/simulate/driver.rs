//! Runs one play: starts the kernel, the crowds and the operator, ends the play, and limits each wait.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Kernel, Overflow, PolicyState, SendError, StartError, State};
use tokio::time::{Instant, sleep, timeout};

use crate::actors;
use crate::bodies::{self, TIMER_STEP};
use crate::checks::{self, Aftermath};
use crate::dice::Dice;
use crate::given::Given;
use crate::ledger::{Certain, Sender};
use crate::stage::Stage;
use crate::trace::{Shown, What};
use crate::world::{Deed, Ending, Play, Subtree, Whim};

/// An upper bound on the time of every event in a play.
const LONG: Duration = Duration::from_mins(10);

/// An operator's wait for a start: longer than a start waits for space.
const START: Duration = Duration::from_mins(1);
/// The growth of each pause between two looks, because most events come early.
const LOOKS_APART: Duration = Duration::from_millis(1);
/// A play is not checked before its end if actors still come and go after this number of looks.
const MOST_LOOKS: usize = 200;

/// Runs the play of a seed.
pub fn give(seed: u64, wants_log: bool) -> Given {
    let stage = play(seed);
    let mut ledger = stage.ledger();
    let (seen, broken) = (std::mem::take(&mut ledger.seen), std::mem::take(&mut ledger.broken));
    let shown = |line| Shown(&stage.play, line).to_string();
    let has_log = wants_log || !broken.is_empty();
    let log = if has_log { ledger.trace.iter().map(shown).collect() } else { Vec::new() };
    Given { log, seen, broken }
}

/// Runs the play of a seed, and returns its stage with the filled ledger.
fn play(seed: u64) -> Arc<Stage> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing");
    runtime.block_on(async {
        let stage = Stage::new(Play::roll(seed));
        let too_much = stage.ledger().too_much.clone();
        let aftermath = tokio::select! {
            biased;
            aftermath = drive(&stage) => aftermath,
            () = too_much.notified() => {
                stage.ledger().blame("it turns in circles");
                return stage;
            }
        };
        tokio::task::yield_now().await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let mut ledger = stage.ledger();
        ledger.must(tasks == 0, || format!("{tasks} tasks outlive the play"));
        checks::in_the_end(&mut ledger, &stage.play, &aftermath);
        drop(ledger);
        stage
    })
}

async fn drive(stage: &Arc<Stage>) -> Aftermath {
    let kernel = Kernel::start(&actors::plan(stage)).expect("a good plan");
    let play = &stage.play;
    let crowds: Vec<_> =
        (0..play.crowds.len()).map(|crowd| tokio::spawn(send(stage.clone(), kernel.clone(), crowd))).collect();
    let operator = tokio::spawn(rule(stage.clone(), kernel.clone()));
    let watcher = tokio::spawn(watch(stage.clone(), kernel.clone()));
    match play.ending {
        Ending::WhenIdle => {
            for crowd in crowds {
                finish("a crowd", stage, crowd).await;
            }
            finish("the operator", stage, operator).await;
            become_idle(stage, &kernel).await;
            shut_down(stage, &kernel, None).await;
        }
        Ending::Shutdown { after, kill } => {
            sleep(after).await;
            shut_down(stage, &kernel, kill).await;
            for task in crowds.into_iter().chain([operator]) {
                finish("somebody outside", stage, task).await;
            }
        }
        Ending::Kill { after } => {
            sleep(after).await;
            kill(stage, &kernel).await;
            for task in crowds.into_iter().chain([operator]) {
                finish("somebody outside", stage, task).await;
            }
        }
    }
    finish("the watcher", stage, watcher).await;
    if matches!(kernel.stage(), playhouse_kernel::Stage::GaveUp(_)) {
        stage.ledger().seen.insert("the kernel gave up");
    }
    stage.ledger().note(What::Driver("over"));
    Aftermath { letters: kernel.dead_letters(), counts: kernel.dead_letter_counts() }
}

async fn finish(who: &str, stage: &Stage, task: tokio::task::JoinHandle<()>) {
    match timeout(LONG, task).await {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => stage.ledger().blame(format!("{who} panicked: {panic}")),
        Err(_) => stage.ledger().blame(format!("{who} still waits after {LONG:?}")),
    }
}

/// Lets all tasks run and waits until all is done.
async fn become_idle(stage: &Stage, kernel: &Kernel) {
    for who in 0..stage.play.roles.len() {
        resume(stage, kernel, who).await;
        // A failed start leaves the actor stopped, so the operator orders it again.
        let address = &stage.play.roles[who].address;
        while let Ok(Err(StartError::Failed { .. })) = timeout(START, kernel.start_actor(address)).await {
            stage.ledger().seen.insert("an ordered start failed");
        }
    }
    stage.ledger().note(What::Driver("waits until all is done"));
    let mut looks = 0;
    let views = loop {
        if timeout(LONG, kernel.wait_idle()).await.is_err() {
            let views = kernel.actors().await;
            let busy: Vec<_> = views.iter().filter(|view| view.waiting > 0 || view.state == State::Running).collect();
            let mut ledger = stage.ledger();
            ledger.must(busy.is_empty(), || format!("still not done: {busy:?}"));
            return;
        }
        let so_far = stage.ledger().trace.len();
        let views = kernel.actors().await;
        // An actor that stops or starts without a message may still send one in a hook, or wait for space for it.
        let in_a_hook = |state: State| state.is_on_its_way() || state == State::Running;
        let in_hooks = views.iter().flat_map(|view| &view.instances).any(|instance| in_a_hook(instance.state));
        if stage.ledger().trace.len() == so_far && !in_hooks {
            break views;
        }
        looks += 1;
        if looks == MOST_LOOKS {
            return;
        }
        sleep(LOOKS_APART).await;
    };
    if timeout(Duration::ZERO, kernel.wait_stopped()).await.is_err() {
        // No task waits for messages of an actor that only an operator starts.
        let for_good = views.iter().filter(|view| view.failed.as_ref().is_some_and(|failed| failed.trial_at.is_none()));
        let kept = for_good.map(|view| view.waiting as u64).sum();
        let mut ledger = stage.ledger();
        if kept > 0 {
            ledger.seen.insert("messages kept for an operator");
        }
        checks::when_idle(&mut ledger, &kernel.dead_letter_counts(), kept);
    }
}

async fn shut_down(stage: &Stage, kernel: &Kernel, kill_after: Option<Duration>) {
    if timeout(Duration::ZERO, kernel.wait_stopped()).await.is_ok() {
        return stage.ledger().note(What::Driver("is over already"));
    }
    {
        let mut ledger = stage.ledger();
        ledger.note(What::Driver("shutdown"));
        ledger.halted.fill(false);
        ledger.ending = true;
    }
    let began = Instant::now();
    kernel.shut_down();
    if let Some(after) = kill_after
        && timeout(after, kernel.wait_stopped()).await.is_err()
    {
        return kill(stage, kernel).await;
    }
    let over = timeout(LONG, kernel.wait_stopped()).await;
    let mut ledger = stage.ledger();
    ledger.must(over.is_ok(), || "the shutdown does not end".to_owned());
    let (took, limit) = (began.elapsed(), stage.play.time_to_stop());
    let slack = TIMER_STEP * stage.play.roles.iter().map(|role| role.instances).sum::<usize>() as u32 * 2;
    ledger.must(took <= limit + slack, || format!("the shutdown took {took:?}, and all together had {limit:?}"));
    ledger.over = true;
}

async fn kill(stage: &Stage, kernel: &Kernel) {
    {
        let mut ledger = stage.ledger();
        ledger.note(What::Driver("kill"));
        ledger.halted.fill(false);
        ledger.ending = true;
    }
    let began = Instant::now();
    kernel.kill();
    let over = timeout(LONG, kernel.wait_stopped()).await;
    let took = began.elapsed();
    let mut ledger = stage.ledger();
    ledger.must(over.is_ok() && took.is_zero(), || format!("the kill took {took:?}"));
    ledger.over = true;
}

/// A crowd: sends messages from outside, one after another.
async fn send(stage: Arc<Stage>, kernel: Kernel, crowd: usize) {
    let mut dice = Dice::new(stage.play.seed, 5 + 8 * crowd as u64);
    for deed in &stage.play.crowds[crowd] {
        let (to, plot) = match deed {
            Deed::Pause(pause) => {
                sleep(*pause).await;
                continue;
            }
            Deed::Tell { to, plot, .. } | Deed::Ask { to, plot, .. } => (*to, *plot),
        };
        let bytes = bodies::roll_bytes(&mut dice);
        let address = &stage.play.roles[to].address;
        let serial = stage.ledger().send(Sender::Outside, None, to, plot, bytes);
        stage.ledger().send_at_once(serial, matches!(deed, Deed::Ask { .. }));
        let body = bodies::write(serial, plot, bytes);
        let began = Instant::now();
        match *deed {
            Deed::Tell { patience, .. } => {
                stage.ledger().note(What::OutsideTell(crowd, serial, to, plot));
                let told = kernel.tell(address, &body, patience).await;
                let took = began.elapsed();
                let mut ledger = stage.ledger();
                let shown = told.as_ref().map_or_else(ToString::to_string, |_| "accepted".to_owned());
                ledger.note(What::Told(serial, shown));
                let gave_up = matches!(told, Err(SendError::MailboxFull(_)));
                let role = &stage.play.roles[to];
                let blocks = role.mailbox.overflow == Overflow::Block && role.mind.is_none();
                ledger.must(!(gave_up && blocks) || took >= patience, || {
                    format!("#{serial} was refused after {took:?}, and its sender would wait {patience:?}")
                });
                // A message that `drop-newest` dropped is a dead letter.
                let id = match told {
                    Ok(id) | Err(SendError::Dropped { id, .. }) => Some(id),
                    Err(_) => None,
                };
                let entry = &mut ledger.entries[serial];
                entry.accepted = if id.is_some() { Certain::Yes } else { Certain::No };
                entry.id = id;
                ledger.must(took < patience + TIMER_STEP * 2, || format!("#{serial} took {took:?}, not {patience:?}"));
            }
            Deed::Ask { timeout, .. } => {
                stage.ledger().note(What::OutsideAsk(crowd, serial, to, plot, timeout));
                let answer = kernel.ask(address, &body, timeout).await;
                stage.ledger().answered(&stage.play, serial, &answer);
                bodies::check_answer(&stage, serial, &answer, Certain::No, began.elapsed(), timeout);
            }
            Deed::Pause(_) => {}
        }
    }
}

/// An operator: stops and starts actors, and looks at them.
async fn rule(stage: Arc<Stage>, kernel: Kernel) {
    for whim in &stage.play.operator {
        match *whim {
            Whim::Pause(pause) => sleep(pause).await,
            Whim::Resume(who) => resume(&stage, &kernel, who).await,
            Whim::Halt(who) => {
                stage.ledger().note(What::Operator("stops", who));
                let known = kernel.halt(&stage.play.roles[who].address).await.is_some();
                let mut ledger = stage.ledger();
                // An actor with children stops after them.
                ledger.halted[who] = known && stage.play.roles[who].leaf && !ledger.ending;
            }
        }
    }
}

async fn resume(stage: &Stage, kernel: &Kernel, who: usize) {
    {
        let mut ledger = stage.ledger();
        ledger.note(What::Operator("starts", who));
        ledger.halted[who] = false;
    }
    kernel.resume(&stage.play.roles[who].address).await;
}

/// Looks from time to time until all is over, and checks that every number is bounded.
async fn watch(stage: Arc<Stage>, kernel: Kernel) {
    let mut pause = Duration::ZERO;
    while timeout(pause, kernel.wait_stopped()).await.is_err() {
        pause += LOOKS_APART;
        let views = kernel.actors().await;
        let letters = kernel.dead_letters().len();
        let mut ledger = stage.ledger();
        let play = &stage.play;
        ledger.must(views.is_empty() || views.len() == play.roles.len(), || format!("{} actors", views.len()));
        ledger.must(letters <= play.dead_letters.capacity, || format!("{letters} dead letters are kept"));
        let full = play.most_instances.is_some_and(|most| ledger.alive.iter().sum::<usize>() == most);
        if full && views.iter().flat_map(|view| &view.instances).any(|instance| instance.state == State::Starting) {
            ledger.seen.insert("a start waited for space");
        }
        for Subtree { members, most_instances, policies } in ledger.subtrees.clone() {
            let full = members.iter().map(|&who| ledger.alive[who]).sum::<usize>() + policies >= most_instances;
            let waits = |&who: &usize| {
                views
                    .get(who)
                    .is_some_and(|view| view.instances.iter().any(|instance| instance.state == State::Starting))
            };
            if full && members.iter().any(waits) {
                ledger.seen.insert("a start waited in its subtree");
            }
        }
        for (who, (view, role)) in views.iter().zip(&play.roles).enumerate() {
            let fits = view.subtree.iter().all(|usage| usage.used <= usage.most);
            ledger.must(fits, || format!("{} and all below it use {:?}", role.address, view.subtree));
            if view.state == State::Failed {
                ledger.seen.insert("an actor failed");
                ledger.failed[who] = view.incarnation;
            } else if ledger.failed[who] > 0 && view.incarnation > ledger.failed[who] {
                ledger.seen.insert("a trial start");
            }
            if view.state == State::Passivated {
                ledger.passivated[who] = view.handled;
            }
            // A full mailbox of messages may wait for a retry, and a batch may have returned.
            let mut most = role.mailbox.capacity + role.instances * (role.mailbox.capacity + role.batch);
            if let Some(policy) = &view.mailbox.policy {
                // And the messages from which the policy chooses.
                most += 64;
                if policy.state == PolicyState::GaveUp {
                    ledger.seen.insert("a policy was given up");
                }
            }
            ledger.must(view.waiting <= most, || format!("{} messages wait for {}", view.waiting, role.address));
        }
    }
}
