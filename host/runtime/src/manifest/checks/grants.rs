//! `[actor.grants]`, from the text to the values that the sandbox takes. Folders are opened here, once: a folder that takes the
//! place of one later is not granted.

use std::collections::HashMap;
use std::ops::Range;

use playhouse_sandbox::{Blocking, Descriptors, Folder, Grants, Host, Network, SystemLimit, Variable};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{self, Mode};

impl Checks {
    pub(super) fn grants(&mut self, written: &schema::Grants, limits: &schema::Limits) -> Grants {
        let default = Grants::default();
        let env = self.env(&written.env);
        let hosts: Vec<_> = written.hosts.iter().filter_map(|host| self.host(host)).collect();
        Grants {
            secrets: self.secret_grants(&written.secrets, &hosts, &env),
            env,
            dirs: self.dirs(&written.dirs),
            hosts,
            networks: self.networks(written),
            state: false,
            requests: limits.requests.map_or(default.requests, |n| n.0 as usize),
            blocking: limits.blocking.map_or(default.blocking, |n| Blocking::new(n.0 as usize)),
            descriptors: limits.descriptors.map_or(default.descriptors, |n| Descriptors::new(n.0.into())),
        }
    }

    fn env(&mut self, written: &[Spanned<String>]) -> Vec<Variable> {
        let mut first: HashMap<&str, Range<usize>> = HashMap::new();
        let mut variables = Vec::new();
        for variable in written {
            let (text, place) = (variable.get_ref().as_str(), variable.span());
            let (name, given) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
            if !is_name || text.contains('\0') {
                let problem = Problem::at(place, format!("`{}` is no variable", text.escape_debug()), "here");
                self.add(problem.help("`env` is a list of names and of values, as in [\"LANG\", \"MODE=test\"]"));
                continue;
            }
            if let Some(first) = first.get(name) {
                let problem = Problem::at(place, format!("`{}` is granted twice", name.escape_debug()), "again here");
                self.add(problem.and_at(first.clone(), "first here").help("leave one of them out"));
                continue;
            }
            first.insert(name, place.clone());
            if given.is_none() {
                self.secrets.grant_variable(name, place.clone());
            }
            let value = match (given, std::env::var(name)) {
                (Some(value), _) => value.to_owned(),
                (None, Ok(value)) => value,
                (None, Err(std::env::VarError::NotPresent)) => continue,
                (None, Err(std::env::VarError::NotUnicode(_))) => {
                    let what = format!("the value of `{}` is not UTF-8, as WebAssembly needs it", name.escape_debug());
                    let help = format!("set another one for the host, or give one here: \"{}=…\"", name.escape_debug());
                    self.add(Problem::at(place, what, "here").help(help));
                    continue;
                }
            };
            variables.push(Variable { name: name.to_owned(), value, from_host: given.is_none() });
        }
        variables
    }

    fn dirs(&mut self, written: &[schema::Dir]) -> Vec<Folder> {
        let mut first: HashMap<&str, Range<usize>> = HashMap::new();
        let mut folders = Vec::new();
        for dir in written {
            let guest = dir.guest.get_ref().as_str();
            let seen = self.guest_path(&dir.guest);
            if let Some(first) = first.get(guest) {
                let what = format!("two folders are `{}` to the actor", guest.escape_debug());
                let problem = Problem::at(dir.guest.span(), what, "again here").and_at(first.clone(), "first here");
                self.add(problem.help("give one of them another name"));
            }
            first.insert(guest, dir.guest.span());
            if let Some(folder) = self.folder(dir)
                && seen
            {
                folders.push(folder);
            }
        }
        folders
    }

    /// Whether the text is a path that a guest can name: absolute, without detours.
    fn guest_path(&mut self, written: &Spanned<String>) -> bool {
        let path = written.get_ref();
        let segment = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\']);
        let good = path == "/" || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
        if !good {
            let remark = match path.trim_matches('/') {
                bare if !bare.is_empty() && bare.split('/').all(segment) => format!("did you mean \"/{bare}\"?"),
                _ => "here".into(),
            };
            let problem =
                Problem::at(written.span(), format!("`{}` is no path for a guest", path.escape_debug()), remark);
            self.add(
                problem.help("it begins with `/`, and has no `.`, no `..` and no empty name in it, as in \"/data\""),
            );
        }
        good
    }

    fn folder(&mut self, dir: &schema::Dir) -> Option<Folder> {
        let (place, writable) = (dir.host.span(), dir.mode == Mode::Write);
        let path = self.beside.join(dir.host.get_ref());
        if let (Some(growth), false) = (&dir.growth, writable) {
            let problem = Problem::at(growth.span(), "`growth` of a folder that the actor may not write to", "here");
            self.add(problem.help("leave it out, or say `mode = \"write\"`"));
        }
        let folder = match Folder::open(&path, dir.guest.get_ref(), writable) {
            Ok(folder) => match &dir.growth {
                Some(growth) => folder.growing_by(growth.get_ref().0),
                None => folder,
            },
            Err(error) => {
                let what = format!("cannot open the folder `{}`: {error}", path.display());
                let there =
                    || "a folder is relative to the manifest, and must be there before the host starts".to_owned();
                let help = SystemLimit::behind(&error, false).map_or_else(there, SystemLimit::advice);
                self.add(Problem::at(place, what, "here").help(help));
                return None;
            }
        };
        self.secrets.grant_folder(folder.host().to_owned(), place.clone());
        if writable {
            for what in self.kept_apart.within(folder.host()) {
                let message = format!("an actor that may write to `{}` can change {what}", path.display());
                let problem = Problem::at(place.clone(), message, "here");
                self.add(problem.help("give it a folder of its own, or `mode = \"read\"`"));
            }
        }
        Some(folder)
    }

    pub(super) fn host(&mut self, written: &Spanned<String>) -> Option<Host> {
        match Host::parse(written.get_ref()) {
            Ok(host) => Some(host),
            Err(error) => {
                let meant = format!("https://{}", written.get_ref());
                let remark = match Host::parse(&meant) {
                    Ok(meant) => format!("did you mean \"{meant}\"?"),
                    Err(_) => "here".into(),
                };
                self.add(Problem::at(written.span(), error.to_string(), remark));
                None
            }
        }
    }

    fn networks(&mut self, written: &schema::Grants) -> Vec<Network> {
        let mut networks = Vec::new();
        for network in &written.networks {
            match Network::parse(network.get_ref()) {
                Ok(network) => networks.push(network),
                Err(error) => {
                    let remark = match Network::meant(network.get_ref()) {
                        Some(meant) => format!("did you mean \"{meant}\"?"),
                        None => "here".into(),
                    };
                    let problem = Problem::at(network.span(), error.to_string(), remark);
                    self.add(problem.help("a network is an address, or one with a prefix, as in \"10.1.0.0/16\""));
                }
            }
        }
        if let (Some(network), true) = (written.networks.first(), written.hosts.is_empty()) {
            let problem = Problem::at(network.span(), "`networks` without `hosts` opens nothing", "here");
            self.add(
                problem
                    .help("add `hosts` with the hosts to allow: `networks` has only the networks that they may be in"),
            );
        }
        networks
    }
}
