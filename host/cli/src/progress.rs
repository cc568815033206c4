//! The progress of loading plugins, on the console.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use playhouse_runtime::events::{PluginCompiled, PluginCompiling, PluginRecompiled};
use playhouse_runtime::plugins::LoadProgress;
use playhouse_runtime::printable::size;
use playhouse_runtime::{AboutPlugin, Compiled, LogEvent};

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
        let event = PluginCompiling { subject: AboutPlugin(plugin), bytes, name: plugin, size: &size(bytes) };
        if self.console.is_terminal() {
            self.bars.entry(plugin.to_owned()).or_default().extend(self.console.spinner(event.text()));
        } else {
            self.console.show(&event);
        }
    }

    fn ended(&mut self, plugin: &str) {
        if let Some(bar) = self.bars.get_mut(plugin).and_then(Vec::pop) {
            self.console.clear(&bar);
        }
    }

    fn compiled(&mut self, plugin: &str, how: &Compiled) {
        match how {
            Compiled::Fresh(took) => {
                let (subject, seconds) = (AboutPlugin(plugin), took.as_secs_f64());
                self.console.show(&PluginCompiled { subject, seconds, name: plugin });
            }
            Compiled::Rebuilt { why, took } => {
                let (subject, seconds) = (AboutPlugin(plugin), took.as_secs_f64());
                self.console.show(&PluginRecompiled { subject, seconds, name: plugin, why });
            }
            Compiled::FromCache => {}
        }
    }
}
