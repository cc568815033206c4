//! The values of a play's secrets, read once before the play starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use playhouse_gateway::SecretUrl;
use playhouse_gateway::post::{PostError, check_token};
use playhouse_kernel::Secret;
use playhouse_sandbox::{SealError, SealedSecret};

use crate::manifest::secrets::{SecretId, SecretSettings, SecretSource, UrlSettings};
use crate::manifest::{PlaySettings, Problem, Problems, SinkTarget, open_regular};

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
                Err(why) => problems.push(missing(secret, &why)),
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
        let bearers = play.sinks.iter().filter_map(|sink| match &sink.to {
            SinkTarget::Http(target) => target.bearer,
            _ => None,
        });
        let bad = bearers.filter_map(|id| Some((id, check_token(self.get(id)).err()?)));
        let problems: Vec<_> =
            bad.filter_map(|(id, why)| Some(no_token(play.secrets.iter().nth(id.0)?, &why))).collect();
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

fn read(source: &SecretSource, taken: Option<&Variables>) -> Result<String, String> {
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
    if value.is_empty() { Err("it is empty".to_owned()) } else { Ok(value) }
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
    use super::*;

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
        let taken = Variables::from([("A".to_owned(), OsString::from("hunter2"))]);
        assert_eq!(read(&SecretSource::Variable("A".into()), Some(&taken)).as_deref(), Ok("hunter2"));
        assert!(read(&SecretSource::Variable("B".into()), Some(&taken)).is_err());
    }
}
