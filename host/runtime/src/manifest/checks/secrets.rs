//! `[secrets]`, the uses of its names, and urls that may be secret. Values are not read here.

use std::collections::BTreeMap;

use playhouse_sandbox::{Host, SecretGrant, Variable};
use toml::Spanned;

use super::findings::Checks;
use super::kept_apart::Way;
use super::secret_uses::SecretUses;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{self, SECRET_FORM, UrlText};
use crate::manifest::secrets::{DeclaredSecrets, SecretId, SecretSettings, SecretSource, UrlSettings};

impl Checks {
    /// Reads `[secrets]`; before all checks that name a secret.
    pub(super) fn declare_secrets(&mut self, written: &BTreeMap<Spanned<String>, Spanned<schema::SecretSource>>) {
        for (name, source) in written {
            if !is_variable_name(name.get_ref()) {
                let what = format!("`{}` is no name of a secret", name.get_ref().escape_debug());
                let help = "a name has letters, digits and `_`, a digit not first, as in API_TOKENS";
                self.add(Problem::at(name.span(), what, "here").help(help));
            }
            let place = source.span();
            let schema::SecretSource { env, file, credential } = source.get_ref();
            let source = match (env, file, credential) {
                (Some(variable), None, None) => self.variable(variable).map(SecretSource::Variable),
                (None, Some(file), None) => Some(SecretSource::File(self.beside.join(file.get_ref()))),
                (None, None, Some(credential)) => self.credential(credential).map(SecretSource::Credential),
                (None, None, None) => {
                    self.add(Problem::at(place.clone(), "a secret without a source", "here").help(SECRET_FORM));
                    None
                }
                _ => {
                    let what = "a secret with more than one source";
                    self.add(Problem::at(place.clone(), what, "here").help(SECRET_FORM));
                    None
                }
            };
            // A faulty one is declared as well: whether something uses its name is no fault of its own.
            let is_faulty = source.is_none();
            let source = source.unwrap_or(SecretSource::Credential(String::new()));
            let id = self.secrets.add(SecretSettings::new(name.get_ref().clone(), source, place));
            self.secrets.used[id.0] = is_faulty;
        }
    }

    /// The secret of this name, which something uses.
    pub(super) fn secret(&mut self, name: &Spanned<String>) -> Option<SecretId> {
        let text = name.get_ref();
        if let Some(id) = self.secrets.declared.named(text) {
            self.secrets.used[id.0] = true;
            return Some(id);
        }
        let declared = self.secrets.declared.clone();
        let near = self.near(text, declared.iter().filter(|one| one.is_named).map(|one| one.name.as_str()));
        let remark = near.map_or("here".to_owned(), |near| format!("did you mean \"{near}\"?"));
        let text = text.escape_debug();
        let problem = Problem::at(name.span(), format!("no secret has the name `{text}`"), remark);
        self.add(problem.help("add it to [secrets], as in API_TOKENS = { env = \"API_TOKENS\" }"));
        None
    }

    /// A url, which may be secret.
    pub(super) fn url(&mut self, written: &UrlText) -> Option<UrlSettings> {
        match written {
            UrlText::Plain(url) => Some(UrlSettings::Plain(url.clone())),
            UrlText::Secret(name) => self.secret(name).map(UrlSettings::Secret),
            UrlText::Variable(variable) => {
                let (name, place) = (self.variable(variable)?, variable.span());
                let source = SecretSource::Variable(name.clone());
                let id = self.secrets.add(SecretSettings { name, source, place, is_named: false });
                self.secrets.used[id.0] = true;
                Some(UrlSettings::Secret(id))
            }
        }
    }

    /// `grants.secrets` of one actor. `hosts` and `env` are its other grants.
    pub(super) fn secret_grants(
        &mut self,
        written: &[schema::SecretGrant],
        hosts: &[Host],
        env: &[Variable],
    ) -> Vec<SecretGrant> {
        let mut grants = Vec::new();
        for grant in written {
            let name = grant.name.get_ref();
            let known = self.secret(&grant.name);
            if env.iter().any(|variable| variable.name == *name) {
                let what = format!("the variable `{}` has two values", name.escape_debug());
                let problem = Problem::at(grant.name.span(), what, "the actor's `env` has this variable, too");
                self.add(
                    problem.help("the placeholder of a secret is a variable of its name: leave the other one out"),
                );
            }
            let header = SecretGrant::parse_header(grant.header.get_ref());
            if let Err(error) = &header {
                let problem = Problem::at(grant.header.span(), error.to_string(), "here");
                self.add(problem.help("a secret is sent in a header of requests, as in header = \"authorization\""));
            }
            if grant.hosts.get_ref().is_empty() {
                let problem = Problem::at(grant.hosts.span(), "a secret without `hosts` is sent nowhere", "here");
                self.add(problem.help("name the hosts that get it, as in hosts = [\"https://api.example.com\"]"));
            }
            let of_secret: Vec<_> =
                grant.hosts.get_ref().iter().filter_map(|host| self.host_of_secret(host, hosts)).collect();
            if let (Some(_), Ok(header)) = (known, header) {
                grants.push(SecretGrant { name: name.clone(), hosts: of_secret, header, sealed: None });
            }
        }
        grants
    }

    fn host_of_secret(&mut self, written: &Spanned<String>, granted: &[Host]) -> Option<Host> {
        let (host, place) = (self.host(written)?, written.span());
        if !host.is_https() {
            let problem = Problem::at(place, format!("`{host}` is not encrypted"), "here");
            self.add(problem.help("a secret is sent with https only: write https:// in place of http://"));
        } else if host.is_any() {
            let problem = Problem::at(place, format!("`{host}` is every host"), "here");
            self.add(problem.help("name the hosts that get the secret, as in \"https://api.example.com\""));
        } else if !granted.iter().any(|grant| grant.covers(&host)) {
            let problem = Problem::at(place, format!("the actor may not send requests to `{host}`"), "here");
            self.add(problem.help(format!("add \"{host}\" to the actor's `hosts`, too")));
        } else {
            return Some(host);
        }
        None
    }

    /// The declared secrets, after all else is checked: unused ones, and those that a grant would give away, are problems.
    pub(super) fn finish_secrets(&mut self) -> DeclaredSecrets {
        let SecretUses { declared, used, granted_variables, granted_folders } = std::mem::take(&mut self.secrets);
        for (secret, _) in declared.iter().zip(&used).filter(|(_, used)| !**used) {
            let what = format!("nothing uses the secret `{}`", secret.name.escape_debug());
            let help = "leave it out, or name it, as in grants.secrets = [{ name = \"…\", … }]";
            self.add(Problem::at(secret.place.clone(), what, "here").help(help));
        }
        for (variable, place) in granted_variables {
            if let Some(secret) = declared.iter().find(|secret| secret.source.variable() == Some(&variable)) {
                let what = format!("`{variable}` is secret, and an actor would see it");
                let problem = Problem::at(place, what, "granted here").and_at(secret.place.clone(), "secret here");
                self.add(problem.help(
                    "leave it out of `env`; `grants.secrets` sends a secret to a host without showing it to the actor",
                ));
            }
        }
        for secret in declared.iter() {
            let SecretSource::File(path) = &secret.source else { continue };
            let Some(way) = Way::of(path) else { continue };
            if let Some((_, place)) = granted_folders.iter().find(|(folder, _)| way.leads_into(folder)) {
                let what = format!("an actor with this folder can read the secret `{}`", secret.name);
                let problem = Problem::at(place.clone(), what, "granted here");
                self.add(problem.and_at(secret.place.clone(), "secret here").help("keep the file elsewhere"));
            }
        }
        declared
    }

    fn variable(&mut self, written: &Spanned<String>) -> Option<String> {
        let name = written.get_ref();
        if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
            let what = format!("`{}` is no variable", name.escape_debug());
            self.add(
                Problem::at(written.span(), what, "here").help("name the variable alone, as in { env = \"TOKEN\" }"),
            );
            return None;
        }
        Some(name.clone())
    }

    fn credential(&mut self, written: &Spanned<String>) -> Option<String> {
        let name = written.get_ref();
        if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
            let what = format!("`{}` is no name of a credential", name.escape_debug());
            let help = "it is the name in LoadCredential= of the unit, as in { credential = \"tokens\" }";
            self.add(Problem::at(written.span(), what, "here").help(help));
            return None;
        }
        Some(name.clone())
    }
}

/// Whether programs can have a variable of this name.
fn is_variable_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| good(c) && !c.is_ascii_digit()) && name.chars().all(good)
}
