//! The names of a guest's functions in crash reports. The guest's author chooses the names, so that each step is bounded:
//! what is read of a name, what is written of it, the CPU time of one report, and what is kept for the next one.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmparser::{KnownCustom, Name, Payload};

use super::sections::{MOST_LEVELS, MOST_SECTIONS, Unreadable, sections};
use crate::limits::thread_time;

/// Bytes of a name in a report.
const SHOWN_BYTES: usize = 512;
/// Bytes of a mangled name that is demangled. A longer name is shown as it is.
const MANGLED_BYTES: usize = 2 << 10;
/// CPU time for the names of one report. The names that are left over are shown as they are.
const REPORT_TIME: Duration = Duration::from_millis(5);
/// Names that are kept for each plugin: those of several reports.
const KEPT_NAMES: usize = 256;
/// Bytes of a function's name in a component. wasmtime copies the name of each function of a backtrace.
const COMPONENT_BYTES: usize = 64 << 10;

/// The names of one plugin that were demangled before.
#[derive(Default)]
pub(crate) struct Names {
    kept: Mutex<HashMap<Box<str>, Arc<str>>>,
}

impl Names {
    /// For one report.
    pub(crate) fn report(&self) -> Report<'_> {
        Report { names: self, began: None }
    }

    fn get(&self, mangled: &str) -> Option<Arc<str>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(mangled).cloned()
    }

    fn keep(&self, mangled: &str, name: &Arc<str>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_NAMES {
            kept.clear();
        }
        kept.insert(mangled.into(), name.clone());
    }
}

/// The names of one report.
pub(crate) struct Report<'a> {
    names: &'a Names,
    /// The thread's CPU time when the first name was demangled.
    began: Option<Duration>,
}

impl Report<'_> {
    /// A function's name as a report shows it.
    pub(crate) fn shown(&mut self, mangled: &str) -> Arc<str> {
        if mangled.len() > MANGLED_BYTES {
            return cut(mangled).into();
        }
        if let Some(name) = self.names.get(mangled) {
            return name;
        }
        let now = thread_time();
        if now.saturating_sub(*self.began.get_or_insert(now)) > REPORT_TIME {
            return cut(mangled).into();
        }
        let name = demangled(mangled).into();
        self.names.keep(mangled, &name);
        name
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(SHOWN_BYTES)]
}

/// A few hundred bytes of a name can stand for a megabyte, so that writing ends when there is enough.
fn demangled(mangled: &str) -> String {
    let mut start = Start(String::new());
    // An error says that the rest is left out.
    let _ = write!(start, "{:#}", rustc_demangle::demangle(mangled));
    start.0
}

/// The first [`SHOWN_BYTES`] of what is written.
struct Start(String);

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fitting = text.floor_char_boundary(SHOWN_BYTES - self.0.len());
        self.0.push_str(&text[..fitting]);
        if fitting < text.len() || self.0.len() == SHOWN_BYTES { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The fault in the names of a component's functions, or in what must be read to find them, if there is one.
pub(crate) fn problem(wasm: &[u8]) -> Option<String> {
    let mut longest = 0;
    for section in sections(wasm) {
        match section {
            Ok(section) => longest = longest.max(longest_name(section).unwrap_or(0)),
            Err(Unreadable::Deep) => {
                return Some(format!("it has components within components on more than {MOST_LEVELS} levels"));
            }
            Err(Unreadable::Many) => return Some(format!("it has more than {MOST_SECTIONS} sections and functions")),
            // The compiler says what is wrong with it.
            Err(Unreadable::Invalid) => break,
        }
    }
    (longest > COMPONENT_BYTES).then(|| {
        format!("the name of one of its functions has {longest} bytes, and a name may have {COMPONENT_BYTES}; strip it")
    })
}

/// The bytes of the longest name of a function in a section of names.
fn longest_name(section: Payload<'_>) -> Option<usize> {
    let Payload::CustomSection(section) = section else { return None };
    let KnownCustom::Name(subsections) = section.as_known() else { return None };
    let functions = subsections.into_iter().map_while(Result::ok).filter_map(|names| match names {
        Name::Function(functions) => Some(functions),
        _ => None,
    });
    functions.flat_map(|names| names.into_iter().map_while(Result::ok)).map(|naming| naming.name.len()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::sections::nested;

    /// A name that stands for `2^levels` times the text `((), (), ...)`, by references to what came before.
    fn doubling(levels: usize) -> String {
        let base62 = |n: usize| {
            let digit = |n: usize| char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[n]);
            match n {
                0 => "_".to_owned(),
                1..=62 => format!("{}_", digit(n - 1)),
                n => format!("{}{}_", digit((n - 1) / 62), digit((n - 1) % 62)),
            }
        };
        let mut symbol = "INvC1a1b".to_owned();
        let mut last = symbol.len();
        symbol.push_str("ThhhhhhhhE");
        for _ in 0..levels {
            let this = symbol.len();
            let back = base62(last);
            symbol += &["TB", &back, "B", &back, "E"].concat();
            last = this;
        }
        format!("_R{symbol}E")
    }

    #[test]
    fn name_is_demangled_without_its_hash() {
        let names = Names::default();
        assert_eq!(&*names.report().shown("_ZN6orders4take17h0123456789abcdefE"), "orders::take");
        assert_eq!(&*names.report().shown("handle"), "handle");
    }

    #[test]
    fn name_that_stands_for_a_megabyte_is_cut() {
        let bomb = doubling(40);
        assert_eq!(format!("{:#}", rustc_demangle::demangle(&bomb)).len(), 1_000_000 + "{size limit reached}".len());
        let began = thread_time();
        let name = demangled(&bomb);
        let took = thread_time().saturating_sub(began);
        assert!(name.starts_with("a::b::<(u8, u8"), "{name}");
        assert_eq!(name.len(), SHOWN_BYTES);
        assert!(took < Duration::from_millis(5), "{took:?}");
    }

    #[test]
    fn long_mangled_name_is_shown_as_it_is() {
        let long = format!("_ZN3{}", "é".repeat(1 << 20));
        let name = Names::default().report().shown(&long);
        assert_eq!((name.len(), &name[..4]), (SHOWN_BYTES, "_ZN3"));
    }

    #[test]
    fn names_of_one_report_are_kept_for_the_next() {
        let names = Names::default();
        let first = names.report().shown("_ZN4a1b4take17h0123456789abcdefE");
        let again = names.report().shown("_ZN4a1b4take17h0123456789abcdefE");
        assert!(Arc::ptr_eq(&first, &again));
        for n in 0..10 * KEPT_NAMES {
            names.report().shown(&format!("f{n}"));
        }
        assert!(names.kept.lock().expect("no thread panicked").len() <= KEPT_NAMES);
    }

    #[test]
    fn report_without_time_shows_names_as_they_are() {
        let names = Names::default();
        let mut report = names.report();
        report.began = Some(Duration::ZERO);
        while thread_time() <= REPORT_TIME {}
        let mangled = "_ZN6orders4take17h0123456789abcdefE";
        assert_eq!(&*report.shown(mangled), mangled);
        assert_eq!(&*names.report().shown(mangled), "orders::take", "the next report goes on");
    }

    #[test]
    fn component_of_too_many_levels_is_a_problem() {
        assert_eq!(problem(&nested(MOST_LEVELS)), None);
        let problem = problem(&nested(MOST_LEVELS + 1)).expect("it is too deep");
        assert!(problem.contains("more than 100 levels"), "{problem}");
    }

    #[test]
    fn function_with_a_huge_name_is_a_problem() {
        let component = |bytes| {
            let name = "x".repeat(bytes);
            wat::parse_str(format!("(component (core module (func ${name})))")).expect("a component")
        };
        assert_eq!(problem(&component(COMPONENT_BYTES)), None);
        let problem = problem(&component(COMPONENT_BYTES + 1)).expect("it is too long");
        assert!(problem.contains("65537 bytes"), "{problem}");
    }
}
