//! The figures of one measurement, by name.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

/// Figures by name. Their text is `name=figure` for each, separated by spaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// One figure.
    pub(crate) fn of(name: &str, figure: f64) -> Self {
        Self::default().with(name, figure)
    }

    /// These, and one more.
    pub(crate) fn with(mut self, name: &str, figure: f64) -> Self {
        self.0.insert(name.to_owned(), figure);
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Reads the text of figures.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let figure = |word: &str| -> Result<(String, f64)> {
            let (name, figure) = word.split_once('=').with_context(|| format!("no figure: {word}"))?;
            Ok((name.to_owned(), figure.parse()?))
        };
        Ok(Self(text.split_whitespace().map(figure).collect::<Result<_>>()?))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|(name, figure)| format!("{name}={figure}")).collect();
        f.write_str(&words.join(" "))
    }
}
