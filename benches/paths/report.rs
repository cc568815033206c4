//! All rounds together: medians and spreads, ratios, the table for readers and the JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figure::{Figures, Metric};
use crate::workload::{Subject, Workload};

/// The figures of all rounds, in the order of the list.
pub(crate) struct Report {
    quick: bool,
    workloads: Vec<Results>,
}

/// A workload's name, its unit, and its figures by subject and round.
type Results = (&'static str, &'static str, BTreeMap<Subject, Vec<Figures>>);

/// The median, the minimum and the maximum of all rounds.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self { median: *values.get(values.len() / 2)?, least: *values.first()?, most: *values.last()? })
    }
}

/// One goal, and the result of a run.
pub(crate) struct Standing {
    pub(crate) workload: &'static str,
    pub(crate) metric: Metric,
    pub(crate) goal: String,
    pub(crate) found: String,
    pub(crate) reached: bool,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick, workloads: Vec::new() }
    }

    pub(crate) fn add(&mut self, workload: &Workload, subject: Subject, figures: Figures) {
        let known = self.workloads.iter().position(|(name, ..)| *name == workload.name);
        let index = known.unwrap_or_else(|| {
            self.workloads.push((workload.name, workload.unit, BTreeMap::new()));
            self.workloads.len() - 1
        });
        self.workloads[index].2.entry(subject).or_default().push(figures);
    }

    fn spread(&self, workload: &str, subject: Subject, metric: Metric) -> Option<Spread> {
        Spread::of(self.rounds(workload, subject, metric))
    }

    fn rounds(&self, workload: &str, subject: Subject, metric: Metric) -> Vec<f64> {
        let found = self.workloads.iter().find(|(name, ..)| *name == workload);
        let rounds = found.and_then(|(_, _, subjects)| subjects.get(&subject));
        rounds.into_iter().flatten().filter_map(|figures| figures.0.get(&metric).copied()).collect()
    }

    pub(crate) fn median(&self, workload: &str, subject: Subject, metric: Metric) -> Option<f64> {
        Some(self.spread(workload, subject, metric)?.median)
    }

    /// The native library with the best median, and this median.
    pub(crate) fn best_native(&self, workload: &str, metric: Metric) -> Option<(Subject, f64)> {
        let natives = Subject::ALL.into_iter().filter(|subject| subject.is_native());
        let medians = natives.filter_map(|subject| Some((subject, self.median(workload, subject, metric)?)));
        medians.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The other subject's figure divided by Playhouse's: above one, Playhouse is better.
    fn ratio(&self, workload: &str, metric: Metric, theirs: f64) -> Option<f64> {
        Some(theirs / self.median(workload, Subject::Playhouse, metric)?)
    }

    /// The table for readers.
    pub(crate) fn table(&self, standings: &[Standing]) -> String {
        let mut out = String::new();
        if self.quick {
            out.push_str("A quick run checks that all messages arrive; its times have no meaning.\n");
        }
        out.push_str(
            "Medians for each unit of work. \"x\" is the figure divided by that of playhouse: above 1, playhouse is better.\n",
        );
        for (workload, _, subjects) in &self.workloads {
            let metrics: Vec<_> = Metric::ALL
                .into_iter()
                .filter(|&metric| subjects.keys().any(|&subject| self.median(workload, subject, metric).is_some()))
                .filter(|&metric| metric != Metric::Units)
                .collect();
            let mut rows = vec![heading(workload, &metrics)];
            for &subject in subjects.keys() {
                rows.push(self.row(workload, subject, &metrics));
            }
            rows.extend(self.best_native_row(workload, &metrics));
            let _ = write!(out, "\n{}", aligned(&rows));
        }
        if !standings.is_empty() && !self.quick {
            let mut rows = vec![["to reach", "", "", "found", ""].map(str::to_owned).to_vec()];
            rows.extend(standings.iter().map(Standing::row));
            let _ = write!(out, "\n{}", aligned(&rows));
        }
        out
    }

    fn row(&self, workload: &str, subject: Subject, metrics: &[Metric]) -> Vec<String> {
        let mut row = vec![format!("  {}", subject.name())];
        for &metric in metrics {
            let Some(spread) = self.spread(workload, subject, metric) else {
                row.extend(std::iter::repeat_n(String::new(), columns(metric)));
                continue;
            };
            row.push(amount(metric, spread.median));
            if metric == Metric::Wall {
                row.push(format!("{} to {}", amount(metric, spread.least), amount(metric, spread.most)));
                row.push(rate(spread.median));
            }
            let ratio = self.ratio(workload, metric, spread.median).filter(|_| subject != Subject::Playhouse);
            row.push(times(ratio));
        }
        row.push(self.median(workload, subject, Metric::Units).map(|n| format!("{n:.0}")).unwrap_or_default());
        row
    }

    fn best_native_row(&self, workload: &str, metrics: &[Metric]) -> Option<Vec<String>> {
        self.median(workload, Subject::Playhouse, Metric::Wall)?;
        let mut row = vec!["  best native".to_owned()];
        for &metric in metrics {
            let Some((_, best)) = self.best_native(workload, metric) else {
                row.extend(std::iter::repeat_n(String::new(), columns(metric)));
                continue;
            };
            row.push(amount(metric, best));
            if metric == Metric::Wall {
                row.extend([String::new(), rate(best)]);
            }
            row.push(times(self.ratio(workload, metric, best)));
        }
        self.best_native(workload, Metric::Wall).map(|_| row)
    }

    /// The JSON for programs: all rounds, medians, minima and maxima, ratios, goals.
    pub(crate) fn json(&self, standings: &[Standing]) -> Value {
        let workloads: Vec<_> = self.workloads.iter().map(|workload| self.workload_json(workload)).collect();
        let goals: Vec<_> = standings.iter().map(Standing::json).collect();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        json!({ "quick": self.quick, "cores": cores, "workloads": workloads, "goals": goals })
    }

    fn workload_json(&self, (name, unit, subjects): &Results) -> Value {
        let (mut figures, mut ratios) = (serde_json::Map::new(), serde_json::Map::new());
        for &subject in subjects.keys() {
            figures.insert(subject.name().to_owned(), self.figures_json(name, subject));
            if subject != Subject::Playhouse {
                let theirs = |metric| self.median(name, subject, metric);
                ratios.insert(subject.name().to_owned(), self.ratios_json(name, theirs));
            }
        }
        let best = |metric| Some(self.best_native(name, metric)?.1);
        ratios.insert("best native".to_owned(), self.ratios_json(name, best));
        json!({ "name": name, "unit": unit, "subjects": figures, "by_playhouse": ratios })
    }

    fn figures_json(&self, workload: &str, subject: Subject) -> Value {
        let one = |metric: Metric| {
            let Spread { median, least, most } = self.spread(workload, subject, metric)?;
            let rounds = self.rounds(workload, subject, metric);
            let value = json!({ "median": median, "least": least, "most": most, "rounds": rounds });
            Some((metric.key().to_owned(), value))
        };
        Metric::ALL.into_iter().filter_map(one).collect()
    }

    fn ratios_json(&self, workload: &str, theirs: impl Fn(Metric) -> Option<f64>) -> Value {
        let one = |metric: Metric| {
            let ratio = self.ratio(workload, metric, theirs(metric)?)?;
            (metric != Metric::Units).then(|| (metric.key().to_owned(), json!(ratio)))
        };
        Metric::ALL.into_iter().filter_map(one).collect()
    }
}

impl Standing {
    fn row(&self) -> Vec<String> {
        let name = format!("  {}", self.workload);
        let reached = if self.reached { "reached" } else { "not reached" };
        vec![name, title(self.metric).to_owned(), self.goal.clone(), self.found.clone(), reached.to_owned()]
    }

    fn json(&self) -> Value {
        let Self { workload, metric, goal, found, reached } = self;
        json!({ "workload": workload, "metric": metric.key(), "goal": goal, "found": found, "reached": reached })
    }
}

fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::Wall => "wall",
        Metric::Cpu => "CPU",
        Metric::P50 => "p50",
        Metric::P99 => "p99",
        Metric::P999 => "p99.9",
        Metric::Rss => "RSS",
        Metric::Units => "units",
    }
}

/// Number of columns of a metric: the metric and its ratio; wall time also has its spread and the rate.
fn columns(metric: Metric) -> usize {
    if metric == Metric::Wall { 4 } else { 2 }
}

fn heading(workload: &str, metrics: &[Metric]) -> Vec<String> {
    let mut row = vec![workload.to_owned()];
    for &metric in metrics {
        row.push(title(metric).to_owned());
        if metric == Metric::Wall {
            row.extend(["spread".to_owned(), "each second".to_owned()]);
        }
        row.push("x".to_owned());
    }
    row.push("units".to_owned());
    row
}

/// A time or a size in a readable unit.
pub(crate) fn amount(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Rss => format!("{:.1} KiB", value / 1024.0),
        Metric::Units => format!("{value:.0}"),
        _ if value < 10_000.0 => format!("{value:.0} ns"),
        _ if value < 10_000_000.0 => format!("{:.1} µs", value / 1e3),
        _ => format!("{:.1} ms", value / 1e6),
    }
}

fn rate(wall_ns: f64) -> String {
    match 1e9 / wall_ns {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.0} k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default()
}

/// Columns as wide as their widest cell; the first column is aligned to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column| rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = format!("{:<1$}", cell(row, 0), widths[0]);
        for (column, width) in widths.iter().enumerate().skip(1) {
            let _ = write!(line, "  {:>width$}", cell(row, column));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
