//! The token that requests of a sink present, and the removal of secrets from what a server says.

use std::fmt;

use http::HeaderValue;
use playhouse_kernel::Secret;

use super::error::PostError;

/// The value of `Authorization`, and the token in it. No text of this program shows it.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    value: Secret,
}

impl Token {
    /// The token in the first line of a secret, so that a secret of several tokens can be shared with a server that accepts all of
    /// them (RFC 6750, section 2.1).
    pub(super) fn new(secret: &Secret) -> Result<Self, PostError> {
        let token = secret.lines().next().filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or(PostError::NoToken)?;
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| PostError::NoToken)?;
        header.set_sensitive(true);
        Ok(Self { header, value: Secret::new(token) })
    }

    /// A server's text without the token.
    pub(super) fn removed_from(&self, text: &str) -> String {
        text.replace(self.value.expose(), "***")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_the_first_line_of_its_secret() {
        let header = |secret: &str| Token::new(&Secret::new(secret)).map(|token| token.header);
        for (secret, sent) in [("a.b-c==", "Bearer a.b-c=="), ("\n new \nold\n", "Bearer new")] {
            assert_eq!(header(secret), Ok(HeaderValue::from_static(sent)));
        }
        for bad in ["", "\n", "two words", "-----BEGIN KEY-----\nabc", "\u{e9}", "a\0"] {
            assert_eq!(header(bad), Err(PostError::NoToken), "{bad:?}");
        }
    }

    #[test]
    fn token_is_shown_nowhere() {
        let token = Token::new(&Secret::new("hunter2")).expect("a token");
        assert!(!format!("{token:?} {:?}", token.header).contains("hunter2"));
        assert_eq!(token.removed_from("no hunter2 here"), "no *** here");
    }
}
