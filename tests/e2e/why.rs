//! `playhouse why`: what an actor waits for, up to the root cause, in exact words.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use playhouse_runtime::control::socket::default_path;
use playhouse_runtime::{Backoff, Message, Native, NativeActor, NativeContext, NativeResult, Play, RunningPlay};
use playhouse_tests::{built, cargo};
use tempfile::TempDir;

use crate::harness::{Host, actors, command, folder};

const HOUR: Duration = Duration::from_hours(1);
/// Far longer than any step of a test takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// Follows the steps in a message, separated by `;`: `ask TO REST`, `tell TO REST`, `hang` (waits for ever), `panic REST`.
#[derive(Clone)]
struct Follower;

impl NativeActor for Follower {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let script = String::from_utf8(msg.body)?;
        for step in script.split(';') {
            let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
            let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
            match verb {
                "ask" => drop(ctx.ask(to, body, HOUR).await),
                "tell" => ctx.tell(to, body)?,
                "hang" => std::future::pending().await,
                "panic" => panic!("{rest}"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A follower with space for two messages, which restarts after an hour, and fails at the second crash.
fn follower() -> Native {
    Native::new(|| Follower).with(|spec| {
        (spec.batch, spec.mailbox.capacity, spec.mailbox.block_timeout) = (1, 2, HOUR);
        (spec.limits.timeout, spec.restart.attempts) = (HOUR, 1);
        spec.restart.backoff = Backoff { initial: HOUR, max: HOUR };
    })
}

/// A play of followers in this process, with a control socket.
struct Followers {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    play: RunningPlay,
    /// The play goes on until this is dropped.
    _over: mpsc::Sender<()>,
}

impl Followers {
    fn at(addresses: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let play = addresses.iter().fold(Play::of_natives("test"), |play, at| play.place(at, follower()));
        let play = play.control_socket(default_path(folder.path()));
        let play = runtime.block_on(async {
            let play = play.start().await.unwrap();
            play.wait_booted().await;
            play
        });
        Self { folder, runtime, play, _over: mpsc::channel().0 }
    }

    fn tell(&self, to: &str, body: &str) {
        self.runtime.block_on(self.play.tell(to, body)).unwrap();
    }

    fn why(&self, of: &str) -> serde_json::Value {
        why(self.folder.path(), of)
    }

    /// Polls until the chain of an actor has these reasons.
    fn when(&self, of: &str, kinds: &[&str]) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let why = self.why(of);
            if self::kinds(&why) == kinds {
                return why;
            }
            assert!(Instant::now() < until, "{of} did not come to {kinds:?}: {why:#}");
        }
    }

    fn text(&self, of: &str) -> String {
        steady(&run(self.folder.path(), &["why", of]))
    }
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn why(folder: &Path, of: &str) -> serde_json::Value {
    serde_json::from_str(&run(folder, &["why", of, "--json"])).unwrap()
}

/// The kinds of the reasons in a chain.
fn kinds(why: &serde_json::Value) -> Vec<&str> {
    why["chain"].as_array().unwrap().iter().map(|link| link["kind"].as_str().unwrap()).collect()
}

/// The text with `T` for times, `WHEN` for moments and `ID` for ids.
fn steady(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| matches!(c, '(' | ')' | ',' | '.' | ';'));
        let number = bare.strip_suffix(['s', 'm']).is_some_and(|n| n.parse::<f64>().is_ok());
        let moment = bare.ends_with('Z') && bare.contains('T') && bare.contains(':');
        let id = bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let shown = if number {
            "T"
        } else if moment {
            "WHEN"
        } else if id {
            "ID"
        } else {
            bare
        };
        word.replacen(bare, shown, 1)
    };
    text.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn chain_of_waits_ends_at_the_actor_that_an_operator_stopped() {
    let play = Followers::at(&["/a", "/b", "/c"]);
    run(play.folder.path(), &["stop", "/c"]);
    play.tell("/c", "first");
    play.tell("/c", "second");
    play.tell("/a", "ask /b tell /c third");
    let why = play.when("/a", &["answer", "space", "stopped"]);
    assert_eq!(
        play.text("/a"),
        "/a has waited T for the answer of /b to its ask, which ends in T. /b has waited T for space in the mailbox of \
         /c, which has 2 of 2 messages (`mailbox.block_timeout` is T). /c was stopped by an operator at WHEN (T ago). \
         That is the root cause. `playhouse start /c` starts it."
    );
    assert_eq!((&why["address"], &why["state"], &why["end"]), (&"/a".into(), &"running".into(), &"root".into()));
    assert_eq!(why["root"], serde_json::json!({ "address": "/c", "kind": "stopped" }));
    assert_eq!((&why["chain"][0]["on"], &why["chain"][1]["on"]), (&"/b".into(), &"/c".into()));
    assert_eq!((&why["chain"][2]["waiting"], &why["chain"][2]["capacity"]), (&2.into(), &2.into()));
    assert_eq!(why["advice"], "`playhouse start /c` starts it.");
    assert!(why["since_ms"].is_u64() && why["since"].is_string(), "{why:#}");
    assert_eq!(
        play.text("/c"),
        "/c was stopped by an operator at WHEN (T ago). `playhouse start /c` starts it. 1 sender waits for space in \
         the mailbox of /c: /b (space, T)."
    );
    assert_eq!(play.why("/c")["blocked"]["for_space"], 1);
    run(play.folder.path(), &["start", "/c"]);
    play.when("/a", &["idle"]);
    assert_eq!(play.text("/a"), "/a is idle: no message waits.");
}

#[test]
fn actors_that_wait_for_each_other_are_a_cycle() {
    let play = Followers::at(&["/a", "/b"]);
    let flood = |to: &str| format!("tell {to} x;").repeat(8);
    // While both are stopped, the messages come together, so that neither is handled before the other one is there.
    for actor in ["/a", "/b"] {
        run(play.folder.path(), &["stop", actor]);
    }
    play.tell("/a", &flood("/b"));
    play.tell("/b", &flood("/a"));
    play.tell("/a", "hang");
    play.tell("/b", "hang");
    for actor in ["/a", "/b"] {
        run(play.folder.path(), &["start", actor]);
    }
    // Each has one message of its own left, and gets one more: then both are full.
    let why = play.when("/a", &["space", "space"]);
    assert_eq!((&why["end"], &why["root"]), (&"cycle".into(), &serde_json::Value::Null));
    let said = play.text("/a");
    let (chain, advice) = said.split_once(" It ends in T for ").unwrap();
    assert_eq!(
        chain,
        "/a has waited T for space in the mailbox of /b, which has 2 of 2 messages (`mailbox.block_timeout` is T). /b \
         has waited T for space in the mailbox of /a, which has 2 of 2 messages (`mailbox.block_timeout` is T). That is \
         a cycle: /a -> /b -> /a."
    );
    let (first, rest) = advice.split_once(", when its message ").unwrap();
    assert!(matches!(first, "/a" | "/b"), "{said}");
    assert_eq!(
        rest,
        "becomes a dead letter; a larger `mailbox.capacity`, or another `overflow` than `block`, prevents it. 1 sender \
         waits for space in the mailbox of /a: /b (space, T)."
    );
}

#[test]
fn handler_that_never_returns_is_the_root_cause() {
    let play = Followers::at(&["/a", "/b"]);
    play.tell("/a", "ask /b hang");
    play.when("/a", &["answer", "code"]);
    assert_eq!(
        play.text("/b"),
        "the code of /b has run, or waited for something that is no actor, for T in its call for message ID. The call \
         ends after T (`limits.timeout`), if it lets others run; `playhouse stop /b` ends it before. 1 ask waits for an \
         answer of /b: /a (answer, T)."
    );
}

#[test]
fn crash_reason_with_escapes_of_a_terminal_is_shown_escaped() {
    let play = Followers::at(&["/a", "/b"]);
    play.tell("/a", "panic \u{1b}[31mred\nand a line");
    play.when("/a", &["restart"]);
    assert_eq!(
        play.text("/a"),
        "/a starts again in T, after it panicked: \\u{1b}[31mred\\nand a line. `playhouse start /a` starts it now, and \
         `playhouse logs --actor /a` shows its failures."
    );
}

#[test]
fn failed_actor_says_why_and_how_to_try_it() {
    let manifest = format!(
        "[play.supervision]\nintensity = 0\n{}{}restart = {{ attempts = 1, cooldown = \"1h\" }}\n",
        actors(&[("/echo", "echo")]),
        actors(&[("/flaky", "flaky")])
    );
    let host = Host::start(folder(&manifest), &["--tell", "/flaky=!panic"]);
    host.actor_when("/flaky", |flaky| flaky["state"] == "failed");
    assert_eq!(
        steady(&host.ok(&["why", "/flaky"])),
        "/flaky failed at WHEN (T ago): 1 failure within T, and no restart is allowed; the next trial start is in T. \
         `playhouse start /flaky` tries it now, and `playhouse logs --actor /flaky` shows its failures."
    );
}

#[test]
fn handler_that_computes_is_told_from_one_that_waits() {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"]);
    let plugins = built().join("../wasm32-wasip2/guest").display().to_string();
    let folder = folder("");
    let manifest = format!(
        "[play]\nname = \"test\"\nplugins = {plugins:?}\n[[actor]]\naddress = \"/spins\"\nplugin = \"puppet\"\n\
         limits = {{ cpu = \"30m\", timeout = \"2h\" }}\nsupervision = {{ shutdown = \"100ms\" }}\n"
    );
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    let host = Host::start(folder, &["--tell", "/spins=spin"]);
    let until = Instant::now() + PATIENCE;
    let said = loop {
        let said = steady(&host.ok(&["why", "/spins"]));
        if said.contains("has computed") {
            break said;
        }
        assert!(Instant::now() < until, "{said}");
    };
    let (before, after) = said.split_once(", at ").unwrap();
    assert_eq!(before, "/spins has computed for T in its call for message ID");
    assert_eq!(
        after.split_once('%').unwrap().1,
        " of a core. The call ends after T (`limits.timeout`), or when `limits.cpu` is used up; `playhouse stop /spins` \
         ends it before."
    );
    // The operator's answers do not wait for it.
    host.ok(&["stop", "/spins"]);
    assert!(host.ok(&["why", "/spins"]).starts_with("/spins was stopped by an operator at "));
}

#[test]
fn unknown_address_names_the_one_that_may_be_meant() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let output = host.run(&["why", "/ecko"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("did you mean `/echo`?"), "{said}");
}

#[test]
fn family_and_its_members_are_explained() {
    let manifest = "[[family]]\naddress = \"/user/*\"\nplugin = \"counter\"\nnames = \"[a-z]{1,8}\"\nlive = 2\n\
                    members = 3\ncreate = [\"/\"]\n";
    let host = Host::start(folder(manifest), &[]);
    assert_eq!(host.ok(&["ask", "/user/ada", "get"]), "0");
    let said = host.ok(&["why", "/user"]);
    assert_eq!(said, "/user/* has 1 of 3 members, 1 of 2 live; none of them waits.\n");
    let member: serde_json::Value = serde_json::from_str(&host.ok(&["why", "/user/ada", "--json"])).unwrap();
    assert_eq!((&member["address"], &member["chain"][0]["kind"]), (&"/user/ada".into(), &"idle".into()));
    let refused = host.run(&["why", "/user/eve"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("the family `/user/*` has no such member"), "{said}");
}
