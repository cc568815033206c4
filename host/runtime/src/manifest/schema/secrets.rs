//! `[secrets]`, and urls that may name one.

use std::fmt;

use playhouse_gateway::SecretUrl;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

/// `[secrets]`: values that the host uses and never shows, each by its name, as in `API_TOKENS = { env = "API_TOKENS" }`. A name has
/// letters, digits and `_`, a digit not first. `playhouse run` reads the values once, before anything else; a secret that is
/// missing or empty stops the start. `playhouse check` does not read them. Each secret has exactly one of the keys below.
#[derive(Debug)]
pub struct SecretSource {
    /// An environment variable of the host. `playhouse run` removes it from its environment. No actor may have the variable in
    /// `grants.env`. Example: `API_TOKENS = { env = "API_TOKENS" }`. Default: none.
    pub env: Option<Spanned<String>>,
    /// A file, relative to the manifest, of at most 64 KiB. One line break at its end is left out. The file may not be in a folder
    /// that an actor is granted. Example: `API_TOKENS = { file = "/run/secrets/tokens" }`. Default: none.
    pub file: Option<Spanned<String>>,
    /// A credential that systemd hands over (`LoadCredential=`): the file of this name in `$CREDENTIALS_DIRECTORY`, read like
    /// `file`. Example: `API_TOKENS = { credential = "tokens" }`. Default: none.
    pub credential: Option<Spanned<String>>,
}

/// The form of a secret; ends error messages.
pub(in crate::manifest) const SECRET_FORM: &str =
    r#"a secret is { env = "VARIABLE" }, { file = "path" } or { credential = "name" }"#;

/// The error for a value in place of its source. The value is not in it.
pub(in crate::manifest) const VALUE_AS_SECRET: &str = "a manifest has no value of a secret";

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = SecretSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SECRET_FORM)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<SecretSource, E> {
                Err(E::custom(VALUE_AS_SECRET))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
                let Sources { env, file, credential } = Sources::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SecretSource { env, file, credential })
            }
        }
        deserializer.deserialize_any(Table)
    }
}

/// A url as the manifest writes it: a text, `{ secret = "NAME" }`, or `{ env = "VARIABLE" }`.
#[derive(Debug, Clone)]
pub enum UrlText {
    /// The url itself.
    Plain(SecretUrl),
    /// The name of a secret in `[secrets]` whose value is the url.
    Secret(Spanned<String>),
    /// An environment variable, treated as a secret.
    Variable(Spanned<String>),
}

impl<'de> Deserialize<'de> for UrlText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = UrlText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a url, { secret = "NAME" } or { env = "VARIABLE" }"#)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<UrlText, E> {
                Ok(UrlText::Plain(SecretUrl::new(text)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UrlText, A::Error> {
                Ok(match Named::deserialize(MapAccessDeserializer::new(map))? {
                    Named::Secret(name) => UrlText::Secret(name),
                    Named::Env(name) => UrlText::Variable(name),
                })
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

/// The table in place of a url.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    Secret(Spanned<String>),
    Env(Spanned<String>),
}

/// The keys of a [`SecretSource`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    env: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    credential: Option<Spanned<String>>,
}
