//! The rule for the names of a family's members: a small part of the syntax of regular expressions, for whole names.

use std::fmt;

use crate::words::address::MAX_SEGMENT_BYTES;

/// Most steps of a pattern, so that a match is quick.
const MAX_STEPS: usize = 64;

/// A pattern for whole names: literal characters, `.` for any character, classes such as `[a-z0-9-]`, and after each of them at most
/// one of `*`, `+`, `?`, `{n}` and `{n,m}`. `\` takes the next character literally.
///
/// ```
/// use playhouse_kernel::NamePattern;
///
/// let pattern = NamePattern::parse("u[0-9]+")?;
/// assert!(pattern.fits("u17"));
/// assert!(!pattern.fits("u"));
/// # Ok::<(), playhouse_kernel::NamePatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: Box<str>,
    steps: Box<[Step]>,
}

/// Characters, and how often one of them comes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Ranges of characters, both ends included.
    set: Box<[(char, char)]>,
    least: usize,
    /// None: as often as it likes.
    most: Option<usize>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamePatternError {
    /// A `[` without a `]`, or with nothing in it.
    #[error("`[` at character {0} begins a class such as `[a-z0-9-]`, which ends with `]` and has a character")]
    Class(usize),
    /// A range whose ends are in the wrong order.
    #[error("the range `{0}-{1}` has its ends in the wrong order")]
    Range(char, char),
    /// A repetition that is none, or that repeats nothing.
    #[error(
        "the repetition at character {0} must be `*`, `+`, `?`, `{{n}}` or `{{n,m}}`, after one character or class"
    )]
    Repetition(usize),
    /// A `\` at the end.
    #[error("`\\` at the end takes no character literally")]
    Backslash,
    /// A character with a meaning in regular expressions that this syntax does not have.
    #[error("`{0}` at character {1} has no meaning here: `\\{0}` is the character itself")]
    Unknown(char, usize),
    /// Too many steps.
    #[error("a pattern has at most {MAX_STEPS} characters and classes")]
    TooLong,
}

impl NamePattern {
    /// The pattern that every name fits.
    pub fn any() -> Self {
        let any = Step { set: [('\0', char::MAX)].into(), least: 0, most: None };
        Self { text: ".*".into(), steps: [any].into() }
    }

    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, NamePatternError> {
        let characters: Vec<char> = text.chars().collect();
        let (mut steps, mut at) = (Vec::new(), 0);
        while at < characters.len() {
            let set = read_set(&characters, &mut at)?;
            let (least, most) = read_repetition(&characters, &mut at)?;
            steps.push(Step { set, least, most });
        }
        if steps.len() > MAX_STEPS {
            return Err(NamePatternError::TooLong);
        }
        Ok(Self { text: text.into(), steps: steps.into() })
    }

    /// Whether a whole name fits.
    pub fn fits(&self, name: &str) -> bool {
        let characters: Vec<char> = name.chars().collect();
        // The numbers of characters that the steps so far can have taken.
        let mut ends = vec![false; characters.len() + 1];
        ends[0] = true;
        for step in &self.steps {
            ends = step.ends_after(&ends, &characters);
        }
        ends[characters.len()]
    }
}

impl Step {
    fn ends_after(&self, begins: &[bool], characters: &[char]) -> Vec<bool> {
        let mut ends = vec![false; begins.len()];
        for begin in (0..begins.len()).filter(|&begin| begins[begin]) {
            let fitting = characters[begin..].iter().take_while(|character| self.has(**character)).count();
            let most = self.most.unwrap_or(usize::MAX).min(fitting);
            (self.least..=most).for_each(|taken| ends[begin + taken] = true);
        }
        ends
    }

    fn has(&self, character: char) -> bool {
        self.set.iter().any(|(from, to)| (*from..=*to).contains(&character))
    }
}

/// Reads one character or class.
fn read_set(characters: &[char], at: &mut usize) -> Result<Box<[(char, char)]>, NamePatternError> {
    let (begin, first) = (*at, characters[*at]);
    *at += 1;
    match first {
        '.' => Ok([('\0', char::MAX)].into()),
        '[' => read_class(characters, at),
        '\\' => {
            let literal = *characters.get(*at).ok_or(NamePatternError::Backslash)?;
            *at += 1;
            Ok([(literal, literal)].into())
        }
        '*' | '+' | '?' | '{' => Err(NamePatternError::Repetition(begin + 1)),
        '(' | ')' | '|' | '^' | '$' | ']' | '}' => Err(NamePatternError::Unknown(first, begin + 1)),
        literal => Ok([(literal, literal)].into()),
    }
}

/// Reads the rest of a class, with its end.
fn read_class(characters: &[char], at: &mut usize) -> Result<Box<[(char, char)]>, NamePatternError> {
    let (begin, mut set) = (*at, Vec::new());
    loop {
        let from = *characters.get(*at).ok_or(NamePatternError::Class(begin))?;
        *at += 1;
        if from == ']' {
            return if set.is_empty() { Err(NamePatternError::Class(begin)) } else { Ok(set.into()) };
        }
        let mut to = from;
        // A `-` before the end is itself.
        if characters.get(*at) == Some(&'-') && characters.get(*at + 1).is_some_and(|next| *next != ']') {
            to = characters[*at + 1];
            *at += 2;
        }
        if from > to {
            return Err(NamePatternError::Range(from, to));
        }
        set.push((from, to));
    }
}

/// Reads how often the step before may come.
fn read_repetition(characters: &[char], at: &mut usize) -> Result<(usize, Option<usize>), NamePatternError> {
    let begin = *at;
    let repeated = match characters.get(begin) {
        Some('*') => (0, None),
        Some('+') => (1, None),
        Some('?') => (0, Some(1)),
        Some('{') => {
            let wrong = NamePatternError::Repetition(begin + 1);
            let length = characters[begin..].iter().position(|character| *character == '}').ok_or(wrong.clone())?;
            let inside: String = characters[begin + 1..begin + length].iter().collect();
            let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number <= MAX_SEGMENT_BYTES);
            let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
            let (least, most) = number(least).zip(number(most)).filter(|(least, most)| least <= most).ok_or(wrong)?;
            *at += length;
            (least, Some(most))
        }
        _ => return Ok((1, Some(1))),
    };
    *at += 1;
    Ok(repeated)
}

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
            (".*x?", &["", "x", "abc"], &[]),
            (r"a\.b", &["a.b"], &["axb"]),
            ("[ab]*ab", &["ab", "abab", "bbab"], &["ba"]),
            ("[0-9]{8}", &["12345678"], &["1234567", "123456789"]),
        ] {
            let read = NamePattern::parse(pattern).expect("a pattern");
            assert!(fitting.iter().all(|name| read.fits(name)), "{pattern}: {fitting:?}");
            assert!(!others.iter().any(|name| read.fits(name)), "{pattern}: {others:?}");
        }
        assert!(NamePattern::any().fits("anything"));
    }

    #[test]
    fn text_that_is_no_pattern_is_refused_with_its_place() {
        for (text, error) in [
            ("a[", NamePatternError::Class(2)),
            ("[]", NamePatternError::Class(1)),
            ("[z-a]", NamePatternError::Range('z', 'a')),
            ("*", NamePatternError::Repetition(1)),
            ("a{2", NamePatternError::Repetition(2)),
            ("a{3,2}", NamePatternError::Repetition(2)),
            ("a**", NamePatternError::Repetition(3)),
            ("a\\", NamePatternError::Backslash),
            ("(a)", NamePatternError::Unknown('(', 1)),
        ] {
            assert_eq!(NamePattern::parse(text), Err(error), "{text}");
        }
        assert_eq!(NamePattern::parse(&"a".repeat(65)), Err(NamePatternError::TooLong));
    }
}
