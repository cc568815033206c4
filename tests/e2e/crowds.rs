//! An operator can act while more actors are ready to run than the host has time for.

use std::time::{Duration, Instant};

use playhouse_tests::{built, cargo};

use crate::harness::{Host, folder};

/// A play on one thread of an actor with 300 children, each in the midst of minutes of computing, and of a neighbour.
fn crowd() -> Host {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "hostile"]);
    let folder = folder("");
    let plugins = built().join("../wasm32-wasip2/guest").display().to_string();
    let limits = "limits = { cpu = \"30m\", timeout = \"2h\" }\ngrants = { hosts = [\"http://localhost:1\"] }";
    let manifest = format!(
        "[play]\nname = \"test\"\nplugins = {plugins:?}\n\
         [[actor]]\naddress = \"/echo\"\nplugin = \"echo\"\n\
         [[actor]]\naddress = \"/evil\"\nplugin = \"hostile\"\nspawns = [\"hostile\"]\n{limits}\n\
         config = {{ act = \"spawn_a_crowd_that_loops\" }}\nsupervision = {{ shutdown = \"100ms\" }}\n\
         [[plugin]]\nname = \"hostile\"\nrecursive = true\n{limits}\n"
    );
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    let host = Host::start(folder, &["--threads", "1"]);
    assert_eq!(host.ok(&["ask", "/evil", "go"]), "300");
    host
}

#[test]
fn operator_has_answers_while_a_crowd_computes() {
    let host = crowd();
    let began = Instant::now();
    // Each takes several turns on the thread that answers, and a turn of each child on its thread is 10 ms.
    for _ in 0..20 {
        assert_eq!(host.ok(&["tree"]).matches("/evil/").count(), 300);
        host.ok(&["why", "/evil"]);
        host.ok(&["dead-letters", "list"]);
        host.ok(&["start", "/echo"]);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_mins(1), "80 answers took {took:?}");
}

#[test]
fn operator_stops_a_crowd_that_computes() {
    let host = crowd();
    host.ok(&["stop", "/evil"]);
    host.actor_when("/evil", |evil| evil["state"] == "stopped");
    assert_eq!(host.ok(&["ask", "/echo", "hello"]), "hello");
}
