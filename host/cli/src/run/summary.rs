//! The report at the end of a run: messages that were not handled, restarts, and the reason why the play gave up.

use std::fmt::Write;
use std::sync::Arc;

use playhouse_runtime::{
    AboutHost, ActorView, CrashReport, DeadLetter, DeadLetterCounts, Decision, FailedActor, RunningPlay, WhyGaveUp,
};

use crate::console::Console;
use crate::events::PlaySummary;

use playhouse_runtime::printable::{Printable, counted, preview};

/// Maximum number of letters that are shown.
const SHOWN: usize = 20;
/// Maximum number of characters of a body that are shown.
const BODY_CHARS: usize = 60;
/// Maximum number of functions of a backtrace that are shown.
const FRAMES: usize = 8;
/// Maximum number of last lines on stderr that are shown for each failure.
const STDERR_LINES: usize = 5;

/// Prints the summary, unless there are no dead letters, no restarts and no failed shutdowns.
pub(super) fn say(play: &RunningPlay, console: &Console) {
    let (counts, restarts, failed_shutdowns) = (play.dead_letter_counts(), play.restarts(), play.failed_shutdowns());
    if counts.total() == 0 && restarts == 0 && failed_shutdowns == 0 {
        return;
    }
    let handled = play.handled();
    let shown = shown(&counts, &play.dead_letters(), restarts, failed_shutdowns);
    let shown = format!("{} handled; {}", counted(handled, "message"), shown.trim_end());
    let dead_letters = counts.sum().all;
    console.say(&PlaySummary { subject: AboutHost, handled, dead_letters, restarts, failed_shutdowns, shown: &shown });
}

fn shown(counts: &DeadLetterCounts, letters: &[Arc<DeadLetter>], restarts: u64, failed_shutdowns: u64) -> String {
    let reasons: Vec<_> = counts.by_reason.iter().map(|(kind, fates)| format!("{kind} {}", fates.all)).collect();
    let sum = counts.sum();
    let mut out = counted(sum.all, "dead letter");
    if !reasons.is_empty() {
        let _ = write!(out, " ({})", reasons.join(", "));
    }
    for (number, fate) in [(sum.replayed, "replayed"), (sum.dropped, "dropped by an operator")] {
        if number > 0 {
            let _ = write!(out, ", {number} {fate}");
        }
    }
    let _ = write!(out, "; {}", counted(restarts, "restart"));
    if failed_shutdowns > 0 {
        let _ = write!(out, "; {}", counted(failed_shutdowns, "failed shutdown"));
    }
    out.push('\n');
    for letter in letters.iter().take(SHOWN) {
        write_letter(&mut out, letter);
    }
    // Letters that an operator removed are not counted here; letters that newer ones pushed out are.
    let more = (sum.kept() + sum.forgotten).saturating_sub(letters.len().min(SHOWN) as u64);
    if more > 0 {
        let _ = writeln!(out, "  … and {more} more");
    }
    out
}

fn write_letter(out: &mut String, letter: &DeadLetter) {
    let from = letter.sender.as_ref().map_or("outside", |sender| sender.as_str());
    let attempts = counted(u64::from(letter.message.envelope.attempt), "attempt");
    let reason = letter.reason.to_string();
    let _ = writeln!(out, "  {} to {} from {from}, {attempts}: {}", letter.id.short(), letter.to, Printable(&reason));
    let _ = writeln!(out, "      body: {}", preview(&letter.message.body, BODY_CHARS));
    if let Some(report) = letter.reason.crash() {
        write_backtrace(out, report);
    }
}

fn write_backtrace(out: &mut String, report: &CrashReport) {
    for (n, function) in report.crash.shown_backtrace(FRAMES).iter().enumerate() {
        let title = if n == 0 { "backtrace:" } else { "          " };
        let _ = writeln!(out, "      {title} {}", Printable(function));
    }
}

/// The failures of actors, without those of the actors below them.
pub(super) fn failures(actors: &[ActorView]) -> Vec<Arc<FailedActor>> {
    let failed = |actor: &ActorView| actor.failed.clone().filter(|failed| failed.actor == actor.address);
    actors.iter().filter_map(failed).collect()
}

/// The failed actors: their number, and the reason for each of the first ones, each on a line of its own.
pub(super) fn failed(failed: &[Arc<FailedActor>]) -> String {
    let mut lines = vec![format!("{} failed:", counted(failed.len() as u64, "actor"))];
    for failed in failed.iter().take(SHOWN) {
        let last = failed.last.as_ref().map(|report| format!("; the last: {report}")).unwrap_or_default();
        lines.push(format!("  {}: {}{}", failed.actor, failed.why, Printable(&last)));
    }
    if failed.len() > SHOWN {
        lines.push(format!("  … and {} more", failed.len() - SHOWN));
    }
    lines.join("\n")
}

/// The reason why the play ended: the failures that counted, the latest first, each with the failures below it.
pub(super) fn gave_up(failures: &[Arc<CrashReport>]) -> String {
    let mut out = String::from("the play ends");
    match failures.first().map(|report| (report, report.decision())) {
        Some((report, Some(Decision::GaveUp { why, .. }))) => {
            let _ = write!(out, " with the required actor {}: {why}", report.address);
            if matches!(why, WhyGaveUp::TooOften(_)) {
                out.push_str(" ([play.supervision])");
            }
        }
        _ => out.push_str(": every actor failed or ended"),
    }
    out.push_str("; the latest failure first:\n");
    let end = failures.first().map(|report| report.at);
    for report in failures {
        for (depth, report) in report.chain().enumerate() {
            let because = if depth == 0 { "" } else { "because " };
            let before = end.and_then(|end| end.duration_since(report.at).ok());
            let before = before.filter(|before| depth == 0 && !before.is_zero());
            let before = before.map(|before| format!(", {before:.0?} earlier")).unwrap_or_default();
            let _ = writeln!(out, "  {because}{}{before}", Printable(&report.to_string()));
            for line in report.crash.stderr.iter().rev().take(STDERR_LINES).rev() {
                let _ = writeln!(out, "      stderr: {}", Printable(line));
            }
            write_backtrace(&mut out, report);
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use playhouse_runtime::{
        ActorId, Address, Crash, CrashReason, DeadReason, Envelope, Fates, FlowId, LetterId, Message, MessageId, Parts,
        ReplyToken, WhyGaveUp, Window,
    };
    use std::time::{Duration, SystemTime};

    fn report(at: &str, incarnation: u64, reason: CrashReason) -> CrashReport {
        let address = Address::parse(at).expect("good");
        let crash = Crash {
            reason,
            backtrace: (0..10).map(|n| format!("flaky::frame{n}")).collect(),
            stderr: vec!["about to \u{1b}[31mfail".into()],
        };
        CrashReport { at: SystemTime::UNIX_EPOCH, ..CrashReport::new(address, incarnation, crash) }
    }

    fn crash() -> CrashReport {
        let reason = CrashReason::Panic { message: "boom at src/lib.rs:3:5".into() };
        CrashReport { blamed: Some((MessageId(5), 3)), attempts: 3, ..report("/flaky", 7, reason) }
    }

    fn letter(reason: DeadReason, body: &str) -> DeadLetter {
        let envelope = Envelope {
            id: MessageId(0x0123_4567_89ab_cdef << 64),
            sender: ActorId::OUTSIDE,
            flow: FlowId(1),
            hops: 0,
            attempt: 3,
            reply: ReplyToken::NONE,
            parts: Parts::NONE,
        };
        let message = MessageId(0x0123_4567_89ab_cdef << 64);
        DeadLetter {
            id: LetterId { message, copy: 1 },
            message: Message::new(envelope, body.into()),
            to: Address::parse("/flaky").expect("good"),
            sender: Address::parse("/split").ok(),
            reason,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn each_letter_shows_its_receiver_and_reason() {
        let letters = [
            letter(DeadReason::Crashed(crash().into()), "a line with\tBOOM").into(),
            letter(DeadReason::Rejected("no number".into()), &"x".repeat(100)).into(),
        ];
        let crashed = Fates { all: 1, ..Fates::default() };
        let rejected = Fates { all: 7, forgotten: 3, replayed: 2, dropped: 1, restored: 0 };
        let counts = DeadLetterCounts { by_reason: [("crashed", crashed), ("rejected", rejected)].into() };
        expect![[r#"
            8 dead letters (crashed 1, rejected 7), 2 replayed, 1 dropped by an operator; 14 restarts; 1 failed shutdown
              0123456789ab to /flaky from /split, 3 attempts: the actor panicked: boom at src/lib.rs:3:5
                  body: a line with\tBOOM
                  backtrace: flaky::frame0
                             flaky::frame1
                             flaky::frame2
                             flaky::frame3
                             flaky::frame4
                             flaky::frame5
                             flaky::frame6
                             flaky::frame7
                             … and 2 more
              0123456789ab to /flaky from /split, 3 attempts: rejected: no number
                  body: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
              … and 3 more
        "#]]
        .assert_eq(&shown(&counts, &letters, 14, 1));
    }

    #[test]
    fn report_of_giving_up_shows_all_failures() {
        let window = Window { restarts: 2, intensity: 1, period: Duration::from_secs(10) };
        let why = WhyGaveUp::TooOften(window);
        let mut child = report("/p/c", 3, CrashReason::Trap { kind: "\u{1b}]0;unreachable".into() });
        child.crash.backtrace.truncate(1);
        let mut parent = report("/p", 2, CrashReason::Children { message: why.to_string() });
        parent.crash = Crash::new(parent.crash.reason);
        parent.cause = Some(Arc::new(child));
        parent.at += Duration::from_millis(40);
        parent.decide(Decision::GaveUp { supervisor: Address::root(), why });
        expect![[r#"
            the play ends with the required actor /p: 2 failures within 10s, and 1 restart is allowed ([play.supervision]); the latest failure first:
              /p (incarnation 2) gave up on its children: 2 failures within 10s, and 1 restart is allowed
              because /p/c (incarnation 3) trapped: \u{1b}]0;unreachable
                  stderr: about to \u{1b}[31mfail
                  backtrace: flaky::frame0
              /flaky (incarnation 7) panicked: boom at src/lib.rs:3:5; message 000000000000, attempt 3 of 3, 40ms earlier
                  stderr: about to \u{1b}[31mfail
                  backtrace: flaky::frame0
                             flaky::frame1
                             flaky::frame2
                             flaky::frame3
                             flaky::frame4
                             flaky::frame5
                             flaky::frame6
                             flaky::frame7
                             … and 2 more"#]].assert_eq(&gave_up(&[parent.into(), crash().into()]));
    }
}
