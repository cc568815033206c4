//! The encoder: families and their samples as Prometheus text 0.0.4 or OpenMetrics 1.0. Label values may be any text: what a
//! format does not allow, and control characters, are escaped.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use crate::family::{AnyFamily, Kind};
use crate::printable::is_escaped;

/// A format of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4.
    Prometheus,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The best format that an `Accept` header allows. Prometheus text is for clients that say nothing, or that accept neither.
    pub fn accepted(accept: Option<&str>) -> Self {
        let quality = |wanted: &dyn Fn(&str) -> bool| {
            let ranges = accept.unwrap_or_default().split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_wanted = parts.next().is_some_and(wanted);
                let mut quality = 1.0;
                for part in parts {
                    let Some((name, value)) = part.split_once('=') else { continue };
                    let value = value.trim().trim_matches('"');
                    match name.trim() {
                        "q" | "Q" => quality = value.parse::<f32>().unwrap_or(0.0),
                        // A later version may be something else.
                        "version" if !matches!(value, "0.0.1" | "1.0.0" | "0.0.4") => return None,
                        _ => {}
                    }
                }
                is_wanted.then_some(quality)
            });
            ranges.fold(0.0, f32::max)
        };
        let open = quality(&|range| range.eq_ignore_ascii_case("application/openmetrics-text"));
        let text = quality(&|range| range.eq_ignore_ascii_case("text/plain"));
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of the response's `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text of metrics that is being written.
pub(crate) struct Exposition {
    text: Text,
    format: Format,
}

/// The bytes of the text. Writing to memory does not fail.
struct Text(Vec<u8>);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Exposition {
    /// Begins a text in this format, in the space of `buffer`.
    pub(crate) fn new(format: Format, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { text: Text(buffer), format }
    }

    /// Begins a family. Its samples follow, and no family comes twice.
    pub(crate) fn family<'a>(&'a mut self, family: &'a AnyFamily<'a>) -> Samples<'a> {
        let (full, kind) = match self.format {
            // The old format knows neither families with a suffix nor the type `info`.
            Format::Prometheus => {
                (family.kind.suffix(), if family.kind == Kind::Info { "gauge" } else { family.kind.name() })
            }
            Format::OpenMetrics => ("", family.kind.name()),
        };
        let name = family.name;
        let _ = write!(self.text, "# HELP {name}{full} ");
        escape(&mut self.text, family.help, self.format == Format::OpenMetrics);
        let _ = write!(self.text, "\n# TYPE {name}{full} {kind}\n");
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit) {
            let _ = writeln!(self.text, "# UNIT {name} {}", unit.name());
        }
        Samples { text: &mut self.text, family }
    }

    /// Ends the text.
    pub(crate) fn end(mut self) -> Vec<u8> {
        if self.format == Format::OpenMetrics {
            let _ = self.text.write_str("# EOF\n");
        }
        self.text.0
    }
}

/// The samples of one family.
pub(crate) struct Samples<'a> {
    text: &'a mut Text,
    family: &'a AnyFamily<'a>,
}

impl Samples<'_> {
    /// A sample: the values of the family's labels, in their order, and the value.
    pub(crate) fn add(&mut self, labels: &[&str], value: impl Display) {
        let (name, suffix) = (self.family.name, self.family.kind.suffix());
        let _ = write!(self.text, "{name}{suffix}");
        self.labels(labels, None);
        let _ = writeln!(self.text, " {value}");
    }

    /// A sample in seconds.
    pub(crate) fn add_time(&mut self, labels: &[&str], time: Duration) {
        self.add(labels, time.as_secs_f64());
    }

    /// The samples of a histogram: `counts` has the number of values up to each bound and above the one before, and at the end
    /// the number of larger values.
    pub(crate) fn add_histogram(&mut self, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        let name = self.family.name;
        let mut total = 0;
        for (bound, count) in bounds.iter().copied().chain([f64::INFINITY]).zip(counts) {
            total += count;
            let _ = write!(self.text, "{name}_bucket");
            self.labels(labels, Some(bound));
            let _ = writeln!(self.text, " {total}");
        }
        for (suffix, value) in [("_sum", sum), ("_count", total as f64)] {
            let _ = write!(self.text, "{name}{suffix}");
            self.labels(labels, None);
            // A very large or small number in full has hundreds of digits.
            let is_short = value == 0.0 || (1e-6..1e17).contains(&value);
            let _ = if is_short { writeln!(self.text, " {value}") } else { writeln!(self.text, " {value:e}") };
        }
    }

    fn labels(&mut self, values: &[&str], bound: Option<f64>) {
        assert_eq!(values.len(), self.family.labels.len(), "the labels of {}", self.family.name);
        let mut open = '{';
        for (name, value) in self.family.labels.iter().zip(values) {
            let _ = write!(self.text, "{open}{name}=\"");
            escape(self.text, value, true);
            let _ = self.text.write_char('"');
            open = ',';
        }
        match bound {
            // OpenMetrics wants a number with a point; both formats read one.
            Some(f64::INFINITY) => drop(write!(self.text, "{open}le=\"+Inf\"")),
            Some(bound) => drop(write!(self.text, "{open}le=\"{bound:?}\"")),
            None if open == '{' => return,
            None => {}
        }
        let _ = self.text.write_char('}');
    }
}

/// Writes a text with line breaks, backslashes and, with `quotes`, double quotes escaped as both formats want it. Other
/// characters that change what a terminal shows become their escape as text.
fn escape(text: &mut Text, value: &str, quotes: bool) {
    for c in value.chars() {
        let _ = match c {
            '\\' => text.write_str("\\\\"),
            '\n' => text.write_str("\\n"),
            '"' if quotes => text.write_str("\\\""),
            c if is_escaped(c) => write!(text, "\\\\u{{{:x}}}", u32::from(c)),
            c => text.write_char(c),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{Family, Unit};

    const COUNTER: Family = Family {
        name: "shop_wait_seconds",
        kind: Kind::Counter,
        unit: Some(Unit::Seconds),
        help: "A \"quoted\" help\\path\nin two lines.",
        labels: &["name"],
    };

    fn of(format: Format, value: &str) -> String {
        let mut text = Exposition::new(format, b"old".to_vec());
        text.family(&COUNTER).add_time(&[value], Duration::from_millis(1500));
        String::from_utf8(text.end()).expect("text")
    }

    #[test]
    fn prometheus_text_has_full_names_and_escapes() {
        let wanted = "# HELP shop_wait_seconds_total A \"quoted\" help\\\\path\\nin two lines.\n\
                      # TYPE shop_wait_seconds_total counter\n\
                      shop_wait_seconds_total{name=\"a\\\"b\\\\c\\nd\"} 1.5\n";
        assert_eq!(of(Format::Prometheus, "a\"b\\c\nd"), wanted);
    }

    #[test]
    fn openmetrics_text_has_family_names_units_and_an_end() {
        let wanted = "# HELP shop_wait_seconds A \\\"quoted\\\" help\\\\path\\nin two lines.\n\
                      # TYPE shop_wait_seconds counter\n\
                      # UNIT shop_wait_seconds seconds\n\
                      shop_wait_seconds_total{name=\"x\"} 1.5\n# EOF\n";
        assert_eq!(of(Format::OpenMetrics, "x"), wanted);
    }

    #[test]
    fn control_characters_are_escaped_as_text() {
        let cases = [
            ("\x1b[31m", "\\\\u{1b}[31m"),
            ("\r\0\t", "\\\\u{d}\\\\u{0}\\\\u{9}"),
            ("a\u{9b}2J\u{202e}b", "a\\\\u{9b}2J\\\\u{202e}b"),
            ("ü€", "ü€"),
        ];
        for (value, wanted) in cases {
            let text = of(Format::Prometheus, value);
            assert!(text.contains(&format!("{{name=\"{wanted}\"}}")), "{text}");
            assert!(!text.replace('\n', "").chars().any(char::is_control), "{text}");
        }
    }

    #[test]
    fn format_follows_the_accept_header() {
        use Format::{OpenMetrics, Prometheus};
        let prometheus_server = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                                 version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let cases = [
            (None, Prometheus),
            (Some("*/*"), Prometheus),
            (Some("text/html"), Prometheus),
            (Some(prometheus_server), OpenMetrics),
            (Some("application/openmetrics-text"), OpenMetrics),
            (Some("application/openmetrics-text; version=2.0.0"), Prometheus),
            (Some("application/openmetrics-text;q=0.1, text/plain;q=0.9"), Prometheus),
            (Some("application/openmetrics-text;q=0"), Prometheus),
            (Some("application/openmetrics-text;q=x"), Prometheus),
            (Some(";;,=,q"), Prometheus),
        ];
        for (accept, wanted) in cases {
            assert_eq!(Format::accepted(accept), wanted, "{accept:?}");
        }
    }
}
