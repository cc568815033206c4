//! The problems found so far, and the data that the checks share.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use playhouse_kernel::Address;
use toml::Spanned;

use super::kept_apart::KeptApart;
use super::secret_uses::SecretUses;
use crate::manifest::plugin_folder::PluginFolder;
use crate::manifest::problem::{Problem, nearest};
use crate::manifest::schema::Manifest;
use crate::manifest::units::Time;

/// Each suggestion compares a name with all known names: after this many, problems have no suggestion.
const MOST_SUGGESTIONS: usize = 100;

/// The problems found so far, and the data that further checks need. It has many methods, since each table of the manifest has its own
/// check, and all add to one list.
pub(super) struct Checks {
    pub(super) problems: Vec<Problem>,
    /// Number of suggestions that may still be made.
    suggestions: usize,
    /// The names of all `[[plugin]]`.
    pub(super) spawnable: HashSet<String>,
    pub(super) folder: PluginFolder,
    pub(super) plugins: PathBuf,
    /// The manifest's folder.
    pub(super) beside: PathBuf,
    /// The files and folders that no actor may write to.
    pub(super) kept_apart: KeptApart,
    /// The secrets, and the grants that could give them away.
    pub(super) secrets: SecretUses,
    /// The gateways so far, with the places of their names.
    pub(super) gates: HashMap<Address, Range<usize>>,
}

impl Checks {
    /// No problems yet. `name` is that of the manifest, which lies in the folder `beside`.
    pub(super) fn new(manifest: &Manifest, name: &str, beside: &Path, plugins: &Path, folder: PluginFolder) -> Self {
        Self {
            problems: Vec::new(),
            suggestions: MOST_SUGGESTIONS,
            spawnable: manifest.plugin.iter().map(|plugin| plugin.get_ref().name.get_ref().clone()).collect(),
            folder,
            plugins: plugins.to_owned(),
            beside: beside.to_owned(),
            kept_apart: KeptApart::of_play(
                beside,
                plugins,
                manifest.play.store.as_ref().map(|store| store.folder().into()),
                Path::new(name).file_name(),
            ),
            secrets: SecretUses::default(),
            gates: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The known name that is most like `wanted`.
    pub(super) fn near<'a>(&mut self, wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        // Sorted, since equally near ones must always give the same suggestion.
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        nearest(wanted, known)
    }

    pub(super) fn near_address<'a>(
        &mut self,
        wanted: &str,
        known: impl Iterator<Item = &'a Address>,
    ) -> Option<&'a str> {
        self.near(wanted, known.map(Address::as_str))
    }

    pub(super) fn above_zero(&mut self, written: Option<&Spanned<Time>>, key: &str, default: Duration) -> Duration {
        let Some(written) = written else { return default };
        let time = written.get_ref().0;
        if time.is_zero() {
            self.add(Problem::at(written.span(), format!("`{key}` is nothing"), "it must be at least \"1us\""));
        }
        time
    }
}
