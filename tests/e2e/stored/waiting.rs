//! Looks at the messages of durable mailboxes, and orders about them.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::{SHOW, actor, failed, fed, home, json, messages, ok, play, store_of, texts};
use crate::harness::{Host, command, folder};

#[test]
fn messages_are_shown_without_disturbing_the_actor() {
    let home = home();
    let host = Host::start(play(&home, &["/till", "/desk"]), &[]);
    for body in ["one", "two", "three\u{1b}[2J"] {
        host.ok(&["tell", "/till", body]);
    }
    let list = host.ok(&["mailbox", "list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(rows, [["ADDRESS", "WAITING", "RETRIES"], ["/till", "3", "0"], ["/desk", "0", "0"]]);
    let shown = host.ok(&["mailbox", "show", "/till", "--limit", "2"]);
    assert!(
        shown.contains("\nfrom      (outside)\n") && shown.contains("  one\n") && shown.contains("  two\n"),
        "{shown}"
    );
    assert!(shown.ends_with("\n3 messages waiting, 1 not shown (--limit)\n"), "{shown}");
    assert!(host.ok(&["mailbox", "show", "/till"]).contains("  00000000  74 68 72 65 65 1b"));
    assert!(host.ok(&["mailbox", "show", "/till", "--text"]).contains("  three\\u{1b}[2J\n"));
    let (code, said) = failed(&host.run(&["mailbox", "show", "/tilt"]));
    assert!(code == Some(1) && said.contains("the store has no mailbox of `/tilt`: did you mean `/till`?"), "{said}");
    let till = host.actor("/till");
    assert_eq!((till["waiting"].as_u64(), till["handled"].as_u64()), (Some(3), Some(0)));
    host.ok(&["start", "/till"]);
    host.actor_when("/till", |till| till["handled"] == 3);
    assert_eq!(host.ok(&["mailbox", "show", "/till"]), "0 messages waiting\n");
}

#[test]
fn dropped_messages_are_gone_for_good() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    for body in ["one", "two", "three", "four"] {
        host.ok(&["tell", "/till", body]);
    }
    let id = |text: &str| {
        let all = messages(&host.ok(&SHOW));
        all.iter().find(|message| message["text"] == text).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let second = id("two");
    assert_eq!(host.ok(&["mailbox", "drop", "/till", &second[..12]]), "dropped 1 message of /till\n");
    let (code, said) = failed(&host.run(&["mailbox", "drop", "/till", &second]));
    assert!(code == Some(1) && said.contains("no message waits for `/till` whose id begins with"), "{said}");
    let (code, _) = failed(&host.run(&["mailbox", "drop", "/till", "no-id"]));
    assert_eq!(code, Some(1));
    assert_eq!(host.actor("/till")["waiting"], 3);
    assert!(host.ok(&["tree"]).contains("operators dropped 1 message that waited for /till"));
    let me = rustix::process::geteuid().as_raw();
    host.wait_for(&format!("user {me} dropped 1 waiting messages"));
    host.die();
    assert_eq!(
        ok(&home, &["mailbox", "drop", "/till", &id_on_disk(&home, "three"), "--store", "store"]),
        "dropped 1 message of /till\n"
    );
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    assert_eq!(texts(&host.ok(&SHOW)), ["one", "four"]);
    assert_eq!(host.ok(&["mailbox", "drop", "/till", "--all"]), "dropped 2 messages of /till\n");
    assert_eq!(host.ok(&["dead-letters", "list"]), "no dead letters\n");
    host.ok(&["tell", "/till", "five"]);
    host.die();
    let host = Host::start(play(&home, &["/till"]), &[]);
    host.ok(&["start", "/till"]);
    host.actor_when("/till", |till| till["handled"] == 1 && till["waiting"] == 0);
}

fn id_on_disk(home: &TempDir, text: &str) -> String {
    let shown = ok(home, &[&SHOW[..], &["--store", "store"]].concat());
    messages(&shown).iter().find(|message| message["text"] == text).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn messages_of_an_actor_that_left_can_be_moved() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till", "/desk"]), &[]);
    for body in ["one", "two", "three"] {
        host.ok(&["tell", "/till", body]);
    }
    host.die();
    let host = Host::start(play(&home, &["/desk"]), &[]);
    let list = host.ok(&["mailbox", "list"]);
    assert!(list.lines().any(|line| line.starts_with("/till") && line.ends_with("not in this play")), "{list}");
    assert_eq!(texts(&host.ok(&SHOW)), ["one", "two", "three"]);
    let exported = host.ok(&["mailbox", "export", "/till"]);
    assert_eq!(exported.lines().count(), 3);
    let (code, said) = failed(&fed(host.folder.path(), &["mailbox", "import", "/till"], exported.as_bytes()));
    assert!(code == Some(1) && said.contains("/till"), "{said}");
    let imported = fed(host.folder.path(), &["mailbox", "import", "/desk"], exported.as_bytes());
    assert_eq!(String::from_utf8_lossy(&imported.stdout), "imported 3 messages into /desk\n");
    assert_eq!(host.ok(&["mailbox", "drop", "/till", "--all"]), "dropped 3 messages of /till\n");
    assert_eq!(host.ok(&["mailbox", "export", "/desk"]), exported, "ids and bodies are the same");
    assert_eq!(host.ok(&["mailbox", "show", "/till"]), "0 messages waiting\n");
    host.ok(&["start", "/desk"]);
    host.actor_when("/desk", |desk| desk["handled"] == 3);
}

#[test]
fn import_adds_no_message_that_waits_already() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    host.ok(&["tell", "/till", "one"]);
    let exported = host.ok(&["mailbox", "export", "/till"]);
    let import = |lines: &str| fed(host.folder.path(), &["mailbox", "import", "/till"], lines.as_bytes());
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let twice = "imported 0 messages into /till; 1 message left out, since such ids wait there\n";
    assert_eq!(said(&import(&exported)), twice);
    let other = exported.replacen("\"id\":\"", "\"id\":\"f", 1).replacen("\"id\":\"f0", "\"id\":\"f", 1);
    let other = json(&other);
    let id = &other["id"].as_str().unwrap()[..32];
    let other = exported.replace(json(&exported)["id"].as_str().unwrap(), id);
    assert_eq!(
        said(&import(&format!("{other}\n{exported}"))),
        twice.replace('0', "1").replacen("1 messages", "1 message", 1)
    );
    let (code, text) = failed(&import(&format!("{}no message\n", other.replace(id, &"e".repeat(32)))));
    let expected = "line 2 of stdin was not imported, nor were the lines after it (before it: 1 message): it is no exported message";
    assert!(code == Some(2) && text.contains(expected), "{text}");
    host.die();
    let stopped = fed(home.path(), &["mailbox", "import", "/till", "--store", "store"], exported.as_bytes());
    assert_eq!(said(&stopped), twice);
    assert_eq!(ok(&home, &["mailbox", "export", "/till", "--store", "store"]).lines().count(), 3);
    let unknown = fed(home.path(), &["mailbox", "import", "/tilt", "--store", "store"], exported.as_bytes());
    let (code, said) = failed(&unknown);
    let expected = "the store has no mailbox of `/tilt`, and an import without a host makes none; it has those of `/till` \
                    (`playhouse mailbox list --store store`): import into one of them, or start the play with `/tilt` in its manifest";
    assert!(code == Some(1) && said.contains(expected) && !said.contains("did you mean"), "{said}");
}

#[test]
fn lines_that_are_confirmed_survive_a_kill_in_order() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &[]);
    let lines: Vec<_> = (0..20_000).map(|number| format!("line {number}")).collect();
    let told = fed(host.folder.path(), &["tell", "/till", "--lines"], lines.join("\n").as_bytes());
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    host.die();
    let shown = ok(&home, &["mailbox", "show", "/till", "--json", "--limit", "100000", "--store", "store"]);
    assert_eq!(texts(&shown), lines);
}

#[test]
fn refused_line_is_the_first_that_is_missing() {
    let home = home();
    let manifest = actor("/till", "echo")
        .replace("capacity = 100000, bytes = \"64MiB\"", "capacity = 100, overflow = \"reject\"")
        + &store_of(&home);
    let host = Host::start(folder(&manifest), &[]);
    let lines: Vec<_> = (1..=150).map(|number| format!("line {number}")).collect();
    let (code, said) = failed(&fed(host.folder.path(), &["tell", "/till", "--lines"], lines.join("\n").as_bytes()));
    assert!(code == Some(1) && said.contains("line 101 of stdin was not sent, nor were the lines after it"), "{said}");
    assert_eq!(texts(&host.ok(&[&SHOW[..], &["--limit", "1000"]].concat())), lines[..100]);
}

/// The lines of `run --stdin` wait for the disk together; those that were handled before a kill are not handled again.
#[test]
fn fed_lines_are_kept_in_order() {
    let home = home();
    let mut host = Host::start(play(&home, &["/till"]), &["--stdin", "/till"]);
    let lines: Vec<_> = (0..5000).map(|number| format!("line {number}")).collect();
    host.feed((lines.join("\n") + "\n").as_bytes());
    host.actor_when("/till", |till| till["waiting"] == 5000);
    let shown = loop {
        let shown = host.ok(&[&SHOW[..], &["--limit", "100000"]].concat());
        if messages(&shown).len() == 5000 {
            break shown;
        }
    };
    assert_eq!(texts(&shown), lines);
    host.die();
    let shown = ok(&home, &[&SHOW[..], &["--limit", "100000", "--store", "store"]].concat());
    assert_eq!(texts(&shown), lines);
}

/// A host that is killed while letters are replayed: each letter is either there, or its message is.
#[test]
fn replayed_letters_survive_kills_exactly_once() {
    let home = home();
    let play = || {
        let flaky = "[[actor]]\naddress = \"/flaky\"\nplugin = \"flaky\"\nmailbox = { kind = \"durable\" }\n";
        folder(&(flaky.to_owned() + &store_of(&home)))
    };
    let host = Host::start(play(), &[]);
    let rejects: Vec<_> = (0..300).map(|number| format!("!reject {number}")).collect();
    let told = fed(host.folder.path(), &["tell", "/flaky", "--lines"], rejects.join("\n").as_bytes());
    assert!(told.status.success());
    host.actor_when("/flaky", |flaky| flaky["waiting"] == 0 && flaky["dead_letters"]["rejected"] == 300);
    host.ok(&["stop", "/flaky"]);
    let letters =
        |host: &Host| json(&host.ok(&["dead-letters", "list", "--json"]))["letters"].as_array().unwrap().clone();
    let ids =
        |letters: &[Value]| letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = ids(&letters(&host));
    let mut host = host;
    let mut in_the_middle = 0;
    for _ in 0..4 {
        let before = ids(&letters(&host));
        let place = host.folder.path().to_owned();
        let replays = before.iter().take(60).cloned().collect::<Vec<_>>();
        let replaying = std::thread::spawn(move || {
            let replay = |id: &String| command(&place).args(["dead-letters", "replay", id]).output().unwrap();
            replays.iter().take_while(|id| replay(id).status.success()).count()
        });
        // Some are replayed, and the next ones are on their way.
        while letters(&host).len() + 10 > before.len() && !replaying.is_finished() {}
        host.die();
        let replayed = replaying.join().unwrap();
        host = Host::start(play(), &[]);
        let (kept, waiting) =
            (letters(&host), messages(&host.ok(&["mailbox", "show", "/flaky", "--json", "--limit", "10000"])));
        let mut texts: Vec<_> =
            kept.iter().chain(&waiting).map(|message| message["text"].as_str().unwrap().to_owned()).collect();
        texts.sort();
        let mut expected = rejects.clone();
        expected.sort();
        assert_eq!(texts, expected, "{} letters, {} messages", kept.len(), waiting.len());
        assert!(ids(&kept).iter().all(|id| all.contains(id)), "ids stay");
        let gone = before.len() - kept.len();
        assert!(
            (replayed..=replayed + 1).contains(&gone),
            "{replayed} replays were confirmed, {gone} letters are gone"
        );
        in_the_middle += u32::from(replayed > 0 && replayed < 60);
    }
    assert!(in_the_middle > 0, "no kill was in the middle");
}
