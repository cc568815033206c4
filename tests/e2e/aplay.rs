//! The features of the Python library aplay, row by row of its table: each test checks one with real components. Tests of the
//! kernel and of the sandbox check each feature under paused time, at each interface and in any order of events.

use crate::harness::{Ended, Host, actors, command, folder};

/// Settings of spawned guides: a child spawns no actors at its start, and may be below another guide.
const CHILD: &str = "recursive = true\nconfig = { children = \"\" }\n";

/// A guide that may spawn guides below it, and a peer beside it that it may send to.
fn guides(keys: &str, plugin: &str) -> String {
    let guide = "sends_to = [\"/peer\"]\nspawns = [\"guide\"]\n";
    let peer = actors(&[("/peer", "guide")]);
    format!("{peer}\n{}{guide}{keys}\n[[plugin]]\nname = \"guide\"\n{plugin}\n", actors(&[("/guide", "guide")]))
}

fn host(keys: &str, plugin: &str) -> Host {
    Host::start(folder(&guides(keys, plugin)), &[])
}

impl Host {
    /// The answer of `/guide`.
    fn says(&self, text: &str) -> String {
        self.ok(&["ask", "/guide", text])
    }

    /// The kind of error with which `/guide` answers.
    fn refuses(&self, text: &str) -> String {
        let said = self.says(text);
        said.split_once(": ").unwrap_or_else(|| panic!("{text:?}: {said:?} is no refusal")).0.to_owned()
    }
}

/// The lines that actors printed, sorted, because the actors run side by side.
fn printed(ended: &Ended) -> Vec<&str> {
    let mut lines: Vec<_> = ended.stdout.lines().collect();
    lines.sort_unstable();
    lines
}

/// `_name`, `_address`, `_parent`, `_kernel`.
#[test]
fn actor_knows_its_name_address_and_parent() {
    let host = host("config = { children = \"ann\" }", CHILD);
    assert_eq!(host.says("who"), "guide /guide / 1 [ann]");
    assert_eq!(host.says("ask ann who"), "ann /guide/ann /guide 1 []");
}

/// `_child`, `create_actor`, `prepare_children`: many children of one plugin, with its defaults from the manifest.
#[test]
fn hook_and_message_spawn_many_children_of_one_plugin() {
    let plugin = format!("{CHILD}spawns = [\"guide\"]\n[plugin.limits]\nchildren = 1");
    let host = host("config = { children = \"ann bob\" }", &plugin);
    assert_eq!(host.says("spawn carl guide"), "ok");
    assert_eq!(host.says("who"), "guide /guide / 1 [ann,bob,carl]");
    assert_eq!(host.says("news hello"), "3 told");
    assert_eq!(host.says("stop bob"), "ok");
    assert_eq!(host.says("who"), "guide /guide / 1 [ann,carl]");
    let carl = host.actor_when("/guide/carl", |carl| carl["state"] == "idle" && carl["handled"] == 1);
    assert_eq!((&carl["plugin"], &carl["spawned"]), (&"guide".into(), &true.into()));
    assert_eq!(host.says("ask carl spawn one guide"), "ok");
    assert!(host.says("ask carl spawn two guide").starts_with("too-many-children: "), "the plugin's default");
}

/// "do not circular create actors".
#[test]
fn circular_spawn_is_refused_and_names_the_chain() {
    let said = host("", "").says("spawn carl guide");
    assert!(said.starts_with("circular: ") && said.contains("/guide"), "{said}");
    assert_eq!(host("", CHILD).says("spawn carl guide"), "ok", "unless the manifest allows it");
}

/// `get_actor`, `get_path_actor`, `get_abs_path_actor`: never keeps the target alive.
#[test]
fn lookup_finds_child_path_and_address_and_reports_none() {
    let host = host("config = { children = \"ann\" }", &format!("{CHILD}spawns = [\"guide\"]"));
    assert_eq!(host.says("ask ann spawn deep guide"), "ok");
    assert_eq!(host.says("find ann"), "/guide/ann");
    assert_eq!(host.says("find ann/deep"), "/guide/ann/deep");
    assert_eq!(host.says("find /peer"), "/peer");
    assert_eq!(host.says("stop ann"), "ok");
    assert_eq!(host.says("find ann"), "nobody");
    assert_eq!(host.refuses("tell ann note x"), "unknown-address");
}

/// `_loop`: one runtime over all cores, or with the number of threads that `--threads` gives.
#[test]
fn one_runtime_runs_all_actors_on_the_given_threads() {
    let host = Host::start(folder(&guides("", "")), &["--threads", "1"]);
    assert_eq!(host.says("ask /peer who"), "peer /peer / 1 []");
    let none = command(host.folder.path()).args(["run", "--threads", "0"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

/// `msg_handler`.
#[test]
fn messages_are_handled_once_in_the_order_sent() {
    let tells: Vec<_> = (0..20).flat_map(|n| ["--tell".to_owned(), format!("/peer=note {n}")]).collect();
    let tells: Vec<_> = tells.iter().map(String::as_str).chain(["--until-idle"]).collect();
    let ended = Host::spawn(folder(&guides("", "")), &tells).end();
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), (0..20).map(|n| format!("/peer {n}")).collect::<Vec<_>>());
}

/// The plugin `orders`, with the metrics that it counts.
fn orders() -> String {
    format!("{}metrics = [\"orders\", \"amount\"]\n", actors(&[("/orders", "orders")]))
}

/// `user_task_callback` with a result or an exception.
#[test]
fn callback_gets_each_outcome_and_a_crash_in_the_next_run() {
    let tells = ["--tell", "/orders=tea", "--tell", "/orders=", "--tell", "/orders=later", "--tell", "/orders=!panic"];
    let tells: Vec<_> = tells.into_iter().chain(["--until-idle"]).collect();
    let ended = Host::spawn(folder(&orders()), &tells).end();
    let mut what: Vec<_> = ended.stdout.lines().map(|line| line.split_once(' ').expect("an id").1).collect();
    what.sort_unstable();
    let expected = [
        "1 crashed: panic",
        "1 done",
        "1 failed: the shop is closed",
        "1 rejected: an order needs an item, lost",
        "2 crashed: panic",
        "2 failed: the shop is closed",
        "3 crashed: panic, lost",
        "3 failed: the shop is closed, lost",
    ];
    assert_eq!(what, expected, "{}", ended.stderr);
    let host = Host::start(folder(&orders()), &[]);
    assert_eq!(host.ok(&["ask", "/orders", "tea"]), "one tea");
    let ended = stopped(host);
    assert!(ended.stdout.ends_with(" 1 answered\n"), "{}", ended.stdout);
}

/// `send`, `send_nowait`, `send_address`, `tell`, `ask(timeout)`, and the broadcast.
#[test]
fn messages_reach_relative_absolute_and_child_addresses() {
    let (keys, plugin) = ("config = { children = \"ann bob\" }", CHILD);
    let steps = ["tell ann note 1", "tell /peer note 2", "news 3", "all ** 4", "ask ann note 5"];
    let tells = steps.iter().flat_map(|step| ["--tell".to_owned(), format!("/guide={step}")]).collect::<Vec<_>>();
    let tells: Vec<_> = tells.iter().map(String::as_str).chain(["--until-idle"]).collect();
    let ended = Host::spawn(folder(&guides(keys, plugin)), &tells).end();
    let mut expected =
        vec!["/guide/ann 1", "/peer 2", "/guide/ann 3", "/guide/bob 3", "/guide/ann 4", "/guide/bob 4", "/guide/ann 5"];
    expected.sort_unstable();
    assert_eq!(printed(&ended), expected, "{}", ended.stderr);
    let host = host(keys, plugin);
    assert_eq!(host.says("all /* x"), "1 told");
    assert_eq!(host.refuses("ask ann all /* x"), "not-granted", "`ann` may not send to `/peer`");
}

/// `Msg` with source, flow id and flow index.
#[test]
fn message_carries_its_sender_flow_and_hops() {
    let host = host("config = { children = \"ann\" }", CHILD);
    let own = host.says("flow");
    assert!(own.starts_with("outside ") && own.ends_with(" 0"), "{own}");
    let next = host.says("ask ann flow");
    let fields: Vec<_> = next.split(' ').collect();
    assert_eq!((fields[0], fields[1].len(), fields[2]), ("/guide", 32, "1"), "{next}");
    host.ok(&["tell", "/guide", "tell ann nonsense"]);
    let _ = host.actor_when("/guide/ann", |ann| ann["dead_letters"]["rejected"] == 1);
    let letters: serde_json::Value = serde_json::from_str(&host.ok(&["dead-letters", "list", "--json"])).unwrap();
    let letter = &letters["letters"][0];
    assert_eq!((&letter["hops"], &letter["from"]), (&1.into(), &"/guide".into()), "{letter}");
    let shown = host.ok(&["dead-letters", "show", letter["id"].as_str().unwrap()]);
    assert!(shown.contains(&format!("flow      {}, hop 1", letter["flow"].as_str().unwrap())), "{shown}");
}

/// `handle_panic` in the parent.
#[test]
fn parent_decides_when_its_child_panics() {
    let team =
        "spawns = [\"flaky\"]\nconfig = { worker = \"flaky\", patience_ms = 60000 }\n[[plugin]]\nname = \"flaky\"\n";
    let team = actors(&[("/team", "team")]) + team + "[plugin.restart]\nattempts = 5\n";
    let ended = Host::spawn(folder(&team), &["--tell", "/team=!panic", "--until-idle"]).end();
    assert!(ended.stdout.starts_with("order-1: failed twice, panicked"), "{}{}", ended.stdout, ended.stderr);
}

/// "single forward: A, B, C, no backwards".
#[test]
fn pipeline_grants_only_sends_to_the_next_actor() {
    let three = actors(&[("/c", "guide"), ("/b", "guide"), ("/a", "guide")]);
    let line = folder(&three);
    let path = line.path().join("playhouse.toml");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let piped = manifest.replacen("[play]\n", "[play]\npipeline = [\"/a\", \"/b\", \"/c\"]\n", 1);
    std::fs::write(&path, &piped).unwrap();
    let host = Host::start(line, &[]);
    let checked = host.ok(&["check"]);
    assert!(checked.contains("pipeline: /a -> /b -> /c\n") && checked.ends_with("/a -> /b -> /c\n"), "{checked}");
    assert_eq!(host.ok(&["ask", "/a", "tell /b note x"]), "ok");
    assert!(host.ok(&["ask", "/a", "tell /c note x"]).starts_with("not-granted: "));
    assert!(host.ok(&["ask", "/b", "tell /a note x"]).starts_with("not-granted: "));
    assert_eq!(host.ok(&["ask", "/a", "ask /b ask /c who"]), "c /c / 1 []");
    let back = piped.replacen("address = \"/c\"\n", "address = \"/c\"\nsends_to = [\"/a\"]\n", 1);
    std::fs::write(&path, back).unwrap();
    let warned = host.run(&["check"]);
    let stderr = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(stderr.contains("messages can go in a circle: "), "{stderr}");
}

/// Timers. `timers_die_with_their_incarnation` checks that a timer ends with its incarnation and never fires in a later one.
#[test]
fn timer_fires_once_or_repeatedly_until_a_crash() {
    let mut host = Host::start(folder(&guides("", "")), &[]);
    assert_eq!(host.says("remind 1 once"), "ok");
    assert_eq!(host.says("every 1 tick"), "ok");
    let _ = host.actor_when("/guide", |guide| guide["handled"].as_u64() > Some(6));
    host.ok(&["tell", "/guide", "panic"]);
    host.wait_for("crashed: ");
    let _ = host.actor_when("/guide", |guide| guide["incarnation"].as_u64() > Some(1) && guide["state"] == "idle");
    let ended = stopped(host);
    assert_eq!(ended.stdout.lines().filter(|line| *line == "/guide once").count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.lines().filter(|line| *line == "/guide tick").count() > 1, "{}", ended.stdout);
}

/// Bad use gets an error that the guest can match.
#[test]
fn bad_use_gets_a_typed_error() {
    let keys = "config = { children = \"ann bob\" }\n[actor.limits]\nchildren = 2\ntimers = 1\ntimeout = \"1m\"";
    let host = host(keys, CHILD);
    let cases = [
        ("tell /nowhere note x", "not-granted"),
        ("tell nobody note x", "unknown-address"),
        ("tell no:address note x", "bad-address"),
        ("all /peer x", "bad-address"),
        ("spawn carl nothing", "unknown-plugin"),
        ("spawn ann guide", "duplicate"),
        ("spawn carl guide", "too-many-children"),
        ("spawn no/name guide", "bad-name"),
        ("ask ann nonsense", "rejected"),
        ("ask ann panic", "crashed"),
        ("ask /guide who", "not-granted"),
    ];
    for (text, kind) in cases {
        assert_eq!(host.refuses(text), kind, "{text}");
    }
    assert_eq!(host.says("remind 3600000 x"), "ok");
    assert_eq!(host.refuses("remind 3600000 x"), "too-many-timers");
    host.ok(&["stop", "/peer"]);
    assert_eq!(host.refuses("ask /peer who"), "stopped-by-operator");
    let ask = host.run(&["ask", "/peer", "who", "--timeout", "50ms"]);
    let said = String::from_utf8_lossy(&ask.stderr).into_owned();
    assert_eq!(ask.status.code(), Some(1));
    assert!(said.contains("`/peer` is stopped by an operator, and did not start within 50ms (--timeout)"), "{said}");
    assert!(said.contains("`playhouse start /peer` starts it; then ask again"), "{said}");
}

/// An ask to a full mailbox, an ask that would wait for itself, and an ask without an answer in time.
#[test]
fn failed_ask_returns_its_kind() {
    let full = actors(&[("/full", "flaky")])
        + "[actor.mailbox]\ncapacity = 1\noverflow = \"reject\"\n[actor.limits]\ntimeout = \"1h\"\n\n";
    let circle = actors(&[("/guide", "guide")]) + "sends_to = [\"/full\", \"/guide\"]\n";
    let host = Host::start(folder(&(full + &circle)), &[]);
    assert_eq!(host.refuses("ask /guide who"), "deadlock");
    host.ok(&["tell", "/full", "!sleep"]);
    let _ = host.actor_when("/full", |full| full["waiting"] == 0);
    assert_eq!(
        host.refuses("ask /full x"),
        "timeout",
        "`/full` is busy, and the ask has the only place in the mailbox"
    );
    assert_eq!(host.refuses("ask /full z"), "mailbox-full");
    let told = host.run(&["tell", "/full", "z"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1));
    assert!(said.contains("the mailbox of `/full` is full"), "{said}");
}

/// Ends a host in order.
fn stopped(host: Host) -> Ended {
    host.signal(rustix::process::Signal::INT);
    host.end()
}
