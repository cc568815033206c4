//! The faults of a manifest, as an operator sees them: the file, the line, the offending text, a suggestion.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::schema::{SECRET_FORM, VALUE_AS_SECRET};
use super::units::{MARK_FORM, SIZE_FORM, TIME_FORM, size_meant, time_meant};
use crate::printable::{Printable, is_escaped};

/// A manifest's text and the name that its reader gave it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's name as the reader wrote it on the command line.
    pub name: String,
    /// The file's text.
    pub text: Arc<str>,
}

impl Source {
    /// The text of the file at `path`.
    pub fn new(path: &Path, text: String) -> Self {
        Self { name: path.display().to_string(), text: text.into() }
    }

    /// The same text with `*` at a place that nobody may see.
    pub(super) fn without(self, place: Range<usize>) -> Self {
        let mut text = self.text.to_string();
        if let Some(hidden) = text.get(place.clone()).map(|hidden| hidden.replace(|c: char| c != '\n', "*")) {
            // A character of several bytes becomes one `*`: spaces keep the places after it right.
            let filled = format!("{hidden:<width$}", width = place.len());
            text.replace_range(place, &filled);
        }
        Self { text: text.into(), ..self }
    }
}

/// One fault of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The fault.
    pub message: String,
    /// The places of the fault in the text, each with a remark; the first one is the place of the fault itself.
    pub labels: Vec<(Range<usize>, String)>,
    /// The way to correct it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at one place.
    pub fn at(place: Range<usize>, message: impl Into<String>, remark: impl Into<String>) -> Self {
        Self { message: message.into(), labels: vec![(place, remark.into())], help: None }
    }

    /// Adds another place that has to do with the problem.
    #[must_use]
    pub fn and_at(mut self, place: Range<usize>, remark: impl Into<String>) -> Self {
        self.labels.push((place, remark.into()));
        self
    }

    /// Adds the way to correct the problem.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The error of the TOML reader in this program's words.
    pub fn from_toml(error: &toml::de::Error, text: &str) -> Self {
        let place = error.span().map_or(0..0, |place| visible(place, text));
        let found = text.get(place.clone()).unwrap_or_default();
        let message = error.message();
        if let Some((name, known)) = unknown(message, "unknown field `") {
            let what = format!("unknown key `{name}`");
            if name == "share" {
                return Self::at(place, what, "it belongs to [[plugin]] or [[family]]").help(SHARE_PLACE);
            }
            let problem = Self::at(place, what, meant_remark(name, &known));
            return problem.help(format!("the keys here are {}", listed(&known)));
        }
        if let Some((name, known)) = unknown(message, "unknown variant `") {
            let what = format!("`{name}` is not possible here");
            return match known.as_slice() {
                [only] => Self::at(place, what, format!("this version knows only `{only}`")),
                _ => Self::at(place, what, meant_remark(name, &known)).help(format!("possible are {}", listed(&known))),
            };
        }
        if message == VALUE_AS_SECRET {
            return Self::at(place, message, "here").help(SECRET_FORM);
        }
        if message.ends_with("is no size") || message.contains("expected a size") {
            let remark = size_meant(found).map_or("here".into(), |meant| format!("did you mean \"{meant}\"?"));
            return Self::at(place, plain(message), remark).help(SIZE_FORM);
        }
        if message.ends_with("is no time") || message.contains("expected a time") {
            let remark = time_meant(found).map_or("here".into(), |meant| format!("did you mean \"{meant}\"?"));
            return Self::at(place, plain(message), remark).help(TIME_FORM);
        }
        if message.ends_with("is no bound of memory") || message.contains("expected a share or a size") {
            let remark = size_meant(found).filter(|_| !found.contains('%'));
            return Self::at(
                place,
                plain(message),
                remark.map_or("here".into(), |meant| format!("did you mean \"{meant}\"?")),
            )
            .help(MARK_FORM);
        }
        if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            // The place is the whole table: its first line says enough.
            let first_line = place.start..place.start + found.lines().next().unwrap_or_default().len();
            return Self::at(first_line, format!("`{key}` is missing"), format!("this one needs a `{key}`"));
        }
        if let Some((fault, name)) = wants_table(message) {
            let problem = Self::at(place, format!("{}, expected a table", plain(fault)), "here");
            return Self { help: log_table(name, found), ..problem };
        }
        let remark = match message.strip_suffix("expected a sequence") {
            Some(_) if found.starts_with(['"', '\'']) => format!("did you mean [{found}]?"),
            Some(_) if found.starts_with("[actor]") => {
                let header = place.start..place.start + "[actor]".len();
                return Self::at(header, "`[actor]` is one table, and actors are a list", "did you mean [[actor]]?");
            }
            _ => "here".into(),
        };
        Self::at(place, plain(message), remark)
    }
}

/// The way out for a `share` of an actor.
const SHARE_PLACE: &str = "actors that are spawned from one [[plugin]], or are the members of one [[family]], can share an instance: set \
                           `share` there, or leave it out";

/// The place, one character wide if it was empty and a character stands there. An empty place marks something that is missing.
fn visible(place: Range<usize>, text: &str) -> Range<usize> {
    let next = text.get(place.start..).and_then(|rest| rest.chars().next()).filter(|c| !c.is_whitespace());
    match next {
        Some(next) if place.is_empty() => place.start..place.start + next.len_utf8(),
        _ => place,
    }
}

/// Serde's and TOML's words in those of the manifest.
fn plain(message: &str) -> String {
    message
        .replace("invalid type: ", "wrong type: ")
        .replace("invalid value: ", "wrong value: ")
        .replace("integer `", "number `")
        .replace("expected a sequence", "expected a list")
        .replace("expected u32", "expected a whole number, 0 or more")
}

/// The parts of serde's "…, expected struct NAME": the words before it, and the name.
fn wants_table(message: &str) -> Option<(&str, &str)> {
    message.split_once(", expected struct ")
}

/// The way to give a level of the log, for a text in place of the table of this name.
fn log_table(name: &str, found: &str) -> Option<String> {
    let is_level = ["error", "warn", "info", "debug", "trace"].contains(&found.trim_matches(['"', '\'']));
    let level = if is_level { found } else { "\"debug\"" };
    ["ActorLog", "Log"].contains(&name).then(|| format!("write `log = {{ level = {level} }}`"))
}

/// The name and the known ones of serde's "unknown …, expected …".
fn unknown<'m>(message: &'m str, prefix: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let (name, rest) = message.strip_prefix(prefix)?.split_once("`, ")?;
    Some((name, rest.split('`').skip(1).step_by(2).collect()))
}

fn meant_remark(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied()).map_or("here".into(), |near| format!("did you mean `{near}`?"))
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name that is most like `name`, if one is like it at all.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let scored = known.into_iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.75).then_some(best.1)
}

/// Maximum number of problems in a report: finding the line of each one searches the source.
const MOST_SHOWN: usize = 50;

/// All faults of one manifest.
#[derive(Debug, Clone)]
pub struct Problems {
    /// The manifest.
    pub source: Source,
    /// The faults, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems by their place.
    pub fn new(source: Source, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.labels.first().map_or(0, |(place, _)| place.start));
        Self { source, problems }
    }

    /// The whole report. With `colour` for a terminal; without, the same text on every machine.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_context_lines(1)
            .with_wrap_lines(false)
            .with_break_words(false);
        let mut out = String::new();
        let text: Arc<str> = without_passwords(&self.source.text).chars().map(harmless).collect::<String>().into();
        for problem in self.problems.iter().take(MOST_SHOWN) {
            let shown =
                Shown { problem: &printable(problem), source: NamedSource::new(&self.source.name, text.clone()) };
            // Writing to a string cannot fail, and a place outside of the text is shown without its line.
            let _ = handler.render_report(&mut out, &shown);
            out.push('\n');
        }
        let (all, name) = (self.problems.len(), &self.source.name);
        if all > MOST_SHOWN {
            let _ = writeln!(out, "{all} problems in {name}; these are the first {MOST_SHOWN}");
        } else if all > 1 {
            let _ = writeln!(out, "{all} problems in {name}");
        }
        out
    }
}

/// A character of the manifest as it is shown. A character that would move the cursor is replaced by one of the same length, so
/// that places stay right.
fn harmless(c: char) -> char {
    match c.len_utf8() {
        _ if matches!(c, '\n' | '\t') || !is_escaped(c) => c,
        1 if c == '\r' => ' ',
        1 => '?',
        2 => '¿',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// The text with `*` in place of the user and the password of each url. Places stay right.
fn without_passwords(text: &str) -> String {
    let mut shown = text.to_owned();
    for (scheme, _) in text.match_indices("://") {
        let start = scheme + "://".len();
        let rest = &text[start..];
        let url = &rest[..rest.find(['"', '\'', '\n', '\r']).unwrap_or(rest.len())];
        if let Some(user) = url.rfind('@') {
            shown.replace_range(start..start + user, &"*".repeat(user));
        }
    }
    shown
}

/// The problem in words that are safe to print: the problem may quote names that the manifest wrote with escapes.
fn printable(problem: &Problem) -> Problem {
    let safe = |text: &String| Printable(text).to_string();
    let labels = problem.labels.iter().map(|(place, remark)| (place.clone(), safe(remark))).collect();
    Problem { message: safe(&problem.message), labels, help: problem.help.as_ref().map(safe) }
}

/// A problem with its source, in the form that the renderer needs.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: NamedSource<Arc<str>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    /// Adds the way to correct the problem.
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = |(n, (place, remark)): (usize, &(Range<usize>, String))| {
            let make = if n == 0 { LabeledSpan::new_primary_with_span } else { LabeledSpan::new_with_span };
            make(Some(remark.clone()), place.clone())
        };
        Some(Box::new(self.problem.labels.iter().enumerate().map(span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_hidden_at_their_place() {
        let text = "url = \"redis://me:hunté@r2@db:6379/0\" # a@b\nhosts = ['https://a.com', 'https://@b']\n";
        let shown = without_passwords(text);
        assert_eq!(shown, "url = \"redis://************@db:6379/0\" # a@b\nhosts = ['https://a.com', 'https://@b']\n");
        assert_eq!(shown.len(), text.len());
        assert_eq!(without_passwords("url = \"redis://:pw@db"), "url = \"redis://***@db");
    }
}
