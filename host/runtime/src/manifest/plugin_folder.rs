//! The content of the plugins folder.

use std::path::{Path, PathBuf};

/// The content of the plugins folder.
#[derive(Debug)]
pub struct PluginFolder {
    /// The names of the `.wasm` files, sorted, without their ending; an error when it could not be read.
    pub names: Result<Vec<String>, String>,
}

impl PluginFolder {
    /// Looks into the folder at `path`.
    pub fn read(path: &Path) -> Self {
        let names = std::fs::read_dir(path).map_err(|error| error.to_string()).map(|entries| {
            let files = entries.flatten().map(|entry| PathBuf::from(entry.file_name()));
            let wasm = files.filter(|file| file.extension().is_some_and(|ending| ending == "wasm"));
            let mut names: Vec<_> = wasm.filter_map(|f| Some(f.file_stem()?.to_str()?.to_owned())).collect();
            names.sort();
            names
        });
        Self { names }
    }
}
