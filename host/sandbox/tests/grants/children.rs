//! A spawned child gets no grant that its parent does not have.

use std::collections::BTreeMap;
use std::sync::Arc;

use playhouse_kernel::{ActorSpec, Kernel, Plan};
use playhouse_sandbox::{Folder, Grants};

use crate::harness::{PATIENCE, Silent, Spawned, address, hosts, limits, reach, variable};
use crate::server::Server;

/// The answers of a child whose own grants are wider than those of its parent.
async fn ask_child(parent: Grants, child: Grants, questions: &[&str]) -> Vec<String> {
    let launcher = reach().launcher_with(parent, limits(), BTreeMap::new(), Arc::new(Silent));
    let mut boss = ActorSpec::new(address("/boss"), launcher);
    boss.limits.timeout = PATIENCE;
    boss.grants.spawns = vec!["reach".to_owned()];
    let mut plan = Plan { actors: vec![boss], ..Plan::default() };
    plan.plugins.insert("reach".to_owned(), Arc::new(Spawned(child)));
    let kernel = Kernel::start(&plan).unwrap();
    kernel.wait_booted().await;
    assert_eq!(kernel.ask(&address("/boss"), b"spawn child", PATIENCE).await.unwrap(), b"done");
    let mut answers = Vec::new();
    for question in questions {
        let reply = kernel.ask(&address("/boss/child"), question.as_bytes(), PATIENCE).await.unwrap();
        answers.push(String::from_utf8(reply).unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_parent_without_grants_has_none() {
    let (server, top) = (Server::echo().await, tempfile::tempdir().unwrap());
    let wide = Grants {
        env: vec![variable("LANG", "de", true)],
        dirs: vec![Folder::open(top.path(), "/data", true).unwrap()],
        ..hosts(&[server.url()])
    };
    let get = format!("get {}/", server.url());
    let said = ask_child(Grants::default(), wide, &["env", "write /data/file text", "list /data", &get]).await;
    assert_eq!(said[0], "");
    assert!(said[1].starts_with("error ") && said[2].starts_with("error "), "{said:?}");
    assert_eq!(said[3], "error HttpRequestDenied");
    assert_eq!((server.asked(), std::fs::read_dir(top.path()).unwrap().count()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn child_has_grants_common_to_both() {
    let (server, other) = (Server::echo().await, Server::echo().await);
    let top = tempfile::tempdir().unwrap();
    std::fs::create_dir(top.path().join("sub")).unwrap();
    std::fs::write(top.path().join("sub/file"), "text").unwrap();
    let folder = |name: &str, writable| Folder::open(&top.path().join(name), "/data", writable).unwrap();
    let parent =
        Grants { env: vec![variable("LANG", "de", true)], dirs: vec![folder("", false)], ..hosts(&[server.url()]) };
    let child = Grants {
        env: vec![variable("LANG", "de", true), variable("HOME", "/root", true), variable("MODE", "x", false)],
        dirs: vec![folder("sub", true)],
        ..hosts(&[server.url(), other.url()])
    };
    let (get, get_other) = (format!("get {}/", server.url()), format!("get {}/", other.url()));
    let questions = ["env", "read /data/file", "write /data/file changed", &get, &get_other];
    let said = ask_child(parent, child, &questions).await;
    assert_eq!(said[0], "LANG=de MODE=x");
    assert_eq!(said[1], "text");
    assert!(said[2].starts_with("error "), "{said:?}");
    assert_eq!(said[3..], ["200 GET / 127.0.0.1", "error HttpRequestDenied"]);
}
