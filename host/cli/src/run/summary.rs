//! What is said when a run is over: messages that were not handled, restarts, and why the kernel gave up.

use std::fmt::Write;
use std::sync::Arc;

use playhouse_kernel::{CrashReport, DeadLetter, DeadLetterCounts, Kernel};

use crate::printable::{Printable, counted, preview};

/// Letters that are shown.
const SHOWN: usize = 20;
/// Characters of a body that are shown.
const BODY_CHARS: usize = 60;
/// Functions of a backtrace that are shown.
const FRAMES: usize = 8;

/// The summary; none when all went well.
pub(super) fn summary(kernel: &Kernel) -> Option<String> {
    let (counts, restarts, failed) = (kernel.dead_letter_counts(), kernel.restarts(), kernel.failed_shutdowns());
    if counts.total() == 0 && restarts == 0 && failed == 0 {
        return None;
    }
    Some(shown(&counts, &kernel.dead_letters(), restarts, failed))
}

fn shown(counts: &DeadLetterCounts, letters: &[Arc<DeadLetter>], restarts: u64, failed_shutdowns: u64) -> String {
    let reasons: Vec<_> = counts.by_reason.iter().map(|(kind, fates)| format!("{kind} {}", fates.all)).collect();
    let sum = counts.sum();
    let mut out = format!("playhouse: {}", counted(sum.all, "dead letter"));
    if !reasons.is_empty() {
        let _ = write!(out, " ({})", reasons.join(", "));
    }
    for (number, fate) in [(sum.replayed, "replayed"), (sum.dropped, "dropped by a person")] {
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
    // What a person took out needs no more words; what had to go does.
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
    for (n, frame) in report.crash.backtrace.iter().take(FRAMES).enumerate() {
        let title = if n == 0 { "backtrace:" } else { "          " };
        let _ = writeln!(out, "      {title} {}", Printable(frame));
    }
    let more = report.crash.backtrace.len().saturating_sub(FRAMES);
    if more > 0 {
        let _ = writeln!(out, "                 … and {more} more");
    }
}

/// Why the kernel gave up: the failures, the latest first.
pub(super) fn gave_up(failures: &[Arc<CrashReport>]) -> String {
    let mut out = String::from("the kernel gave up; what led there, the latest first:\n");
    for report in failures {
        let _ = writeln!(out, "  {}", Printable(&report.to_string()));
        for line in &report.crash.stderr {
            let _ = writeln!(out, "      stderr: {}", Printable(line));
        }
        write_backtrace(&mut out, report);
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use playhouse_kernel::{
        ActorId, Address, Crash, CrashReason, DeadReason, Envelope, Fates, LetterId, Message, MessageId, ReplyToken,
    };
    use std::time::SystemTime;

    fn crash() -> Arc<CrashReport> {
        let reason = CrashReason::Panic { message: "boom at src/lib.rs:3:5".into() };
        Arc::new(CrashReport {
            address: Address::parse("/flaky").expect("good"),
            incarnation: 7,
            at: SystemTime::UNIX_EPOCH,
            blamed: Some((MessageId(5), 3)),
            replayed: 1,
            crash: Crash {
                reason,
                backtrace: (0..10).map(|n| format!("flaky::frame{n}")).collect(),
                stderr: vec!["about to \u{1b}[31mfail".into()],
            },
        })
    }

    fn letter(reason: DeadReason, body: &str) -> DeadLetter {
        let envelope = Envelope {
            id: MessageId(0x0123_4567_89ab_cdef << 64),
            sender: ActorId::OUTSIDE,
            flow: 0,
            hops: 0,
            attempt: 3,
            reply: ReplyToken::NONE,
        };
        let message = MessageId(0x0123_4567_89ab_cdef << 64);
        DeadLetter {
            id: LetterId { message, copy: 1 },
            message: Message { envelope, body: body.into() },
            to: Address::parse("/flaky").expect("good"),
            sender: Address::parse("/split").ok(),
            reason,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn each_letter_says_what_happened_to_whom() {
        let letters = [
            letter(DeadReason::Crashed(crash()), "a line with\tBOOM").into(),
            letter(DeadReason::Rejected("no number".into()), &"x".repeat(100)).into(),
        ];
        let crashed = Fates { all: 1, ..Fates::default() };
        let rejected = Fates { all: 7, forgotten: 3, replayed: 2, dropped: 1 };
        let counts = DeadLetterCounts { by_reason: [("crashed", crashed), ("rejected", rejected)].into() };
        expect![[r#"
            playhouse: 8 dead letters (crashed 1, rejected 7), 2 replayed, 1 dropped by a person; 14 restarts; 1 failed shutdown
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
    fn giving_up_names_the_failures() {
        let text = gave_up(&[crash()]);
        assert!(text.contains("/flaky (incarnation 7) panicked: boom"), "{text}");
        assert!(text.contains("stderr: about to \\u{1b}[31mfail"), "{text}");
    }
}
