use serde_json::Value;

use crate::harness::{Host, actors, folder};

/// A host whose `/counter` is stopped with one message in its mailbox, and two more are dead letters.
fn with_overflow() -> Host {
    let mailbox = "mailbox = { capacity = 1, overflow = \"drop-newest\" }\n";
    let host = Host::start(folder(&(actors(&[("/flaky", "flaky"), ("/counter", "counter")]) + mailbox)), &[]);
    host.ok(&["stop", "/counter"]);
    host.ok(&["tell", "/counter", "one more"]);
    for _ in 0..2 {
        assert_eq!(host.run(&["tell", "/counter", "one more"]).status.code(), Some(1));
    }
    host
}

fn kept(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let list = host.ok(&[&["dead-letters", "list", "--json"], arguments].concat());
    let list: Value = serde_json::from_str(&list).unwrap();
    list["letters"].as_array().unwrap().clone()
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().unwrap()
}

/// The stderr of a command that must fail.
fn refused(host: &Host, arguments: &[&str]) -> String {
    let output = host.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn letters_of_a_full_mailbox_are_replayed_when_space_is_free() {
    let host = with_overflow();
    let letters = kept(&host, &[]);
    assert_eq!(letters.len(), 2);
    let first = id(&letters[0]);
    let full = "playhouse: the mailbox of `/counter` is full: the letter stays; \
                replay it when `playhouse tree` shows fewer waiting\n";
    assert_eq!(refused(&host, &["dead-letters", "replay", first]), full);
    let all = refused(&host, &["dead-letters", "replay", "--all"]);
    let stay =
        format!("playhouse: 2 dead letters stay (the first is {}): the mailbox of `/counter` is full\n", &first[..12]);
    assert_eq!(all, stay);
    host.ok(&["start", "/counter"]);
    host.actor_when("/counter", |counter| counter["handled"] == 1);
    let said = host.ok(&["dead-letters", "replay", &first[..12]]);
    let (said, new) = said.split_once(", as the message ").unwrap();
    assert_eq!((said.to_owned(), new.len()), (format!("replayed {} to /counter", &first[..12]), 13));
    host.actor_when("/counter", |counter| counter["handled"] == 2);
    assert_eq!(host.ok(&["dead-letters", "replay", "--all"]), "replayed 1 dead letter\n");
    assert_eq!(host.ok(&["ask", "/counter", "get"]), "3");
    let tree: Value = serde_json::from_str(&host.ok(&["tree", "--json"])).unwrap();
    let overflow = r#"{"all":2,"dropped":0,"forgotten":0,"kept":0,"replayed":2,"restored":0}"#;
    assert_eq!(tree["dead_letters"]["overflow"].to_string(), overflow);
}

#[test]
fn letters_are_dropped_by_their_reason_or_their_address() {
    let host = with_overflow();
    host.ok(&["tell", "/flaky", "!reject"]);
    host.actor_when("/flaky", |flaky| flaky["dead_letters"]["rejected"] == 1);
    assert_eq!(kept(&host, &["--reason", "rejected"]).len(), 1);
    assert_eq!(host.ok(&["dead-letters", "drop", "--to", "/counter"]), "dropped 2 dead letters\n");
    let letters = kept(&host, &[]);
    assert_eq!((letters.len(), &letters[0]["to"]), (1, &"/flaky".into()));
    let id = id(&letters[0]);
    assert_eq!(host.ok(&["dead-letters", "drop", id]), format!("dropped {} to /flaky\n", &id[..12]));
    assert_eq!(
        refused(&host, &["dead-letters", "drop", id]),
        format!(
            "playhouse: no dead letter is kept whose id begins with `{id}`: `playhouse dead-letters list` shows those that are kept\n"
        )
    );
    let list = host.ok(&["dead-letters", "list"]);
    let footer = "no such dead letter is kept\n\n\
                  REASON    KEPT  REPLAYED  DROPPED  FORGOTTEN  ALL\n\
                  overflow     0         0        2          0    2\n\
                  rejected     0         0        1          0    1\n";
    assert_eq!(list, footer);
}

#[test]
fn letter_is_shown_with_its_crash_and_its_body_in_both_forms() {
    let host = Host::start(folder(&actors(&[("/flaky", "flaky")])), &[]);
    host.run(&["ask", "/flaky", "!panic \u{1b}[31m"]);
    let letters = kept(&host, &[]);
    let id = id(&letters[0]);
    let shown = host.ok(&["dead-letters", "show", &id[..6]]);
    assert!(shown.contains("\nkind      ask-crashed\n"), "{shown}");
    assert!(shown.contains("\nbacktrace flaky::make\n"), "{shown}");
    assert!(shown.contains("  00000000  21 70 61 6e 69 63 20 1b  5b 33 31 6d"), "{shown}");
    let text = host.ok(&["dead-letters", "show", id, "--text"]);
    assert!(text.contains("\n  !panic \\u{1b}[31m\n") && !text.contains('\u{1b}'), "{text}");
    let json: Value = serde_json::from_str(&host.ok(&["dead-letters", "show", id, "--json"])).unwrap();
    assert_eq!((&json["body"], &json["attempts"]), (&"IXBhbmljIBtbMzFt".into(), &1.into()));
}

#[test]
fn replay_and_drop_need_a_selection() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    for arguments in [&["replay"][..], &["drop"], &["replay", "5d", "--all"], &["drop", "--reason", "bored"]] {
        let output = host.run(&[&["dead-letters"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(host.ok(&["dead-letters", "drop", "--all"]), "dropped 0 dead letters\n");
}

#[test]
fn letters_are_also_sent_to_an_actor() {
    let to = "[play.dead_letters]\nto = \"/counter\"\n".to_owned();
    let host = Host::start(folder(&(to + &actors(&[("/flaky", "flaky"), ("/counter", "counter")]))), &[]);
    host.ok(&["tell", "/flaky", "!reject"]);
    host.actor_when("/counter", |counter| counter["handled"] == 1);
    host.actor_when("/dead-letters", |sender| sender["status"] == "1 sent to /counter");
    assert_eq!(kept(&host, &[]).len(), 1);
}
