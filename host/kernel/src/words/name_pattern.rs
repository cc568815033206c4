//! The rule for the names of a family's members: a regular expression for whole names.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Most bytes of a pattern in memory, so that no manifest fills it with `a{1000}{1000}`.
const MOST_BYTES: usize = 64 << 10;

/// A regular expression for whole names, in the syntax of the crate [`regex`](https://docs.rs/regex/latest/regex/#syntax). Names have
/// ASCII characters alone, and so do its classes: `\d` is `[0-9]`. A match takes a time that grows with the name's length alone.
///
/// ```
/// use playhouse_kernel::NamePattern;
///
/// let pattern = NamePattern::parse("(u|admin-)[0-9]+")?;
/// assert!(pattern.fits("u17"));
/// assert!(!pattern.fits("u17a"));
/// # Ok::<(), playhouse_kernel::NamePatternError>(())
/// ```
#[derive(Debug, Clone)]
pub struct NamePattern {
    text: Box<str>,
    /// None for `.*`, which each name fits: most families have no other pattern.
    regex: Option<Regex>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamePatternError {
    /// Not a regular expression; the fault, in words.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// It takes too much memory.
    #[error("a regular expression of more than {} KiB in memory: use smaller repetitions", MOST_BYTES >> 10)]
    TooLarge,
}

impl NamePattern {
    /// The pattern that every name fits.
    pub fn any() -> Self {
        Self { text: ".*".into(), regex: None }
    }

    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, NamePatternError> {
        if text == ".*" {
            return Ok(Self::any());
        }
        // By itself first: a `)` in it must not end the group around it.
        compile(text)?;
        Ok(Self { text: text.into(), regex: Some(compile(&format!(r"\A(?:{text})\z"))?) })
    }

    /// Whether a whole name fits.
    pub fn fits(&self, name: &str) -> bool {
        self.regex.as_ref().is_none_or(|regex| regex.is_match(name.as_bytes()))
    }
}

fn compile(text: &str) -> Result<Regex, NamePatternError> {
    let built = RegexBuilder::new(text).unicode(false).size_limit(MOST_BYTES).dfa_size_limit(MOST_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => NamePatternError::TooLarge,
        error => {
            // The lines before show the pattern.
            let lines = error.to_string();
            let fault = lines.lines().last().unwrap_or_default();
            NamePatternError::Syntax(fault.strip_prefix("error: ").unwrap_or(fault).to_owned())
        }
    })
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

impl Default for NamePattern {
    fn default() -> Self {
        Self::any()
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_fits_whole_names() {
        for (pattern, fitting, others) in [
            ("u[0-9]+", &["u1", "u17"][..], &["u", "1", "u1a", "au1"][..]),
            ("[a-z-]{2,3}", &["ab", "a-c"], &["a", "abcd", "AB"]),
            (".*x?", &["x", "abc"], &[]),
            (r"a\.b", &["a.b"], &["axb"]),
            ("a|ab", &["a", "ab"], &["b", "abb"]),
            (r"\d{8}", &["12345678"], &["1234567", "123456789"]),
            ("(eu|us)-[^_]+", &["eu-1"], &["eu-", "us-a_b", "-a"]),
        ] {
            let read = NamePattern::parse(pattern).expect("a pattern");
            assert!(fitting.iter().all(|name| read.fits(name)), "{pattern}: {fitting:?}");
            assert!(!others.iter().any(|name| read.fits(name)), "{pattern}: {others:?}");
        }
        assert!(NamePattern::any().fits("anything"));
        assert_eq!(NamePattern::parse(".*"), Ok(NamePattern::any()));
    }

    #[test]
    fn text_that_is_no_pattern_is_refused_with_its_fault() {
        for (text, fault) in [
            ("a[", "unclosed character class"),
            ("[z-a]", "invalid character class range"),
            ("*", "repetition operator missing expression"),
            ("a{3,2}", "invalid repetition count range"),
            ("a)(b", "unopened group"),
            ("(a", "unclosed group"),
        ] {
            let refused = NamePattern::parse(text).expect_err(text).to_string();
            assert!(refused.starts_with("not a regular expression: ") && refused.contains(fault), "{text}: {refused}");
        }
        assert_eq!(NamePattern::parse("(a{1000}){1000}"), Err(NamePatternError::TooLarge));
    }
}
