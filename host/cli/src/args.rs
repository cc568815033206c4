//! The command line.

mod host;
mod letters;
mod state;
mod stored;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use playhouse_runtime::{Address, AddressPattern};

pub use host::{Host, Look};
pub use letters::{DeadLetters, ListLetters, MoveLetters, ShowLetter, SomeLetters};
pub use state::{ImportState, SetState, State, StateKey, StateKeys};
pub use stored::{
    Backup, DropMessages, Mailbox, OfMailbox, Restore, ShowMailbox, Store, StoreFolder, StoreHost, StoreLook,
};
pub use values::Lasting;
use values::{
    parse_address, parse_flow, parse_interval, parse_key, parse_lasting, parse_log, parse_pattern, parse_tell,
    parse_time,
};

/// Hosts actors that are WebAssembly components.
///
/// Exit codes: 0 fine; 1 it failed while running, messages were left unhandled, an ask had no reply, a tell was
/// refused or dropped, a host did not answer; 2 bad arguments, manifest, plugin or store; 3 no host is running for this
/// user; 4 a required actor was given up; 5 the store failed; 130 a second Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "playhouse", version, about, max_term_width = 100)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a play until Ctrl-C, which lets the actors handle their waiting messages; a second Ctrl-C ends it at once.
    Run(Run),
    /// Check a manifest and its plugins without running them; print the tree and the flow.
    Check(Check),
    /// Show a component: digest, imports, exports, hooks, and whether it can run as an actor.
    Inspect(Inspect),
    /// Show the actors of a running host.
    Tree(Tree),
    /// Say in one paragraph why an actor of a running host does not go on: what it waits for, up to the root cause, and the way
    /// out.
    Why(Why),
    /// Say whether a running host is healthy; exit code 1 when it is not, 3 when there is none.
    Health(Health),
    /// Print the last lines of a running host's log, and with `-f` the lines to come until the play is over.
    Logs(Logs),
    /// Set the level of the log for some actors of a running host, for a while; without arguments, list the levels by actor.
    LogLevel(LogLevel),
    /// Send a message to an actor of a running host; returns once the message is in the mailbox.
    Tell(Tell),
    /// Send a message and print the reply.
    Ask(Ask),
    /// Stop an actor; only `start` starts it again. Its messages wait.
    Stop(One),
    /// Start an actor that was stopped, that failed, or that waits for its first start.
    Start(One),
    /// List, show, send again or remove messages that no actor will handle.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Look at the values that an actor keeps in the play's store, or change them while the actor is stopped.
    #[command(subcommand)]
    State(State),
    /// List durable mailboxes, and show, drop, export or import the messages that wait in one: of a running host, or in the store
    /// of a stopped one.
    #[command(subcommand)]
    Mailbox(Mailbox),
    /// Look at the store of a play, check it, back it up, restore or compact it.
    #[command(subcommand)]
    Store(Store),
}

/// `playhouse run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The manifest.
    #[arg(default_value = "playhouse.toml")]
    pub manifest: PathBuf,
    /// Send a message once all actors are up; may be given several times.
    #[arg(long = "tell", value_name = "ADDR=BODY", value_parser = parse_tell)]
    pub tells: Vec<(Address, String)>,
    /// Send each line of stdin to this actor, without its newline. A line longer than the actor's
    /// `limits.message` is reported and not sent; the other lines are sent, and the run ends with exit code 1.
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub stdin: Option<Address>,
    /// Stop in order once the input is at its end and no message is left.
    #[arg(long)]
    pub until_idle: bool,
    /// Listen on this socket instead of `.playhouse/control.sock` beside the manifest.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Do not listen on a control socket.
    #[arg(long, conflicts_with = "socket")]
    pub no_socket: bool,
    /// Number of threads that run actors, 1 to 1024. Default: one for each core that this process may use.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Lowest level of log lines to show: error, warn, info, debug, trace, or a filter as in `RUST_LOG`, which
    /// counts without this option. Default: info.
    #[arg(long, value_name = "LEVEL", value_parser = parse_log)]
    pub log: Option<String>,
    /// Format of the log: text, or json with one object in each line. Default: `format` in `[play.log]` of the
    /// manifest, which is text.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub log_format: Option<Format>,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for readers.
    Text,
    /// An object in each line.
    Json,
}

/// `playhouse check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The manifest.
    #[arg(default_value = "playhouse.toml")]
    pub manifest: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `playhouse inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The component.
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `playhouse why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The actor, or the address of a family.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The host, and the form of the output.
    #[command(flatten)]
    pub look: Look,
}

/// `playhouse logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Print the lines to come as well, until the play is over. Begins with the last 10 lines, unless `--since` or `--lines` is
    /// given.
    #[arg(long, short)]
    pub follow: bool,
    /// Only lines about these actors: `/a` is one actor, `/a/*` its children, `/a/**` all below it. May be given several times.
    #[arg(long = "actor", value_name = "PATTERN")]
    pub actors: Vec<AddressPattern>,
    /// Only lines of this flow: its id, or the beginning of the id.
    #[arg(long, value_name = "ID", value_parser = parse_flow)]
    pub flow: Option<String>,
    /// Only lines of this level, or of a more severe one.
    #[arg(long, value_name = "LEVEL", value_parser = clap::builder::PossibleValuesParser::new(LEVELS))]
    pub level: Option<String>,
    /// Only lines of this time until now, as in 30s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<Duration>,
    /// Only the last N lines.
    #[arg(long, short = 'n', value_name = "N")]
    pub lines: Option<u64>,
    /// Print each line as an object.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

/// The levels of the log.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// `playhouse tree`.
#[derive(Debug, Args)]
pub struct Tree {
    /// The host, and the form of the output: with `--watch`, JSON is one object in each line.
    #[command(flatten)]
    pub look: Look,
    /// Show the actors again each second, or with a time as in `--watch=5s` at that interval (at least 100ms), until
    /// Ctrl-C, with exit code 0. On a terminal each tree replaces the one before; JSON is one object in each line.
    /// Exit code 3 when the host ends.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1s",
          value_parser = parse_interval)]
    pub watch: Option<Duration>,
}

/// `playhouse tell`.
#[derive(Debug, Args)]
pub struct Tell {
    /// The receiver's address.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub to: Address,
    /// The message; one that looks like an option comes after `--`. Default: all of stdin.
    #[arg(conflicts_with = "lines", allow_hyphen_values = true)]
    pub body: Option<String>,
    /// Each line of stdin is a message, without its newline. Lines that come at once are sent together.
    #[arg(long)]
    pub lines: bool,
    /// A key for this message: the same command once more sends nothing, as long as the play remembers the key (`keys_for` of
    /// [play.store]). The receiver needs a durable mailbox. At most 255 bytes.
    #[arg(long, value_name = "KEY", conflicts_with = "lines", value_parser = parse_key)]
    pub key: Option<String>,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

/// `playhouse health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Say whether the host takes work as well: it is booted, does not stop, is not short of memory, and its store has space.
    #[arg(long)]
    pub ready: bool,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

/// `playhouse log-level`.
#[derive(Debug, Args)]
pub struct LogLevel {
    /// The actors, also those that come later: `/a` is one actor, `/a/*` its children, `/a/**` all below it.
    #[arg(value_name = "PATTERN", value_parser = parse_pattern, requires = "change")]
    pub actors: Option<AddressPattern>,
    /// The lowest level to show of them.
    #[arg(group = "change", value_parser = clap::builder::PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"]))]
    pub level: Option<String>,
    /// Time after which the level ends, as in 30s, 10m, 2h, or forever. Default: 10m.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_lasting, requires = "level", conflicts_with = "reset")]
    pub lasts: Option<Lasting>,
    /// End the level that was set for exactly this pattern.
    #[arg(long, group = "change", requires = "actors")]
    pub reset: bool,
    /// Print the list as JSON.
    #[arg(long, conflicts_with = "actors")]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

/// `playhouse ask`.
#[derive(Debug, Args)]
pub struct Ask {
    /// The receiver's address.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub to: Address,
    /// The message; one that looks like an option comes after `--`. Default: all of stdin.
    #[arg(allow_hyphen_values = true)]
    pub body: Option<String>,
    /// Time limit for the reply, as in 500ms, 5s, 1m.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    pub timeout: Duration,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

/// `playhouse stop`, `playhouse start`.
#[derive(Debug, Args)]
pub struct One {
    /// The actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_replay_without_an_id_says_what_to_give() {
        let error = Cli::try_parse_from(["playhouse", "dead-letters", "replay"]).expect_err("it needs more");
        expect_test::expect![[r#"
            error: the following required arguments were not provided:
              <ID|--all|--to <ADDR>|--reason <KIND>>

            Usage: playhouse dead-letters replay <ID|--all|--to <ADDR>|--reason <KIND>>

            For more information, try '--help'.
        "#]]
        .assert_eq(&error.to_string());
    }

    #[test]
    fn log_level_needs_a_change_for_a_pattern() {
        let parsed = |arguments: &[&str]| Cli::try_parse_from([&["playhouse", "log-level"], arguments].concat());
        for good in [
            &[][..],
            &["--json"],
            &["/a/**", "debug"],
            &["/a/*", "warn", "--for", "90s"],
            &["/a", "error", "--for", "forever"],
            &["/**", "--reset"],
        ] {
            assert!(parsed(good).is_ok(), "{good:?}");
        }
        for bad in [
            &["/a"][..],
            &["/", "debug"],
            &["a", "debug"],
            &["/a/***", "debug"],
            &["/a", "loud"],
            &["/a", "debug", "--reset"],
            &["--reset"],
            &["/a", "--for", "5m"],
            &["/a", "debug", "--for", "0s"],
            &["/a", "debug", "--for", "999us"],
            &["/a", "--reset", "--for", "1m"],
            &["/a", "debug", "--for", "soon"],
            &["/a", "debug", "--json"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn flow_is_the_beginning_of_an_id() {
        let flow = |text: &str| {
            let cli = Cli::try_parse_from(["playhouse", "logs", "--flow", text]).ok()?;
            if let Command::Logs(Logs { flow, .. }) = cli.command { flow } else { None }
        };
        let whole = "0123456789abcdef".repeat(2);
        for good in ["0", "1a2b", &whole] {
            assert_eq!(flow(good).as_deref(), Some(good));
        }
        assert_eq!(flow("1A2B").as_deref(), Some("1a2b"));
        for bad in ["", "xyz", " 1", "-1", "\u{e9}", &format!("{whole}00")] {
            assert_eq!(flow(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn empty_log_level_is_refused_with_a_way_out() {
        for empty in ["", "  "] {
            let error = Cli::try_parse_from(["playhouse", "run", "--log", empty]).expect_err("it says nothing");
            assert!(error.to_string().contains("or leave `--log` out") && error.exit_code() == 2, "{error}");
        }
    }

    #[test]
    fn body_may_begin_with_a_dash() {
        let body = |arguments: &[&str]| {
            let cli = Cli::try_parse_from([&["playhouse"], arguments].concat()).expect("it is a command line");
            match cli.command {
                Command::Tell(Tell { body, lines, host, .. }) => (body, lines, host.socket),
                Command::Ask(Ask { body, host, .. }) => (body, false, host.socket),
                other => panic!("{other:?}"),
            }
        };
        let default: PathBuf = ".playhouse/control.sock".into();
        for command in ["tell", "ask"] {
            for given in ["-1", "-x", "--nothing", "- a list", "-"] {
                assert_eq!(body(&[command, "/a", given]), (Some(given.into()), false, default.clone()));
            }
            for given in ["--lines", "--socket", "--help", "-h", "--"] {
                assert_eq!(body(&[command, "/a", "--", given]), (Some(given.into()), false, default.clone()));
            }
            assert_eq!(body(&[command, "/a", "-1", "--socket", "s"]), (Some("-1".into()), false, "s".into()));
            assert_eq!(body(&[command, "/a", "--socket", "s"]), (None, false, "s".into()));
        }
        assert_eq!(body(&["tell", "/a", "--lines"]), (None, true, default));
        assert_eq!(parse_tell("/a=-x").map(|(_, body)| body), Ok("-x".into()));
    }

    #[test]
    fn compiler_child_is_never_suggested() {
        for arguments in
            [&["compile"][..], &["compile-for-paren"], &["compile-for-parent", "x"], &["help", "compile-for-parent"]]
        {
            let error = Cli::try_parse_from([&["playhouse"], arguments].concat()).expect_err("no command");
            // The error quotes the given argument.
            let said = arguments.iter().fold(error.to_string(), |said, given| said.replace(&format!("'{given}'"), ""));
            assert!(!said.contains("for-parent"), "{error}");
        }
        assert!(!Cli::command().render_long_help().to_string().contains("for-parent"));
        let is_compiler = |arguments: &[&str]| crate::is_compiler(arguments.iter().map(Into::into));
        assert!(is_compiler(&["playhouse", "compile-for-parent"]));
        assert!(!is_compiler(&["playhouse", "compile-for-parent", "x"]) && !is_compiler(&["playhouse", "tree"]));
    }

    #[test]
    fn root_is_refused_where_an_actor_is_wanted() {
        for arguments in
            [&["start", "/"][..], &["stop", "/"], &["tell", "/", "x"], &["ask", "/", "x"], &["run", "--tell", "/=x"]]
        {
            let error = Cli::try_parse_from([&["playhouse"], arguments].concat()).expect_err("no actor");
            assert!(error.to_string().contains("`/` is the play itself and no actor"), "{error}");
        }
    }

    #[test]
    fn a_tell_splits_at_its_first_equals_sign() {
        let tell = parse_tell("/a=x=y").map(|(to, body)| (to.to_string(), body));
        assert_eq!(tell, Ok(("/a".into(), "x=y".into())));
        assert!(parse_tell("/a").is_err());
    }
}
