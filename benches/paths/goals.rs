//! The goals, as ratios within one run. A goal that is not reached is only printed, because a busy machine is no bug.

use crate::figure::Metric;
use crate::report::{Report, Standing, amount};
use crate::workload::Subject;

enum Goal {
    /// The subject's figure is at least this many times Playhouse's figure.
    Against(Subject, f64),
    /// The figure of the best native library is at least this many times Playhouse's figure.
    AgainstNatives(f64),
    /// Playhouse's figure is at most this.
    AtMost(f64),
}

static GOALS: &[(&str, Metric, Goal)] = &[
    ("tell 64 B", Metric::Wall, Goal::AgainstNatives(2.5)),
    ("tell 64 B", Metric::Cpu, Goal::AgainstNatives(2.0)),
    ("tell 64 B, 256 in flight", Metric::Wall, Goal::AgainstNatives(1.2)),
    ("tell 1 KiB", Metric::Wall, Goal::AgainstNatives(1.0)),
    ("tell 1 KiB, 256 in flight", Metric::Wall, Goal::AgainstNatives(1.2)),
    ("tell 64 KiB", Metric::Wall, Goal::AgainstNatives(0.9)),
    ("pipeline", Metric::Wall, Goal::AgainstNatives(2.0)),
    ("ping-pong", Metric::Wall, Goal::Against(Subject::Ractor, 0.45)),
    ("ask, one at a time", Metric::P50, Goal::AtMost(900.0)),
    ("ask, 64 at a time", Metric::Wall, Goal::Against(Subject::Ractor, 1.2)),
    ("batch of one", Metric::Wall, Goal::Against(Subject::RawWasmtime, 1.0 / 1.7)),
    ("spawn and stop", Metric::Cpu, Goal::AtMost(60_000.0)),
    ("spawn and stop", Metric::Rss, Goal::AtMost(30.0 * 1024.0)),
    ("spawn and stop, shared", Metric::Cpu, Goal::Against(Subject::Ractor, 1.0)),
    ("spawn and stop, shared", Metric::Rss, Goal::AtMost(4.0 * 1024.0)),
    ("crash to next answer", Metric::P50, Goal::AtMost(60_000.0)),
];

/// The results for all goals whose workload was timed.
pub(crate) fn standings(report: &Report) -> Vec<Standing> {
    GOALS.iter().filter_map(|(workload, metric, goal)| standing(report, workload, *metric, goal)).collect()
}

fn standing(report: &Report, workload: &'static str, metric: Metric, goal: &Goal) -> Option<Standing> {
    let ours = report.median(workload, Subject::Playhouse, metric)?;
    let (goal, found, reached) = match *goal {
        Goal::AtMost(most) => (format!("at most {}", amount(metric, most)), amount(metric, ours), ours <= most),
        Goal::Against(..) | Goal::AgainstNatives(_) => {
            let (name, theirs, times) = match *goal {
                Goal::Against(subject, times) => (subject.name(), report.median(workload, subject, metric)?, times),
                Goal::AgainstNatives(times) => {
                    let (subject, theirs) = report.best_native(workload, metric)?;
                    (subject.name(), theirs, times)
                }
                Goal::AtMost(_) => return None,
            };
            // A goal below one is printed as a multiple of the other's cost, as it was set.
            let said = |ratio: f64| {
                if times < 1.0 { format!("{:.2}x the cost", 1.0 / ratio) } else { format!("{ratio:.2}x as good") }
            };
            let bound = if times < 1.0 { "at most" } else { "at least" };
            (format!("{bound} {} of {name}", said(times)), said(theirs / ours), theirs / ours >= times)
        }
    };
    Some(Standing { workload, metric, goal, found, reached })
}
