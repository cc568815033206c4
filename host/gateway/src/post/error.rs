//! The reasons why a sink cannot post at all.

/// Why a sink cannot post.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The url is not one of a server.
    #[error("a url of a server is http:// or https://, a name, and a path, without a user")]
    NoUrl,
    /// The token would leave this machine without encryption.
    #[error("a token is sent with https only, or to this machine, and not with http to `{0}`")]
    NotEncrypted(String),
    /// The secret is not a token.
    #[error("the first line of a secret with a token is the token: ASCII characters without a space")]
    NoToken,
}
