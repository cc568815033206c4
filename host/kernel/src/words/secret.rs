//! A value that no log, error or report may show.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

/// A secret value: a token, a password. It has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret with this value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its lines without blank ones, each without whitespace around it: a secret may hold several tokens, so that one can be
    /// replaced by another without a gap.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines().map(str::trim).filter(|line| !line.is_empty())
    }

    /// Whether one of the [`lines`](Self::lines) is `given`. The time that this takes says nothing but the lengths of the lines.
    pub fn matches(&self, given: &str) -> bool {
        let same = self.lines().map(|line| line.as_bytes().ct_eq(given.as_bytes()));
        same.fold(Choice::from(0), |found, same| found | same).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_shows_nothing_of_its_value() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(***))");
    }

    #[test]
    fn secret_matches_each_of_its_lines() {
        let secret = Secret::new("old-token\r\n\n  new-token\n");
        assert!(secret.matches("old-token") && secret.matches("new-token"));
        for other in ["", "old", "old-token ", "old-token\nnew-token", "new-tokem"] {
            assert!(!secret.matches(other), "{other:?}");
        }
    }

    #[test]
    fn empty_secret_matches_nothing() {
        assert!(!Secret::new("").matches("") && !Secret::new(" \n\n").matches(""));
    }
}
