//! Patterns of paths: `/orders/:id` has a parameter, `/files/*` is a prefix. Of two patterns that fit a path, the more specific
//! one goes first, whatever their order: text before a parameter, a parameter before a prefix.

use std::borrow::Cow;
use std::fmt;

use crate::percent::decoded;

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    parameters: Vec<String>,
}

/// A part of a pattern between slashes. The order is that of the search.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// This text, once percent-decoded.
    Text(String),
    /// Any text that is not empty.
    Parameter,
    /// All that is left, also nothing.
    Prefix,
}

/// The name of the value of a prefix.
const PREFIX: &str = "*";
/// Maximum number of segments of a pattern.
const MOST_SEGMENTS: usize = 32;
/// Maximum number of bytes of a pattern.
const MOST_BYTES: usize = 1024;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// A path begins with `/`.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// Two slashes in a row.
    #[error("a path has no empty segment, except at its end")]
    EmptySegment,
    /// A character that a request cannot have there, or that means something else.
    #[error("a path of a route has no `?`, `#`, `%`, space or control character: write the text as it is once decoded")]
    BadCharacter,
    /// A parameter without a good name.
    #[error("a parameter is `:` and a name of letters, digits and `_`, as in `/orders/:id`")]
    BadParameter,
    /// A parameter that occurs twice.
    #[error("a parameter occurs once in a path")]
    TwiceParameter,
    /// A `*` that is not the last segment.
    #[error("`*` stands alone at the end, as in `/files/*`")]
    BadPrefix,
    /// Too many segments or bytes.
    #[error("a path has at most 32 segments and 1024 bytes")]
    TooLong,
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let path = text.strip_prefix('/').ok_or(BadPattern::NotAbsolute)?;
        if text.len() > MOST_BYTES || path.split('/').count() > MOST_SEGMENTS {
            return Err(BadPattern::TooLong);
        }
        let (mut segments, mut parameters): (Vec<Segment>, Vec<String>) = (Vec::new(), Vec::new());
        let last = path.split('/').count() - 1;
        for (n, segment) in path.split('/').enumerate() {
            segments.push(if let Some(name) = segment.strip_prefix(':') {
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    return Err(BadPattern::BadParameter);
                }
                if parameters.iter().any(|known| known == name) {
                    return Err(BadPattern::TwiceParameter);
                }
                parameters.push(name.to_owned());
                Segment::Parameter
            } else if segment == PREFIX && n == last {
                parameters.push(PREFIX.to_owned());
                Segment::Prefix
            } else if segment.contains('*') {
                return Err(BadPattern::BadPrefix);
            } else if segment.is_empty() && n < last {
                return Err(BadPattern::EmptySegment);
            } else if segment.chars().any(|c| matches!(c, '?' | '#' | '%' | ' ') || c.is_control()) {
                return Err(BadPattern::BadCharacter);
            } else {
                Segment::Text(segment.to_owned())
            });
        }
        Ok(Self { text: text.to_owned(), segments, parameters })
    }

    /// The names of its parameters, in order; that of a prefix is `*`.
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// Whether two patterns fit the same paths.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        self.segments == other.segments
    }

    /// The path, if it is the only one that fits.
    pub(super) fn only_path(&self) -> Option<&str> {
        self.parameters.is_empty().then_some(&self.text)
    }

    /// The order of the search among patterns.
    pub(super) fn before(&self, other: &Self) -> std::cmp::Ordering {
        self.segments.cmp(&other.segments)
    }

    /// The values of the parameters, if the pattern fits a path.
    pub(super) fn values<'p>(&self, path: &Path<'p>) -> Option<Vec<Cow<'p, str>>> {
        let mut values = Vec::new();
        let mut segments = path.segments();
        for wanted in &self.segments {
            match wanted {
                Segment::Prefix => {
                    values.push(segments.all_left()?);
                    return Some(values);
                }
                Segment::Text(text) => {
                    if segments.next()? != *text {
                        return None;
                    }
                }
                Segment::Parameter => values.push(segments.next().filter(|value| !value.is_empty())?),
            }
        }
        segments.next().is_none().then_some(values)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The path of a request. Its segments are percent-decoded once, after the path is split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'p> {
    /// Without the first slash.
    raw: &'p str,
    is_encoded: bool,
}

impl<'p> Path<'p> {
    /// The path of a request; `None` if it is none, or if it decodes to no text.
    pub(super) fn of(raw: &'p str) -> Option<Self> {
        let path = Self { raw: raw.strip_prefix('/')?, is_encoded: raw.contains('%') };
        let is_good = !path.is_encoded || path.raw.split('/').all(|segment| decoded(segment).is_some());
        is_good.then_some(path)
    }

    /// The path as patterns without parameters are written; `None` if it has an encoded character.
    pub(super) fn plain(&self) -> Option<&'p str> {
        (!self.is_encoded).then_some(self.raw)
    }

    fn segments(self) -> Segments<'p> {
        Segments { left: Some(self.raw), is_encoded: self.is_encoded }
    }
}

struct Segments<'p> {
    left: Option<&'p str>,
    is_encoded: bool,
}

impl<'p> Segments<'p> {
    fn decode(&self, text: &'p str) -> Option<Cow<'p, str>> {
        if self.is_encoded { decoded(text) } else { Some(Cow::Borrowed(text)) }
    }

    /// All segments that are left, as one text.
    fn all_left(&mut self) -> Option<Cow<'p, str>> {
        let left = self.left.take()?;
        self.decode(left)
    }
}

impl<'p> Iterator for Segments<'p> {
    type Item = Cow<'p, str>;

    fn next(&mut self) -> Option<Cow<'p, str>> {
        let left = self.left?;
        let (segment, after) = left.split_once('/').map_or((left, None), |(segment, after)| (segment, Some(after)));
        self.left = after;
        self.decode(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &str, path: &str) -> Option<Vec<String>> {
        let values = PathPattern::parse(pattern).expect("good").values(&Path::of(path)?)?;
        Some(values.into_iter().map(Cow::into_owned).collect())
    }

    /// The pattern fits the path, with these values.
    #[track_caller]
    fn assert_fits(pattern: &str, path: &str, expected: &[&str]) {
        assert_eq!(values(pattern, path).as_deref().unwrap_or(&["none".to_owned()]), expected, "{pattern} {path}");
    }

    #[test]
    fn text_fits_itself_alone() {
        assert_fits("/", "/", &[]);
        assert_fits("/a/b", "/a/b", &[]);
        assert_fits("/a/b", "/a/%62", &[]);
        assert_fits("/a/", "/a/", &[]);
        for other in ["/", "/a", "/a/b/", "/a/b/c", "/A/b", "/a%2Fb", "/a//b", "*"] {
            assert_eq!(values("/a/b", other), None, "{other}");
        }
    }

    #[test]
    fn parameter_is_decoded_once_and_never_empty() {
        assert_fits("/o/:id", "/o/7", &["7"]);
        assert_fits("/o/:id", "/o/a%2Fb", &["a/b"]);
        assert_fits("/o/:id", "/o/%2541", &["%41"]);
        assert_fits("/o/:id/x/:y", "/o/1/x/%C3%A9", &["1", "é"]);
        for other in ["/o/", "/o", "/o/a/b", "/o/%", "/o/%4", "/o/%zz", "/o/%ff"] {
            assert_eq!(values("/o/:id", other), None, "{other}");
        }
    }

    #[test]
    fn prefix_takes_all_that_is_left() {
        assert_fits("/f/*", "/f/", &[""]);
        assert_fits("/f/*", "/f/a/b%20c/", &["a/b c/"]);
        assert_fits("/*", "/", &[""]);
        assert_eq!(values("/f/*", "/f"), None);
        assert_fits("/:a/*", "/x/y/z", &["x", "y/z"]);
    }

    #[test]
    fn bad_pattern_is_refused_with_its_fault() {
        for (bad, why) in [
            ("", BadPattern::NotAbsolute),
            ("a", BadPattern::NotAbsolute),
            ("//a", BadPattern::EmptySegment),
            ("/a//", BadPattern::EmptySegment),
            ("/a?b", BadPattern::BadCharacter),
            ("/a%20", BadPattern::BadCharacter),
            ("/:", BadPattern::BadParameter),
            ("/:a-b", BadPattern::BadParameter),
            ("/:a/:a", BadPattern::TwiceParameter),
            ("/*/a", BadPattern::BadPrefix),
            ("/a*", BadPattern::BadPrefix),
        ] {
            assert_eq!(PathPattern::parse(bad), Err(why), "{bad}");
        }
        assert_eq!(PathPattern::parse(&"/a".repeat(33)), Err(BadPattern::TooLong));
    }

    #[test]
    fn more_specific_pattern_goes_first() {
        let mut patterns: Vec<_> =
            ["/*", "/:x/b", "/a/*", "/a/:y", "/a/b", "/a"].map(|text| PathPattern::parse(text).expect("good")).into();
        patterns.sort_by(PathPattern::before);
        let sorted: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["/a", "/a/b", "/a/:y", "/a/*", "/:x/b", "/*"]);
    }
}
