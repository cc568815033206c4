//! Plots of the figures of `cargo xtask bench`, as SVG: `cargo xtask bench --plot`.
//!
//! | file | content |
//! |---|---|
//! | `paths.svg` | each path beside each native library: the library's time divided by Playhouse's |
//! | `latency-alone.svg`, `latency-64.svg` | percentiles of requests |
//! | `actors.svg` | CPU time of a message by the number of actors that send to one |
//! | `bodies.svg` | time of a message by the size of its body |

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use serde_json::Value;

const USAGE: &str = "usage: cargo xtask bench --plot [JSON [FOLDER]]

  JSON    the figures of a run; the default is target/bench/paths.json
  FOLDER  folder for the plots; the default is target/bench/plots
";
const SIZE: (u32, u32) = (960, 540);
/// The subjects that are drawn, each in its colour. Ratios are to the first one.
const SUBJECTS: [(&str, RGBColor); 6] = [
    ("playhouse", RGBColor(0, 90, 181)),
    ("ractor", RGBColor(220, 50, 32)),
    ("kameo", RGBColor(230, 159, 0)),
    ("actix, one arbiter", RGBColor(0, 140, 100)),
    ("actix, two arbiters", RGBColor(120, 94, 160)),
    ("raw wasmtime", RGBColor(110, 110, 110)),
];
const LATENCIES: [(&str, &str); 3] = [("p50_ns", "p50"), ("p99_ns", "p99"), ("p999_ns", "p99.9")];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--plot").collect();
    if arguments.iter().any(|argument| argument.starts_with('-')) {
        print!("{USAGE}");
        if arguments.iter().any(|argument| argument == "--help") {
            return Ok(());
        }
        bail!("no option is called `{}`", arguments.join(" "));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let bench = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("bench");
    let json = arguments.first().map_or_else(|| bench.join("paths.json"), PathBuf::from);
    let folder = arguments.get(1).map_or_else(|| bench.join("plots"), PathBuf::from);
    let text = std::fs::read_to_string(&json)
        .with_context(|| format!("{}: run `cargo xtask bench` first, or name the figures of a run", json.display()))?;
    let run = Run(serde_json::from_str(&text).with_context(|| format!("{} is no JSON", json.display()))?);
    ensure!(run.workloads().next().is_some(), "{} has no `workloads`", json.display());
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    draw_paths(&run, &folder.join("paths.svg"))?;
    let (asks, latencies) = (["ask, one at a time", "ask, 64 at a time"], LATENCIES.map(|(_, name)| name));
    for (ask, name) in asks.into_iter().zip(["latency-alone.svg", "latency-64.svg"]) {
        let of = |subject: &str| LATENCIES.iter().map(|(key, _)| run.median(ask, subject, key)).collect();
        draw_lines(&folder.join(name), ask, "ns", &latencies, of)?;
    }
    let senders = ["10", "100", "1,000"];
    let of = |subject: &str| {
        senders.iter().map(|senders| run.median(&format!("fan-in of {senders}"), subject, "cpu_ns")).collect()
    };
    draw_lines(
        &folder.join("actors.svg"),
        "CPU time of a message, by the number of actors that send",
        "ns",
        &senders,
        of,
    )?;
    let sizes = ["64 B", "1 KiB", "64 KiB"];
    let of = |subject: &str| sizes.iter().map(|size| run.median(&format!("tell {size}"), subject, "wall_ns")).collect();
    draw_lines(&folder.join("bodies.svg"), "time of a tell, by the size of the body", "ns", &sizes, of)?;
    println!("written to {}", folder.display());
    Ok(())
}

/// The figures of a run of the bench.
struct Run(Value);

impl Run {
    fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.0["workloads"].as_array().into_iter().flatten()
    }

    /// The median of a metric; none if the run has no such figure.
    fn median(&self, workload: &str, subject: &str, metric: &str) -> Option<f64> {
        let workload = self.workloads().find(|one| one["name"] == workload)?;
        workload["subjects"][subject][metric]["median"].as_f64().filter(|median| *median > 0.0)
    }

    /// The time of another subject divided by that of Playhouse.
    fn ratio(&self, workload: &str, subject: &str) -> Option<f64> {
        Some(self.median(workload, subject, "wall_ns")? / self.median(workload, "playhouse", "wall_ns")?)
    }
}

/// A row for each workload, with a point for each library at its time divided by Playhouse's.
fn draw_paths(run: &Run, to: &Path) -> Result<()> {
    let others = &SUBJECTS[1..];
    let is_drawn = |name: &&str| others.iter().any(|(other, _)| run.ratio(name, other).is_some());
    let names: Vec<&str> = run.workloads().filter_map(|one| one["name"].as_str()).filter(is_drawn).collect();
    ensure!(!names.is_empty(), "no workload has figures of Playhouse and of another library");
    let height = 120 + 26 * u32::try_from(names.len()).unwrap_or(u32::MAX >> 8);
    let root = SVGBackend::new(to, (SIZE.0, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let rows = names.len() as f64;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "time of each library divided by Playhouse's: to the right of 1, Playhouse is faster",
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(210)
        .build_cartesian_2d((0.05_f64..20.0).log_scale(), 0.0..rows)?;
    chart.configure_mesh().disable_y_mesh().y_labels(0).x_label_formatter(&|ratio| format!("{ratio}")).draw()?;
    chart.draw_series([PathElement::new([(1.0, 0.0), (1.0, rows)], BLACK.stroke_width(2))])?;
    for (row, label) in names.iter().enumerate() {
        let at = rows - row as f64 - 0.5;
        let style = ("sans-serif", 13).into_font().color(&BLACK);
        let place = chart.backend_coord(&(0.05, at));
        root.draw(&Text::new(*label, (12, place.1 - 7), style))?;
    }
    for (subject, colour) in others {
        let points = names.iter().enumerate().filter_map(|(row, name)| {
            let ratio = run.ratio(name, subject)?.clamp(0.05, 20.0);
            Some(Circle::new((ratio, rows - row as f64 - 0.5), 5, colour.filled()))
        });
        let points: Vec<_> = points.collect();
        if !points.is_empty() {
            let key = *colour;
            chart.draw_series(points)?.label(*subject).legend(move |(x, y)| Circle::new((x + 10, y), 5, key.filled()));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    root.present()?;
    Ok(())
}

/// A line for each subject over the places in `labels`, where it has figures.
fn draw_lines(
    to: &Path,
    caption: &str,
    unit: &str,
    labels: &[&str],
    figures: impl Fn(&str) -> Vec<Option<f64>>,
) -> Result<()> {
    let lines: Vec<_> = SUBJECTS.iter().map(|(subject, colour)| (*subject, *colour, figures(subject))).collect();
    let all = || lines.iter().flat_map(|(.., figures)| figures.iter().flatten().copied());
    if all().next().is_none() {
        eprintln!("no figures for {}: the run was without these workloads", to.display());
        return Ok(());
    }
    let (least, most) = (all().fold(f64::MAX, f64::min) / 1.5, all().fold(0.0, f64::max) * 4.0);
    let root = SVGBackend::new(to, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let last = labels.len() as f64 - 1.0;
    let mut chart = ChartBuilder::on(&root)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(80)
        .build_cartesian_2d(-0.2..last + 0.2, (least..most).log_scale())?;
    let label_of = |at: &f64| {
        let place = (0..labels.len()).find(|place| (at - *place as f64).abs() < 1e-6);
        place.map_or_else(String::new, |place| labels[place].to_owned())
    };
    chart
        .configure_mesh()
        .x_labels(2 * labels.len())
        .x_label_formatter(&label_of)
        .y_desc(unit)
        .y_label_formatter(&|amount| format!("{amount:.0}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (subject, colour, figures) in &lines {
        let points: Vec<_> =
            figures.iter().enumerate().filter_map(|(at, figure)| Some((at as f64, (*figure)?))).collect();
        if points.is_empty() {
            continue;
        }
        let key = *colour;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(4))?
            .label(*subject)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], key.stroke_width(2)));
    }
    // The range leaves space above the lines for it.
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    root.present()?;
    Ok(())
}
