//! Replies with the content of a URL. Its manifest must grant it the hosts of its requests:
//!
//! ```toml
//! [actor.grants]
//! hosts = ["https://api.example.com"]
//! ```
//!
//! - Messages: a URL, as text. The reply is the body. A URL outside of the grant, a redirect (which is not followed) and an
//!   error of the server fail the message for good; a server that cannot be reached is tried again.

mod get;

use playhouse_sdk::{Actor, Context, Message, Result, export_actor, reject, retry};

#[derive(Default)]
struct Fetch;

impl Actor for Fetch {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let url = msg.text()?;
        let (scheme, authority, path) = parts(url).ok_or_else(|| reject(format!("`{url}` is no URL for HTTP")))?;
        match get::get(scheme, authority, path) {
            Ok((200, body)) => ctx.reply(body),
            Ok((status, _)) => return Err(reject(format!("{url} answers {status}"))),
            Err(error) if get::is_final(&error) => return Err(reject(format!("{url}: {error}"))),
            Err(error) => return Err(retry(format!("{url}: {error}"))),
        }
        Ok(())
    }
}

export_actor!(Fetch);

/// Scheme, host with port, and path with query.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (!authority.is_empty()).then_some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_three_parts() {
        assert_eq!(parts("https://a.com/x?y"), Some(("https", "a.com", "/x?y")));
        assert_eq!(parts("http://a.com:80"), Some(("http", "a.com:80", "")));
        assert_eq!(parts("http://a.com?y"), Some(("http", "a.com", "?y")));
        for url in ["a.com", "ftp://a.com", "http://", "http:///x"] {
            assert_eq!(parts(url), None, "{url}");
        }
    }
}
