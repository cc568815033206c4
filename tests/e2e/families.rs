//! Families: members that come with their messages, over hosts that are killed.

use std::io::{Read, Write};
use std::net::TcpStream;

use tempfile::TempDir;

use crate::harness::{Host, command, folder};

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
    let line = host.wait_for("takes requests at ");
    let (_, at) = line.split_once("takes requests at ").unwrap();
    let at = at.split_whitespace().next().unwrap().to_owned();
    host.wait_for(" is up: ");
    (host, at)
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
    host.die();
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
    let folder = folder("[[family]]\naddress = \"/user/*\"\nplugin = \"count\"\ncreate = [\"/\"]\n");
    let checked = command(folder.path()).arg("check").output().unwrap();
    let text = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && text.contains("/user/*"), "{text}");
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
