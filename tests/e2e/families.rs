//! Families: members that come with their messages, over hosts that are killed.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Host, actors, command, folder, root};

/// A family of tills, a server whose requests make members, and a route to a family that nobody makes members of. Returns the host, and
/// the server's address.
fn start(home: &TempDir) -> (Host, String) {
    let store = home.path().join("store").display().to_string();
    let members = "plugin = \"till\"\nmailbox = { kind = \"durable\" }\nstate = {}\nnames = \"[a-z]{1,8}\"\n";
    let manifest = format!(
        "[play.store]\npath = {store:?}\n\
         [[family]]\naddress = \"/user/*\"\n{members}live = 2\nmembers = 3\nidle_after = \"1s\"\ncreate = [\"/gate/web\"]\n\
         [[family]]\naddress = \"/guest/*\"\n{members}\
         [[http]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\n\
         [[http.route]]\npath = \"/users/:id\"\nask = \"/user/:id\"\n\
         [[http.route]]\npath = \"/guests/:id\"\nask = \"/guest/:id\"\n"
    );
    let mut host = Host::spawn(folder(&manifest), &[]);
    let at = taken_at(&mut host);
    (host, at)
}

/// The address of the server of a host that starts, once it is up.
fn taken_at(host: &mut Host) -> String {
    let line = host.wait_for("takes requests at ");
    let (_, at) = line.split_once("takes requests at ").unwrap();
    let at = at.split_whitespace().next().unwrap().to_owned();
    host.wait_for(" is up: ");
    at
}

/// Status and body of the response.
fn post(at: &str, path: &str, body: &str) -> (u32, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: tills\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.trim().to_owned())
}

#[test]
fn members_come_with_requests_and_outlive_kill_9() {
    let home = tempfile::tempdir().unwrap();
    let (mut host, at) = start(&home);
    for (name, sum) in [("ada", "40"), ("bob", "7"), ("cy", "1")] {
        assert_eq!(post(&at, &format!("/users/{name}"), sum), (200, sum.to_owned()), "{name}");
    }
    assert_eq!(post(&at, "/users/dan", "1"), (503, "too-many-members".to_owned()));
    assert_eq!(post(&at, "/guests/ada", "1"), (404, "not-created".to_owned()));
    assert_eq!(post(&at, "/users/Ada", "1"), (404, "unknown-address".to_owned()));
    let refused = host.run(&["tell", "/user/dan", "1"]);
    assert_eq!(refused.status.code(), Some(1), "an operator is no creator here");
    let listed = host.ok(&["mailbox", "list"]);
    host.die();
    let alone = command(home.path()).args(["mailbox", "list", "--store", "store"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&alone.stdout), listed, "without a host, the same mailboxes are there");
    // The requests were questions, which are in no mailbox: the members have states.
    assert_eq!(listed.lines().filter(|line| line.starts_with("/user/")).count(), 3, "{listed}");
    let (host, at) = start(&home);
    let tree = host.ok(&["tree"]);
    assert!(
        tree.contains("/user/*") && !tree.contains("/user/ada"),
        "no member has an instance before a message: {tree}"
    );
    assert_eq!(post(&at, "/users/ada", "2"), (200, "42".to_owned()));
    assert_eq!(host.ok(&["ask", "/user/bob", "sum"]).trim(), "[7,1]");
    assert_eq!(host.ok(&["stop", "/user/cy"]).lines().count(), 1);
    host.ok(&["state", "set", "/user/cy", "sum", "5"]);
    host.ok(&["start", "/user/cy"]);
    assert_eq!(host.ok(&["ask", "/user/cy", "sum"]).trim(), "[5,1]");
}

#[test]
fn check_shows_families() {
    let folder = folder(
        "[play.store]\n[[family]]\naddress = \"/user/*\"\nplugin = \"count\"\ncreate = [\"/\"]\nexpire = \"30d\"\n\
         idle_after = \"90s\"\nmailbox = { kind = \"durable\" }\n\
         [[actor]]\naddress = \"/a\"\nplugin = \"split\"\nsends_to = [\"/user/*\"]\n",
    );
    let checked = command(folder.path()).arg("check").output().unwrap();
    let text = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{text}");
    for shown in ["after 30d", "stop after 90s", "sends_to /user/*", "/a -> /user/*"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("stops before"), "{text}");
}

#[test]
fn members_without_a_store_are_made_by_operators() {
    let host = Host::start(folder("[[family]]\naddress = \"/user/*\"\nplugin = \"guide\"\ncreate = [\"/\"]\n"), &[]);
    host.ok(&["tell", "/user/a", "set x 1"]);
    let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    let actors = tree["actors"].as_array().unwrap();
    assert!(actors.iter().any(|actor| actor["address"] == "/user/a"), "{tree}");
    let nobody = host.run(&["tell", "/nobody/a", "x"]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn family_of_the_examples_works_as_its_page_says() {
    let example = std::fs::read_to_string(root().join("plugins/till/users.toml")).unwrap();
    let (_, manifest) = example.split_once("\n\n").unwrap();
    let page = std::fs::read_to_string(root().join("docs/families.md")).unwrap();
    assert!(page.contains(&format!("```toml\n{manifest}```")), "the page has the manifest");
    let (_, tables) = manifest.split_once("plugins = \"..\"\n").unwrap();
    let mut host = Host::spawn(folder(&tables.replace(":8080", ":0")), &[]);
    let at = taken_at(&mut host);
    assert_eq!(post(&at, "/users/ada", "250"), (200, "250".to_owned()));
    assert_eq!(post(&at, "/users/ada", "sum"), (200, "[250,1]".to_owned()));
    host.ok(&["tell", "/user/bob", "40"]);
    assert_eq!(post(&at, "/users/bob", "2"), (200, "42".to_owned()));
    let tree: serde_json::Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    let family = tree["actors"].as_array().unwrap().iter().find(|actor| actor["address"] == "/user").unwrap();
    assert_eq!((family["handled"].as_u64(), family["family"]["members"]["used"].as_u64()), (Some(4), Some(2)));
}

#[test]
fn family_that_is_gone_is_one_line_of_the_log() {
    let home = tempfile::tempdir().unwrap();
    let store = format!("[play.store]\npath = {:?}\n", home.path().join("store").display().to_string());
    let family = "[[family]]\naddress = \"/user/*\"\nplugin = \"till\"\ncreate = [\"/\"]\nmailbox = { kind = \"durable\" }\n\
                  state = {}\n";
    let mut host = Host::start(folder(&format!("{store}{family}")), &[]);
    let members = ["a", "b", "c", "d", "e"].map(|name| format!("/user/{name}"));
    for member in &members {
        host.ok(&["ask", member, "5"]);
        host.ok(&["stop", member]);
        host.ok(&["tell", member, "6"]);
    }
    host.die();
    let mut host = Host::spawn(folder(&format!("{store}{}", actors(&[("/flaky", "flaky")]))), &[]);
    let line = host.wait_for(" stays in the store with its messages (5)");
    assert!(line.contains("/user/* (5 actors, as /user/a, /user/b, /user/c) stays"), "{line}");
    host.wait_for(" is up: ");
    assert!(host.said().iter().filter(|line| line.contains("messages-kept")).count() == 1, "{:?}", host.said());
}

/// Members that a tightened pattern leaves out are named at the start, and what they have can be removed.
#[test]
fn members_outside_of_changed_names_are_logged_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store").display().to_string();
    let play = |names: &str| {
        folder(&format!(
            "[play.store]\npath = {store:?}\n[[family]]\naddress = \"/user/*\"\nplugin = \"till\"\ncreate = [\"/\"]\n\
             names = {names:?}\nmailbox = {{ kind = \"durable\" }}\nstate = {{}}\n"
        ))
    };
    let mut host = Host::start(play(".*"), &[]);
    for member in ["/user/Ada", "/user/Bob", "/user/cy"] {
        assert_eq!(host.ok(&["ask", member, "5"]).trim(), "5");
    }
    host.ok(&["stop", "/user/Ada"]);
    host.ok(&["tell", "/user/Ada", "6"]);
    host.die();
    let mut host = Host::spawn(play("[a-z]+"), &[]);
    let line = host.wait_for("/user/* has members (2) that stay in the store with their messages (1)");
    assert!(line.contains("their names do not fit `names`, as that of /user/"), "{line}");
    host.wait_for(" is up: ");
    let refused = host.run(&["state", "delete", "/user/Ada", "sum"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("`/user/Ada` is in the store alone"), "{said}");
    assert!(said.contains(&format!("stop the host, and change the state with `--store {store}`")), "{said}");
    assert_eq!(host.ok(&["mailbox", "drop", "/user/Ada", "--all"]), "dropped 1 message of /user/Ada\n");
    host.die();
    let alone = command(home.path()).args(["state", "delete", "/user/Ada", "sum", "--store", &store]).output().unwrap();
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
}

/// The message of an ask whose asker gave up waits for a start as others do, and is left when the host ends.
#[test]
fn ask_of_a_stopped_member_waits_and_its_message_is_left() {
    let manifest = "[[family]]\naddress = \"/user/*\"\nplugin = \"echo\"\ncreate = [\"/\"]\n";
    let host = Host::start(folder(manifest), &[]);
    host.ok(&["tell", "/user/a", "x"]);
    host.ok(&["stop", "/user/a"]);
    let asked = host.run(&["ask", "/user/a", "x", "--timeout", "50ms"]);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.code() == Some(1) && said.contains("playhouse start"), "{said}");
    assert_eq!(host.actor("/user/a")["waiting"], 1);
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
}
