//! Addresses: `/a/b/c`, the names of actors. Parsing happens here once; the rest of the kernel trusts it.

use std::fmt;
use std::sync::Arc;

/// Longest segment of an address, in bytes.
pub const MAX_SEGMENT_BYTES: usize = 64;
/// Most segments of an address.
pub const MAX_SEGMENTS: usize = 16;

/// A valid absolute address: `/` (the kernel) or `/` followed by at most [`MAX_SEGMENTS`] segments
/// of `[A-Za-z0-9_-]{1,64}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Arc<str>);

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// An address begins with `/`.
    #[error("`{0}` is no address: it must begin with `/`, as in `/shop/cart`")]
    NotAbsolute(String),
    /// Two slashes in a row, or one at the end.
    #[error("`{0}` is no address: it has an empty segment (a doubled `/`, or one at the end)")]
    EmptySegment(String),
    /// A character outside `[A-Za-z0-9_-]`.
    #[error("`{address}` is no address: `{found}` is not allowed; use letters, digits, `_` and `-`")]
    BadCharacter {
        /// The whole text, with control characters escaped.
        address: String,
        /// The first offending character, escaped.
        found: String,
    },
    /// A segment over [`MAX_SEGMENT_BYTES`].
    #[error("`{0}` is no address: a segment has over 64 characters")]
    LongSegment(String),
    /// Over [`MAX_SEGMENTS`] segments.
    #[error("`{0}` is no address: it has over 16 segments")]
    TooDeep(String),
}

impl Address {
    /// The kernel's own address, `/`.
    pub fn root() -> Self {
        Self(Arc::from("/"))
    }

    /// Parses an absolute address.
    ///
    /// ```
    /// use playhouse_kernel::Address;
    /// assert_eq!(Address::parse("/shop/cart")?.name(), "cart");
    /// assert!(Address::parse("shop").is_err());
    /// # Ok::<(), playhouse_kernel::AddressError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text == "/" {
            return Ok(Self::root());
        }
        let Some(path) = text.strip_prefix('/') else {
            return Err(AddressError::NotAbsolute(shown(text)));
        };
        check_path(path, text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Reads `text` as this actor would: absolute when it begins with `/`, else below this address.
    ///
    /// ```
    /// use playhouse_kernel::Address;
    /// let shop = Address::parse("/shop")?;
    /// assert_eq!(shop.resolve("cart/items")?.as_str(), "/shop/cart/items");
    /// assert_eq!(shop.resolve("/bank")?.as_str(), "/bank");
    /// # Ok::<(), playhouse_kernel::AddressError>(())
    /// ```
    pub fn resolve(&self, text: &str) -> Result<Self, AddressError> {
        if text.starts_with('/') {
            return Self::parse(text);
        }
        if text.is_empty() && self.is_root() {
            // The result would be `/`, the kernel itself.
            return Err(AddressError::EmptySegment(shown(text)));
        }
        let below = if self.is_root() { "" } else { self.as_str() };
        Self::parse(&format!("{below}/{text}"))
    }

    /// The address of a child of this name.
    pub fn child(&self, name: &str) -> Result<Self, AddressError> {
        if let Some(found) = name.chars().find(|c| *c == '/') {
            return Err(AddressError::BadCharacter { address: shown(name), found: found.to_string() });
        }
        self.resolve(name)
    }

    /// The text, `/a/b`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }

    /// The last segment; empty for `/`.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The address of the parent; none for `/`.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        match self.0.rfind('/') {
            Some(0) | None => Some(Self::root()),
            Some(slash) => Some(Self(Arc::from(&self.0[..slash]))),
        }
    }

    /// The actor directly under `/` that is at this address or above it; `/` for `/`.
    pub fn top(&self) -> Self {
        match self.0[1..].find('/') {
            Some(slash) => Self(Arc::from(&self.0[..=slash])),
            None => self.clone(),
        }
    }

    /// Whether this lies strictly below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        other.is_root() && !self.is_root()
            || self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

fn check_path(path: &str, whole: &str) -> Result<(), AddressError> {
    let mut segments = 0;
    for segment in path.split('/') {
        segments += 1;
        if segment.is_empty() {
            return Err(AddressError::EmptySegment(shown(whole)));
        }
        if let Some(found) = segment.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
            return Err(AddressError::BadCharacter { address: shown(whole), found: found.escape_debug().to_string() });
        }
        if segment.len() > MAX_SEGMENT_BYTES {
            return Err(AddressError::LongSegment(shown(whole)));
        }
    }
    if segments > MAX_SEGMENTS {
        return Err(AddressError::TooDeep(shown(whole)));
    }
    Ok(())
}

/// At most 80 characters of a text from outside, safe to print.
fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_parse_to_themselves() {
        for text in ["/", "/a", "/a/b-c/D_9", &"/x".repeat(16), &format!("/{}", "n".repeat(64))] {
            assert_eq!(Address::parse(text).map(|a| a.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn bad_address_error_names_the_fault() {
        for (text, part) in [
            ("", "must begin with `/`"),
            ("a", "must begin with `/`"),
            ("//", "empty segment"),
            ("/a/", "empty segment"),
            ("/a b", "` ` is not allowed"),
            ("/../etc", "`.` is not allowed"),
            ("/\u{1b}[31m", "`\\u{1b}` is not allowed"),
            (&"/x".repeat(17), "over 16 segments"),
            (&format!("/{}", "n".repeat(65)), "over 64 characters"),
        ] {
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text:?}: {error}");
            assert!(!error.contains('\u{1b}'));
        }
    }

    #[test]
    fn empty_child_name_is_refused() {
        for parent in [Address::root(), Address::parse("/a").expect("good")] {
            assert!(matches!(parent.child(""), Err(AddressError::EmptySegment(_))));
            assert!(matches!(parent.resolve(""), Err(AddressError::EmptySegment(_))));
        }
    }

    #[test]
    fn parent_top_and_is_below_follow_the_segments() {
        let a = |text| Address::parse(text).expect("good");
        assert_eq!(a("/a/b").parent(), Some(a("/a")));
        assert_eq!(a("/a").parent(), Some(Address::root()));
        assert_eq!(Address::root().parent(), None);
        assert!(a("/a/b").is_below(&a("/a")));
        assert!(a("/a").is_below(&Address::root()));
        assert!(!a("/ab").is_below(&a("/a")));
        assert!(!a("/a").is_below(&a("/a")));
        assert_eq!([a("/a/b/c"), a("/ab"), Address::root()].map(|at| at.top().to_string()), ["/a", "/ab", "/"]);
    }
}
