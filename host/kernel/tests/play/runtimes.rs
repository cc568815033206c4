//! Actors on a runtime of their own, beside that of the supervision.

use std::sync::mpsc::channel;
use std::thread;

use parking_lot::Mutex;
use playhouse_kernel::{ActorSpec, Kernel, Outcome, Plan, Stage, State};
use tokio::runtime::{Builder, Runtime};

use crate::policies::sorting::sorting;
use crate::stage::*;

/// The runtime of the supervision, and one of a single thread for actors.
fn runtimes() -> (Runtime, Runtime) {
    let actors = Builder::new_multi_thread().worker_threads(1).thread_name("actors").enable_time().build().unwrap();
    (Builder::new_current_thread().enable_time().build().unwrap(), actors)
}

fn on(actors: &Runtime, specs: Vec<ActorSpec>) -> Plan {
    Plan { runtime: Some(actors.handle().clone()), ..plan(specs) }
}

async fn end(kernel: &Kernel) {
    kernel.shut_down();
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
}

#[test]
fn actors_run_on_the_runtime_of_the_plan() {
    let (control, actors) = runtimes();
    let journal = Journal::default();
    let note = {
        let journal = journal.clone();
        move |what: &str| journal.note(format!("{what} on {:?}", thread::current().name().unwrap_or_default()))
    };
    let (init, shutdown, policy) = (note.clone(), note.clone(), note.clone());
    let native = quick(move |turn| {
        note("handler");
        if text(turn) == "trap" { Err(trap()) } else { Ok(Outcome::Done(Some(Vec::new()))) }
    });
    let native = native.on_init(move |_| {
        init("init");
        Ok(())
    });
    let native = native.on_shutdown(move |_| {
        shutdown("shutdown");
        Ok(())
    });
    let policy = sorting().fault(move |_, call, _| {
        policy(call);
        Ok(false)
    });
    let spec = policy.in_front_of(native.at("/a"));
    control.block_on(async {
        let kernel = start_plan(&on(&actors, vec![spec])).await;
        ask(&kernel, "/a", "trap").await.unwrap_err();
        ask(&kernel, "/a", "x").await.unwrap();
        end(&kernel).await;
    });
    for (what, times) in [("init", 2), ("handler", 2), ("shutdown", 1), ("launch", 1), ("put", 2), ("take", 2)] {
        assert!(journal.count(&format!("{what} on \"actors\"")) >= times, "{what}: {:?}", journal.lines());
    }
    assert!(journal.lines().iter().all(|line| line.ends_with(" on \"actors\"")), "{:?}", journal.lines());
}

#[test]
fn supervision_answers_while_actors_block_their_thread() {
    let (control, actors) = runtimes();
    let ((begins, begun), (release, released)) = (channel(), channel::<()>());
    let released = Mutex::new(released);
    let blocks = quick(move |_| {
        begins.send(()).unwrap();
        let _ = released.lock().recv();
        Ok(Outcome::Done(None))
    });
    control.block_on(async {
        let kernel = start_plan(&on(&actors, vec![blocks.at("/blocks"), recorder(&Journal::default()).at("/b")])).await;
        tell(&kernel, "/blocks", "x").await;
        begun.recv().unwrap();
        assert_eq!(state_of(&kernel, "/blocks").await, State::Running);
        assert_eq!(kernel.halt(&addr("/b")).await, Some(State::Idle));
        assert_eq!(state_of(&kernel, "/b").await, State::Stopping);
        drop(release);
        end(&kernel).await;
    });
}
