//! `playhouse dead-letters`: messages that were not handled, listed, shown, sent again, dropped.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::body::{short, shown_body};
use super::host::{connect, unexpected};
use super::table::table;
use super::tree::shortened;
use super::{print, print_json};
use crate::args;
use crate::console::Console;
use crate::exit::{Exit, FAILED};
use playhouse_runtime::control::letter_views::{KeptLetter, Letter, Letters};
use playhouse_runtime::control::protocol::{AddressText, Body, Request, Response, Which};
use playhouse_runtime::control::views::{BlamedView, FatesView};
use playhouse_runtime::printable::{Printable, age, counted};

pub(crate) fn list(args: &args::ListLetters) -> Result<(), Exit> {
    let request = Request::DeadLetters { which: which(&args.which), bodies: args.look.json };
    match connect(&args.look.host)?.request(&request)? {
        Response::DeadLetters(letters) if args.look.json => print_json(&letters),
        Response::DeadLetters(letters) => print(&listed(&letters)),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn show(args: &args::ShowLetter) -> Result<(), Exit> {
    match connect(&args.look.host)?.request(&Request::DeadLetter { id: args.id.clone() })? {
        Response::DeadLetter(letter) if args.look.json => print_json(&letter),
        Response::DeadLetter(letter) => print(&shown(&letter, args.text, args.hex)),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn replay(args: &args::MoveLetters, console: &Console) -> Result<(), Exit> {
    let request = match &args.id {
        Some(id) => Request::ReplayLetter { id: id.clone() },
        None => Request::ReplayLetters { which: which(&args.which) },
    };
    match connect(&args.host)?.request(&request)? {
        Response::Replayed { letter, to, id } => {
            print(&format!("replayed {} to {to}, as the message {}\n", short(&letter), short(&id)))
        }
        Response::LettersMoved { done, failed } => moved("replayed", done, &failed, console),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn drop(args: &args::MoveLetters, console: &Console) -> Result<(), Exit> {
    let request = match &args.id {
        Some(id) => Request::DropLetter { id: id.clone() },
        None => Request::DropLetters { which: which(&args.which) },
    };
    match connect(&args.host)?.request(&request)? {
        Response::Dropped { letter, to } => print(&format!("dropped {} to {to}\n", short(&letter))),
        Response::LettersMoved { done, failed } => moved("dropped", done, &failed, console),
        other => Err(unexpected(&other)),
    }
}

fn which(some: &args::SomeLetters) -> Which {
    Which { to: some.to.clone().map(AddressText), reason: some.reason.clone() }
}

/// Prints how many letters left the store. Letters that stay are reported on stderr, and the command fails.
fn moved(verb: &str, done: u64, failed: &[KeptLetter], console: &Console) -> Result<(), Exit> {
    print(&format!("{verb} {}\n", counted(done, "dead letter")))?;
    if failed.is_empty() {
        return Ok(());
    }
    console.print(kept_on(failed).trim_end());
    Err(Exit::quiet(FAILED))
}

/// Each reason once, with the number of letters that it keeps in the store.
fn kept_on(failed: &[KeptLetter]) -> String {
    let mut by_reason: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for letter in failed {
        by_reason.entry(&letter.why).or_insert((0, &letter.id)).0 += 1;
    }
    let mut out = String::new();
    for (why, (count, first)) in by_reason {
        let stay = if count == 1 { "stays" } else { "stay" };
        let (letters, first) = (counted(count, "dead letter"), short(first));
        let _ = writeln!(out, "playhouse: {letters} {stay} (the first is {first}): {}", Printable(why));
    }
    out
}

fn listed(letters: &Letters) -> String {
    let rows: Vec<_> = letters
        .letters
        .iter()
        .map(|letter| {
            vec![
                short(&letter.id),
                age(Duration::from_millis(letter.age_ms)),
                letter.to.clone(),
                from(letter).to_owned(),
                letter.attempts.to_string(),
                shortened(&letter.reason),
            ]
        })
        .collect();
    let mut out = match rows.is_empty() {
        true if letters.counts.is_empty() => return "no dead letters\n".into(),
        true => "no such dead letter is kept\n".into(),
        false => table(&["ID", "AGE", "TO", "FROM", "ATTEMPTS", "REASON"], &rows, &[1, 4]),
    };
    out.push('\n');
    out.push_str(&counts(&letters.counts));
    let forgotten: u64 = letters.counts.values().map(|fates| fates.forgotten).sum();
    if forgotten > 0 {
        let _ = writeln!(out, "the oldest letters were removed: a larger [play.dead_letters] keeps more");
    }
    out
}

/// By reason: the letters that came in this run of the host, and those that the store had from earlier runs.
fn counts(counts: &BTreeMap<String, FatesView>) -> String {
    let row = |(kind, fates): (&String, &FatesView)| {
        let all = fates.restored + fates.all;
        let numbers = [fates.kept, fates.replayed, fates.dropped, fates.forgotten, all];
        std::iter::once(kind.clone()).chain(numbers.map(|number| number.to_string())).collect()
    };
    let rows: Vec<_> = counts.iter().map(row).collect();
    table(&["REASON", "KEPT", "REPLAYED", "DROPPED", "FORGOTTEN", "ALL"], &rows, &[1, 2, 3, 4, 5])
}

fn from(letter: &Letter) -> &str {
    letter.from.as_deref().unwrap_or("(outside)")
}

fn shown(letter: &Letter, as_text: bool, as_hex: bool) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<10}{}", Printable(text));
    };
    line("id", &letter.id);
    line("to", &letter.to);
    line("from", from(letter));
    line("flow", &format!("{}, hop {}", letter.flow, letter.hops));
    line("attempts", &letter.attempts.to_string());
    line("when", &format!("{}, {} ago", letter.at, age(Duration::from_millis(letter.age_ms))));
    line("kind", &letter.kind);
    line("reason", &letter.reason);
    if let Some(crash) = &letter.crash {
        line("crash", &format!("{} (incarnation {}) {}", crash.address, crash.incarnation, crash.reason));
        if let Some(BlamedView { attempt, of, .. }) = &crash.blamed {
            line("", &format!("attempt {attempt} of {of}"));
        }
        if let Some(decision) = &crash.decision {
            line("", &decision.text);
        }
        for (title, lines) in [("backtrace", &crash.backtrace), ("stderr", &crash.stderr)] {
            for (n, text) in lines.iter().enumerate() {
                line(if n == 0 { title } else { "" }, text);
            }
        }
    }
    for (n, (key, value)) in letter.metadata.iter().enumerate() {
        line(if n == 0 { "metadata" } else { "" }, &format!("{key}: {value}"));
    }
    let Body(body) = letter.body.clone().unwrap_or_default();
    out.push_str(&shown_body(&body, as_text, as_hex));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use playhouse_runtime::control::views::{CrashView, DecisionView};

    fn letter(body: &[u8]) -> Letter {
        Letter {
            id: format!("{}-2", "0123456789abcdef".repeat(2)),
            message: "0123456789abcdef".repeat(2),
            flow: format!("{:0>32}", "5d1"),
            hops: 2,
            at: "2026-11-22T16:46:00.123Z".into(),
            age_ms: 200_000,
            to: "/flaky".into(),
            from: Some("/split".into()),
            attempts: 3,
            kind: "crashed".into(),
            reason: "the actor panicked: boom\u{1b}[31m".into(),
            crash: Some(CrashView {
                address: "/flaky".into(),
                incarnation: 7,
                at: "2026-11-22T16:46:00.123Z".into(),
                kind: "panic".into(),
                reason: "panicked: boom\u{1b}[31m".into(),
                blamed: Some(BlamedView { id: "01".into(), attempt: 3, of: 3, flow: "5d1".into(), hops: 2 }),
                replayed: 0,
                decision: Some(DecisionView {
                    directive: None,
                    kind: "restarts".into(),
                    text: "restarts in 12ms, failures that count within 10s: 2 of 10".into(),
                    restarts: Some(2),
                    intensity: Some(10),
                    period_ms: Some(10_000),
                }),
                cause: None,
                backtrace: vec!["flaky::make".into(), "a\u{1b}]0;title\u{7}".into()],
                stderr: vec!["last\u{9b}words".into(), "more".into()],
            }),
            metadata: vec![("path".into(), "/orders\u{1b}[31m".into())],
            bytes: body.len() as u64,
            body: Some(Body(body.to_vec())),
            text: None,
        }
    }

    #[test]
    fn letter_is_shown_in_full_and_escaped_for_a_terminal() {
        expect![[r#"
            id        0123456789abcdef0123456789abcdef-2
            to        /flaky
            from      /split
            flow      000000000000000000000000000005d1, hop 2
            attempts  3
            when      2026-11-22T16:46:00.123Z, 3m ago
            kind      crashed
            reason    the actor panicked: boom\u{1b}[31m
            crash     /flaky (incarnation 7) panicked: boom\u{1b}[31m
                      attempt 3 of 3
                      restarts in 12ms, failures that count within 10s: 2 of 10
            backtrace flaky::make
                      a\u{1b}]0;title\u{7}
            stderr    last\u{9b}words
                      more
            metadata  path: /orders\u{1b}[31m
            body      18 bytes
              two lines
              of\ttext
        "#]]
        .assert_eq(&shown(&letter(b"two lines\nof\ttext\n"), false, false));
    }

    #[test]
    fn list_ends_with_the_counts_of_all_letters() {
        let fates = FatesView { kept: 1, replayed: 2, dropped: 0, forgotten: 5, all: 7, restored: 1 };
        let counts: BTreeMap<_, _> = [("crashed".to_owned(), fates)].into();
        expect![[r#"
            ID              AGE  TO      FROM    ATTEMPTS  REASON
            0123456789ab-2   3m  /flaky  /split         3  the actor panicked: boom\u{1b}[31m

            REASON   KEPT  REPLAYED  DROPPED  FORGOTTEN  ALL
            crashed     1         2        0          5    8
            the oldest letters were removed: a larger [play.dead_letters] keeps more
        "#]]
        .assert_eq(&listed(&Letters { counts: counts.clone(), letters: vec![letter(b"")] }));
        expect![[r#"
            no such dead letter is kept

            REASON   KEPT  REPLAYED  DROPPED  FORGOTTEN  ALL
            crashed     1         2        0          5    8
            the oldest letters were removed: a larger [play.dead_letters] keeps more
        "#]]
        .assert_eq(&listed(&Letters { counts, letters: Vec::new() }));
        expect![[r#"
            no dead letters
        "#]]
        .assert_eq(&listed(&Letters { counts: BTreeMap::new(), letters: Vec::new() }));
    }

    #[test]
    fn letters_that_stay_are_reported_once_for_each_reason() {
        let kept = |id: &str, why: &str| KeptLetter { id: id.repeat(16), why: why.into() };
        let full = "the mailbox of `/a` is full";
        let failed = [kept("01", full), kept("02", "`/b` is stopped"), kept("03", full)];
        expect![[r#"
            playhouse: 1 dead letter stays (the first is 020202020202): `/b` is stopped
            playhouse: 2 dead letters stay (the first is 010101010101): the mailbox of `/a` is full
        "#]]
        .assert_eq(&kept_on(&failed));
    }
}
