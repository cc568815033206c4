//! Any bytes, read as a manifest.

use std::path::Path;

use playhouse_runtime::manifest::flow::Flow;
use playhouse_runtime::manifest::{PluginFolder, parse};

/// A manifest is sound, or each of its faults has a place in the text, and can be shown on a terminal.
pub fn manifest(bytes: &[u8]) {
    let names = ["count", "report", "split"].map(str::to_owned).into();
    match parse(Path::new("playhouse.toml"), bytes.to_vec(), |_| PluginFolder { names: Ok(names) }) {
        Ok(play) => {
            let flow = Flow::of(&play);
            let _ = (flow.lines(), flow.cycles(), flow.stops_too_early());
            assert!(
                play.settings()
                    .all(|settings| settings.limits.message_bytes as u64 <= settings.sandbox_limits.memory_bytes)
            );
            assert!(play.settings().all(|settings| !play.plugin_file(&settings.plugin).ends_with("..")));
        }
        Err(wrong) => {
            let text = &wrong.source.text;
            assert!(!wrong.problems.is_empty());
            for problem in &wrong.problems {
                let (place, _) = problem.labels.first().expect("a problem has a place");
                assert!(text.get(place.clone()).is_some(), "{problem:?}");
                // An empty place at the beginning of the file must be the real place, not a default.
                let nothing_there = text.chars().next().is_none_or(char::is_whitespace);
                assert!(*place != (0..0) || nothing_there, "{problem:?}");
            }
            let shown = wrong.render(false);
            let odd = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(odd, None, "{shown:?}");
        }
    }
}
