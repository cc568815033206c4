//! The identity of a file that need not be there yet.

use std::path::{Path, PathBuf};

/// The path by which two names of one file are equal: without links, as far as the path exists.
pub(super) fn same_file(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.components().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_are_equal() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| same_file(&folder.path().join(name));
        std::fs::create_dir(folder.path().join("logs")).expect("ours");
        std::os::unix::fs::symlink("logs", folder.path().join("link")).expect("ours");
        assert_eq!(at("logs/a.log"), at("link/../logs/./a.log"));
        std::fs::write(folder.path().join("logs/a.log"), "").expect("ours");
        std::os::unix::fs::symlink("logs/a.log", folder.path().join("b.log")).expect("ours");
        assert_eq!(at("b.log"), at("link/a.log"));
        assert_ne!(at("logs/a.log"), at("logs/b.log"));
        assert_eq!(at("none/./a.log"), at("none/a.log"), "a folder that is not there yet");
    }
}
