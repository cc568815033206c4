//! The values of a play's secrets, read once before the play starts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use playhouse_gateway::SecretUrl;
use playhouse_gateway::post::{PostError, check_token, check_url};
use playhouse_kernel::{Address, Secret};
use playhouse_sandbox::{SealError, SealedSecret};

use crate::manifest::secrets::{self, SecretId, SecretSettings, SecretSource, UrlSettings};
use crate::manifest::{
    HttpTarget, PlaySettings, PlaySink, PlaySource, Problem, Problems, SinkTarget, SourceOrigin, open_regular,
};

/// The variable of systemd that names the folder of credentials.
pub const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Size of the largest file that is read.
const MOST_BYTES: u64 = 64 << 10;

/// Environment variables by name, as a program took them out of its environment.
pub type Variables = BTreeMap<String, OsString>;

/// The values of all secrets of a play.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Vec<Secret>);

impl Secrets {
    /// Reads all secrets. A variable is looked up in `taken`, and in this process's environment if `taken` is none.
    pub(crate) fn read(play: &PlaySettings, taken: Option<&Variables>) -> Result<Self, Problems> {
        let (mut values, mut problems) = (Vec::new(), Vec::new());
        for secret in play.secrets.iter() {
            match read(&secret.source, taken) {
                Ok(value) => values.push(Secret::new(value)),
                Err(why) => problems.push(no_value(secret, &why)),
            }
        }
        if problems.is_empty() { Ok(Self(values)) } else { Err(Problems::new(play.source.clone(), problems)) }
    }

    /// Gives each actor the secrets of its grants, each with one placeholder for the whole play.
    pub(crate) fn give_to(&self, play: &mut PlaySettings) -> Result<(), Problems> {
        let mut sealed: BTreeMap<String, SealedSecret> = BTreeMap::new();
        let (declared, source) = (play.secrets.clone(), play.source.clone());
        for grant in play.grants_mut().flat_map(|grants| &mut grants.secrets) {
            // The checks refuse a grant of a secret that is not declared.
            let Some(id) = declared.named(&grant.name) else { continue };
            if !sealed.contains_key(&grant.name) {
                let new = SealedSecret::new(self.0[id.0].clone()).map_err(|error| {
                    let settings = declared.iter().nth(id.0);
                    let problem = settings.map(|secret| no_header(secret, error));
                    Problems::new(source.clone(), problem.into_iter().collect())
                })?;
                sealed.insert(grant.name.clone(), new);
            }
            grant.sealed = sealed.get(&grant.name).cloned();
        }
        Ok(())
    }

    /// Checks that the secrets which sinks send as tokens are tokens.
    pub(crate) fn check_tokens(&self, play: &PlaySettings) -> Result<(), Problems> {
        let bearers = play.sinks.iter().filter_map(|sink| {
            let SinkTarget::Http(target) = &sink.to else { return None };
            target.bearer
        });
        let bad = bearers.filter_map(|id| Some((id, check_token(self.get(id)).err()?)));
        let problems: Vec<_> =
            bad.filter_map(|(id, why)| Some(no_token(play.secrets.iter().nth(id.0)?, &why))).collect();
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(play.source.clone(), problems)) }
    }

    /// Checks that the secrets which are urls are such.
    pub(crate) fn check_urls(&self, play: &PlaySettings) -> Result<(), Problems> {
        let sources = play.sources.iter().filter_map(|source| Some((&source.settings.address, of_source(source)?)));
        let sinks = play.sinks.iter().filter_map(|sink| Some((&sink.settings.address, of_sink(sink)?)));
        // A mailbox is a source and a sink, with one url.
        let mut seen = BTreeSet::new();
        let bad = sources.chain(sinks).filter_map(|(address, UrlUse { url, schemes, has_token, check })| {
            let UrlSettings::Secret(id) = url else { return None };
            let url = SecretUrl::from(self.get(*id).clone());
            let why = url.fault(schemes).or_else(|| check(&url, has_token).err())?;
            let problem = no_url(play.secrets.iter().nth(id.0)?, address, schemes, why);
            seen.insert(id.0).then_some(problem)
        });
        let problems: Vec<_> = bad.collect();
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(play.source.clone(), problems)) }
    }

    /// The value of a secret.
    pub(crate) fn get(&self, id: SecretId) -> &Secret {
        &self.0[id.0]
    }

    /// The url that the manifest has or names.
    pub(crate) fn url(&self, url: &UrlSettings) -> SecretUrl {
        match url {
            UrlSettings::Plain(url) => url.clone(),
            UrlSettings::Secret(id) => self.get(*id).clone().into(),
        }
    }
}

/// A url of a source or a sink, and what it must be.
struct UrlUse<'p> {
    url: &'p UrlSettings,
    schemes: &'static [&'static str],
    /// Whether a token is sent to it.
    has_token: bool,
    /// Says why a text with one of the schemes is no such url.
    check: CheckUrl,
}

type CheckUrl = fn(&SecretUrl, bool) -> Result<(), &'static str>;

fn of_source(source: &PlaySource) -> Option<UrlUse<'_>> {
    match &source.from {
        #[cfg(feature = "redis")]
        SourceOrigin::Redis(url, _) => Some(of_redis(url)),
        #[cfg(feature = "nats")]
        SourceOrigin::Nats(url, _) => Some(of_nats(url)),
        SourceOrigin::File(_) => None,
    }
}

fn of_sink(sink: &PlaySink) -> Option<UrlUse<'_>> {
    match &sink.to {
        #[cfg(feature = "redis")]
        SinkTarget::Redis(url, _) => Some(of_redis(url)),
        #[cfg(feature = "nats")]
        SinkTarget::Nats(url, _) => Some(of_nats(url)),
        SinkTarget::Http(HttpTarget { url, bearer, .. }) => {
            let has_token = bearer.is_some();
            Some(UrlUse { url, schemes: &secrets::HTTP_SCHEMES, has_token, check: check_server })
        }
        SinkTarget::File(_) => None,
    }
}

#[cfg(feature = "redis")]
fn of_redis(url: &UrlSettings) -> UrlUse<'_> {
    let check: CheckUrl = |url, _| playhouse_gateway::redis::is_url(url).then_some(()).ok_or(UNREADABLE);
    UrlUse { url, schemes: &secrets::REDIS_SCHEMES, has_token: false, check }
}

#[cfg(feature = "nats")]
fn of_nats(url: &UrlSettings) -> UrlUse<'_> {
    let check: CheckUrl = |url, _| playhouse_gateway::nats::is_url(url).then_some(()).ok_or(UNREADABLE);
    UrlUse { url, schemes: &secrets::NATS_SCHEMES, has_token: false, check }
}

#[cfg(any(feature = "nats", feature = "redis"))]
const UNREADABLE: &str = "its user, password, host or port cannot be read";

fn check_server(url: &SecretUrl, has_token: bool) -> Result<(), &'static str> {
    check_url(url.expose(), has_token).map_err(|error| match error {
        PostError::NotEncrypted(_) => "the token of `auth` would be sent to another machine without encryption",
        _ => "its host or port cannot be read, or it has a user",
    })
}

/// Why a secret has no value.
#[derive(Debug, PartialEq, Eq)]
enum NoValue {
    /// Its source is not there, or cannot be read.
    Missing(String),
    /// Its source has nothing.
    Empty,
}

impl From<String> for NoValue {
    fn from(why: String) -> Self {
        Self::Missing(why)
    }
}

fn read(source: &SecretSource, taken: Option<&Variables>) -> Result<String, NoValue> {
    let value = match source {
        SecretSource::Variable(name) => {
            let value = match taken {
                Some(taken) => taken.get(name).cloned(),
                None => std::env::var_os(name),
            };
            let value = value.ok_or_else(|| format!("the host's environment has no variable `{name}`"))?;
            value.into_string().map_err(|_| format!("the variable `{name}` is no text in UTF-8"))?
        }
        SecretSource::File(path) => read_file(path)?,
        SecretSource::Credential(name) => {
            let folder = std::env::var_os(CREDENTIALS_DIRECTORY).ok_or_else(|| {
                format!("systemd gives this process no credentials: `${CREDENTIALS_DIRECTORY}` is not set")
            })?;
            read_file(&PathBuf::from(folder).join(name))?
        }
    };
    if value.is_empty() { Err(NoValue::Empty) } else { Ok(value) }
}

fn read_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("`{}` cannot be read: {error}", path.display());
    let mut text = String::new();
    let file = open_regular(path, "a secret").map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("`{}` has over {} KiB", path.display(), MOST_BYTES >> 10));
    }
    // Editors and `echo` end a file with a line break.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn no_value(secret: &SecretSettings, why: &NoValue) -> Problem {
    match why {
        NoValue::Missing(why) => missing(secret, why),
        NoValue::Empty => empty(secret),
    }
}

fn missing(secret: &SecretSettings, why: &str) -> Problem {
    let problem = Problem::at(secret.place.clone(), format!("the secret `{}` is missing: {why}", secret.name), "here");
    problem.help(match &secret.source {
        SecretSource::Variable(name) => format!("set it for the host, as in `{name}=… playhouse run`"),
        SecretSource::File(_) => {
            "a path is relative to the manifest; the host's user must be able to read the file".into()
        }
        SecretSource::Credential(name) => {
            format!("hand it over in the unit, as in LoadCredential={name}:/path, or run the host by systemd-run")
        }
    })
}

fn empty(secret: &SecretSettings) -> Problem {
    let what = match &secret.source {
        SecretSource::Variable(name) => format!("the variable `{name}` has no value"),
        SecretSource::File(path) => format!("the file `{}` has no text", path.display()),
        SecretSource::Credential(name) => format!("the credential `{name}` has no text"),
    };
    let problem = Problem::at(secret.place.clone(), format!("the secret `{}` is empty: {what}", secret.name), "here");
    problem.help("give it a value, or leave the secret and its uses out")
}

fn no_url(secret: &SecretSettings, address: &Address, schemes: &[&str], why: &str) -> Problem {
    let what = format!("the secret `{}` is no url for `{address}`: {why}", secret.name);
    let listed: Vec<_> = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect();
    let problem = Problem::at(secret.place.clone(), what, format!("`{address}` has it as `url`"));
    problem.help(format!(
        "a url begins with {}; `@`, `:`, `/`, `?`, `#` and `%` of a user and a password are percent-encoded",
        listed.join(" or ")
    ))
}

fn no_header(secret: &SecretSettings, error: SealError) -> Problem {
    let what = format!("the secret `{}` cannot be sent in a header: {error}", secret.name);
    Problem::at(secret.place.clone(), what, "here")
        .help("an actor with this secret in `grants.secrets` sends it in a header")
}

fn no_token(secret: &SecretSettings, why: &PostError) -> Problem {
    let what = format!("the secret `{}` is no token", secret.name);
    Problem::at(secret.place.clone(), what, "a sink sends it in `Authorization: Bearer`").help(why.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::manifest::{PluginFolder, Source, understand};

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        for (written, read) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("a b\n", "a b"), ("\n", "")]
        {
            std::fs::write(&file, written).expect("ours");
            assert_eq!(read_file(&file).as_deref(), Ok(read), "{written:?}");
        }
        std::fs::write(&file, "x".repeat(64 << 10)).expect("ours");
        assert!(read_file(&file).is_ok());
        std::fs::write(&file, "x".repeat((64 << 10) + 1)).expect("ours");
        assert!(read_file(&file).is_err_and(|why| why.contains("over 64 KiB") && !why.contains("xx")));
    }

    #[test]
    fn value_stands_in_no_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, b"hunter2\xff").expect("ours");
        let why = read_file(&file).expect_err("no text");
        assert!(!why.contains("hunter2"), "{why}");
        let taken = [("A", "hunter2"), ("C", "")].map(|(name, value)| (name.to_owned(), OsString::from(value)));
        let taken = Variables::from(taken);
        let read = |name: &str| read(&SecretSource::Variable(name.into()), Some(&taken));
        assert_eq!(read("A"), Ok("hunter2".to_owned()));
        assert!(matches!(read("B"), Err(NoValue::Missing(_))));
        assert_eq!(read("C"), Err(NoValue::Empty));
    }

    /// The problems of a play with a sink that posts, whose url is this secret.
    fn with_url(url: &str, more: &str) -> Result<(), String> {
        let text = format!(
            "[secrets]\nHOOK = {{ env = \"A\" }}\nTOKEN = {{ env = \"B\" }}\n[[sink]]\naddress = \"/out/hook\"\nkind = \"http\"\n\
             url = {{ secret = \"HOOK\" }}\n{more}\n[[sink]]\naddress = \"/out/token\"\nkind = \"http\"\nurl = \"https://a\"\n\
             auth = {{ bearer = \"TOKEN\" }}\n"
        );
        let source = Source::new(Path::new("playhouse.toml"), text);
        let folder = |_: &Path| PluginFolder { names: Ok(Vec::default()) };
        let play = understand(source, Path::new(""), folder).expect("sound");
        let taken = [("A", url), ("B", "token")].map(|(name, value)| (name.to_owned(), OsString::from(value)));
        let secrets = Secrets::read(&play, Some(&Variables::from(taken))).expect("both are there");
        // The first line has no indentation, so that the snapshot keeps that of the other lines.
        secrets.check_urls(&play).map_err(|problems| format!("stderr:\n{}", problems.render(false)))
    }

    #[test]
    fn bad_secret_url_is_refused_without_its_value() {
        assert_eq!(with_url("https://hooks.example/x?key=hunter2", ""), Ok(()));
        let expected = expect![[r#"
            stderr:
              × the secret `HOOK` is no url for `/out/hook`: it has no `://`
               ╭─[playhouse.toml:2:8]
             1 │ [secrets]
             2 │ HOOK = { env = "A" }
               ·        ──────┬──────
               ·              ╰── `/out/hook` has it as `url`
             3 │ TOKEN = { env = "B" }
               ╰────
              help: a url begins with `http://` or `https://`; `@`, `:`, `/`, `?`, `#` and `%` of a user and a password are percent-encoded

        "#]];
        expected.assert_eq(&with_url("hunter2.example/x", "").expect_err("no scheme"));
        for (url, why) in [
            ("https://hunter2.example/ x", "it has a space or a line break"),
            ("redis://hunter2.example/", "it begins with another scheme"),
            ("https://hunter2@a.example/", "its host or port cannot be read, or it has a user"),
        ] {
            let shown = with_url(url, "").expect_err("bad");
            assert!(shown.contains(why) && !shown.contains("hunter2"), "{shown}");
        }
        let shown = with_url("http://hunter2.example/", "auth = { bearer = \"TOKEN\" }").expect_err("not encrypted");
        assert!(shown.contains("without encryption") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn empty_secret_is_told_apart_from_a_missing_one() {
        let at = |source| SecretSettings::new("KEY".into(), source, 0..0);
        let empty = no_value(&at(SecretSource::File("key.txt".into())), &NoValue::Empty);
        assert_eq!(empty.message, "the secret `KEY` is empty: the file `key.txt` has no text");
        assert!(!empty.help.expect("a way out").contains("able to read"));
    }
}
