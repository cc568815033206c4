//! The progress of loading plugins, on the console.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use playhouse_runtime::Compiled;
use playhouse_runtime::plugins::LoadProgress;
use playhouse_runtime::printable::size;

use crate::console::Console;

/// Shows spinners on a terminal, and lines elsewhere.
pub(crate) struct ConsoleProgress<'a> {
    console: &'a Console,
    /// The spinners, by plugin. A file that is loaded as an actor and as a mailbox has two.
    bars: BTreeMap<String, Vec<ProgressBar>>,
}

impl<'a> ConsoleProgress<'a> {
    pub(crate) fn new(console: &'a Console) -> Self {
        Self { console, bars: BTreeMap::new() }
    }
}

impl LoadProgress for ConsoleProgress<'_> {
    fn compiling(&mut self, plugin: &str, bytes: u64) {
        let text = format!("compiling {plugin} ({})", size(bytes));
        if self.console.is_terminal() {
            self.bars.entry(plugin.to_owned()).or_default().extend(self.console.spinner(text));
        } else {
            self.console.say(&format!("{text}…"));
        }
    }

    fn ended(&mut self, plugin: &str) {
        if let Some(bar) = self.bars.get_mut(plugin).and_then(Vec::pop) {
            self.console.clear(&bar);
        }
    }

    fn compiled(&mut self, plugin: &str, how: &Compiled) {
        match how {
            Compiled::Fresh(took) => self.console.say(&format!("compiled {plugin} in {:.1}s", took.as_secs_f64())),
            Compiled::Rebuilt { why, took } => self.console.say(&format!(
                "compiled {plugin} again in {:.1}s: its compiled code in the cache was damaged ({why})",
                took.as_secs_f64()
            )),
            Compiled::FromCache => {}
        }
    }
}
