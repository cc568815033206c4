//! Secrets as gateways use them: tokens that clients present, and urls with a password.

use std::fmt;

pub use playhouse_kernel::Secret;

/// A url that may have a password. Both `Display` and `Debug` leave out the user and the query, which may hold one.
#[derive(Clone)]
pub struct SecretUrl(Secret);

impl SecretUrl {
    /// The url of this text. Nothing is checked: what the url must be is up to the gateway that uses it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Secret::new(text))
    }

    /// Why the text is no url with one of these schemes, in words that show nothing of it; `None` if it is one as far as that says.
    pub fn fault(&self, schemes: &[&str]) -> Option<&'static str> {
        let text = self.expose();
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Some("it has a space or a line break");
        }
        match text.split_once("://") {
            None => Some("it has no `://`"),
            Some((scheme, _)) if !schemes.contains(&scheme) => Some("it begins with another scheme"),
            Some((_, "")) => Some("it ends after `://`"),
            Some(_) => None,
        }
    }

    /// The whole text, with its password.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<Secret> for SecretUrl {
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

/// The url without its user, query and fragment: `***` stands in their place.
impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.expose().split_once("://") else {
            // Not a url: it may be a password as a whole.
            return f.write_str("***");
        };
        // The last `@` of the whole text: a user may have a `/`, `?` or `#` that its writer did not escape.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((_, rest)) => ("***@", rest),
            None => ("", rest),
        };
        let (rest, query) = match rest.split_once(['?', '#']) {
            Some((rest, _)) => (rest, "?***"),
            None => (rest, ""),
        };
        write!(f, "{scheme}://{user}{rest}{query}")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_of_a_url_shows_nothing_of_it() {
        let fault = |url: &str| SecretUrl::new(url).fault(&["redis", "rediss"]);
        assert_eq!((fault("redis://a"), fault("rediss://:hunter2@a/0")), (None, None));
        assert_eq!(fault("redis://a\n"), Some("it has a space or a line break"));
        assert_eq!((fault("hunter2"), fault("")), (Some("it has no `://`"), Some("it has no `://`")));
        assert_eq!(fault("hunter2://a"), Some("it begins with another scheme"));
        assert_eq!(fault("redis://"), Some("it ends after `://`"));
    }

    #[test]
    fn url_shows_neither_user_nor_query() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("redis://:hunter2@db.example.com:6379/0", "redis://***@db.example.com:6379/0"),
            ("rediss://me:hunt/er?2#@db/1", "rediss://***@db/1"),
            ("redis://me:p@ss@db", "redis://***@db"),
            ("https://hooks.example.com/x?token=hunter2", "https://hooks.example.com/x?***"),
            ("hunter2", "***"),
        ] {
            let url = SecretUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("SecretUrl({shown})"));
        }
    }
}
