//! `metrics` of an actor or a plugin: the names of its own metrics.

use playhouse_kernel::{MAX_METRICS, MetricNameError, MetricNames};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::printable::Printable;

impl Checks {
    pub(super) fn metric_names(&mut self, written: &[Spanned<String>]) -> MetricNames {
        let mut names = MetricNames::default();
        for (index, name) in written.iter().enumerate() {
            let (text, place) = (name.get_ref(), name.span());
            let (shown, fault) = match names.push(text) {
                Ok(()) => continue,
                Err(fault) => (Printable(text), fault),
            };
            let problem = match fault {
                MetricNameError::Form => {
                    let help = "a metric is named by 1 to 64 of `a` to `z`, `0` to `9` and `_`, a letter first, as in \
                                \"orders\"";
                    Problem::at(place, format!("`{shown}` is no name of a metric"), "here").help(help)
                }
                MetricNameError::Reserved(word) => {
                    let what = format!("`{shown}` ends with `{word}`, which the names of samples end with");
                    let problem = Problem::at(place, what, "here");
                    match text.strip_suffix(word).map(|front| front.trim_end_matches('_')) {
                        Some(front) if !front.is_empty() => {
                            problem.help(format!("the host adds such ends itself: leave it out, as in \"{front}\""))
                        }
                        _ => problem.help("the host adds such ends itself: choose another name, as in \"orders\""),
                    }
                }
                MetricNameError::Twice => {
                    let first = written[..index].iter().find(|first| first.get_ref() == text);
                    let problem = Problem::at(place, format!("the metric `{shown}` is declared twice"), "again here");
                    let problem = match first {
                        Some(first) => problem.and_at(first.span(), "first here"),
                        None => problem,
                    };
                    problem.help("leave one of them out")
                }
                MetricNameError::TooMany => {
                    let what = format!("there are {} metrics, and an actor has at most {MAX_METRICS}", written.len());
                    let help = "leave some out: each of them has series of its own for each actor";
                    self.add(Problem::at(place, what, "one too many").help(help));
                    break;
                }
            };
            self.add(problem);
        }
        names
    }
}
