//! The secrets of a manifest with their uses, and the grants that could give them away, as far as they are checked.

use std::ops::Range;
use std::path::PathBuf;

use crate::manifest::secrets::{DeclaredSecrets, SecretId, SecretSettings};

/// The secrets of a manifest while it is checked.
#[derive(Default)]
pub(super) struct SecretUses {
    pub(super) declared: DeclaredSecrets,
    /// For each secret, whether something uses it.
    pub(super) used: Vec<bool>,
    /// The variables of the host that actors are granted.
    pub(super) granted_variables: Vec<(String, Range<usize>)>,
    /// The folders that actors are granted, by their paths without links.
    pub(super) granted_folders: Vec<(PathBuf, Range<usize>)>,
}

impl SecretUses {
    pub(super) fn add(&mut self, secret: SecretSettings) -> SecretId {
        self.declared.0.push(secret);
        self.used.push(false);
        SecretId(self.used.len() - 1)
    }

    /// Keeps a variable of the host that an actor is granted.
    pub(super) fn grant_variable(&mut self, name: &str, place: Range<usize>) {
        self.granted_variables.push((name.to_owned(), place));
    }

    /// Keeps a folder that an actor is granted.
    pub(super) fn grant_folder(&mut self, path: PathBuf, place: Range<usize>) {
        self.granted_folders.push((path, place));
    }
}
