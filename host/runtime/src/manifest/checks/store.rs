//! `[play.store]`, and the mailboxes that need it.

use std::collections::HashSet;

use playhouse_kernel::KeySpec;
use playhouse_store::{StoreSettings, Survives};
use toml::Spanned;

use super::findings::Checks;
use super::mailbox::is_durable;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{self, Limits, Mailbox, Manifest, Overflow};
use crate::manifest::units::ByteSize;

/// The least size of a store: that of its tables, and some messages.
const LEAST_SIZE: ByteSize = ByteSize(1 << 20);
/// The least bytes of all keys: those of some large answers.
const LEAST_KEYS: ByteSize = ByteSize(4 << 20);
/// The largest message of a durable mailbox.
const MOST_MESSAGE: ByteSize = ByteSize(32 << 20);

impl Checks {
    /// The bounds of the keys of requests.
    pub(super) fn keys(&mut self, manifest: &Manifest) -> KeySpec {
        let (mut keys, written) = (KeySpec::default(), manifest.play.store.as_ref());
        if let Some(time) = written.and_then(|store| store.keys_for.as_ref()) {
            keys.keep = time.get_ref().0;
            if keys.keep.is_zero() {
                let problem = Problem::at(time.span(), "`store.keys_for` keeps no key", "here");
                self.add(problem.help("set a time in which a sender repeats its requests, such as \"1h\""));
            }
        }
        if let Some(bytes) = written.and_then(|store| store.keys_bytes.as_ref()) {
            keys.bytes = bytes.get_ref().0;
            if *bytes.get_ref() < LEAST_KEYS {
                let problem = Problem::at(bytes.span(), "`store.keys_bytes` is too small for answers", "here");
                self.add(problem.help("the least is \"4MiB\""));
            }
        }
        keys
    }

    /// The play's store.
    pub(super) fn store(&mut self, manifest: &Manifest) -> Option<StoreSettings> {
        for actor in manifest.actor.iter().map(Spanned::get_ref).filter(|actor| is_durable(&actor.mailbox)) {
            self.durable_mailbox(actor.address.get_ref(), &actor.mailbox, &actor.limits, manifest.play.store.is_some());
        }
        for plugin in manifest.plugin.iter().map(Spanned::get_ref).filter(|plugin| is_durable(&plugin.mailbox)) {
            self.durable_mailbox(plugin.name.get_ref(), &plugin.mailbox, &plugin.limits, manifest.play.store.is_some());
        }
        self.parents_last(manifest);
        let actors = manifest.actor.iter().map(|actor| &actor.get_ref().mailbox);
        let in_memory = actors.chain(manifest.plugin.iter().map(|plugin| &plugin.get_ref().mailbox));
        for memory in in_memory.filter(|mailbox| !is_durable(mailbox)).filter_map(|mailbox| mailbox.memory.as_ref()) {
            let problem = Problem::at(memory.span(), "`mailbox.memory` is for a durable mailbox", "here");
            self.add(problem.help("add kind = \"durable\" to the mailbox, or bound it by `bytes`"));
        }
        let written = manifest.play.store.as_ref()?;
        if let Some(size) = written.size.as_ref().filter(|size| *size.get_ref() < LEAST_SIZE) {
            let problem = Problem::at(size.span(), "`store.size` is too small for a store", "here");
            self.add(problem.help("the least is \"1MiB\""));
        }
        if let Some(path) = written.path.as_ref().filter(|path| path.get_ref().is_empty()) {
            let problem = Problem::at(path.span(), "`store.path` names no folder", "here");
            self.add(problem.help("leave it out for \".playhouse/store\" beside the manifest"));
        }
        let path = self.beside.join(written.folder());
        Some(StoreSettings {
            path,
            survives: match written.survives {
                schema::Survives::PowerLoss => Survives::PowerLoss,
                schema::Survives::Crash => Survives::Crash,
            },
            size_bytes: written.size.as_ref().map(|size| size.get_ref().0),
            small_pages: manifest
                .actor
                .iter()
                .map(Spanned::get_ref)
                .any(|actor| actor.family.is_some() && is_durable(&actor.mailbox)),
        })
    }

    /// Refuses durable children of actors that are not durable: each spawn would fail.
    fn parents_last(&mut self, manifest: &Manifest) {
        let plugins = || manifest.plugin.iter().map(Spanned::get_ref);
        let durable: HashSet<&str> = plugins()
            .filter(|plugin| is_durable(&plugin.mailbox))
            .map(|plugin| plugin.name.get_ref().as_str())
            .collect();
        let actors = manifest.actor.iter().map(Spanned::get_ref);
        let parents = actors.map(|actor| (&actor.address, &actor.mailbox, &actor.spawns));
        let parents = parents.chain(plugins().map(|plugin| (&plugin.name, &plugin.mailbox, &plugin.spawns)));
        for (whose, _, spawns) in parents.filter(|(_, mailbox, _)| !is_durable(mailbox)) {
            for spawned in spawns.iter().filter(|spawned| durable.contains(spawned.get_ref().as_str())) {
                let (whose, name) = (whose.get_ref(), spawned.get_ref());
                let what = format!("`{whose}` spawns `{name}`, which has a durable mailbox, and has none itself");
                let help =
                    format!("children belong to their parent: give `{whose}` mailbox = {{ kind = \"durable\" }}");
                self.add(Problem::at(spawned.span(), what, "each such spawn would fail").help(help));
            }
        }
    }

    fn durable_mailbox(&mut self, whose: &str, written: &Mailbox, limits: &Limits, has_store: bool) {
        let kind = written.kind.as_ref().map(Spanned::span).unwrap_or_default();
        if !has_store {
            let what = format!("`{whose}` has a durable mailbox, and the play has no store");
            let help = "add a table [play.store], or leave `kind` out";
            self.add(Problem::at(kind, what, "this needs a store").help(help));
        }
        if let Some(oldest) = written.overflow.as_ref().filter(|rule| matches!(rule.get_ref(), Overflow::DropOldest)) {
            let problem = Problem::at(oldest.span(), "`drop-oldest` is not possible with a durable mailbox", "here");
            self.add(problem.help("set \"block\", \"reject\" or \"drop-newest\""));
        }
        if let Some(message) = limits.message.as_ref().filter(|size| *size.get_ref() > MOST_MESSAGE) {
            let what = "`limits.message` is too large for a durable mailbox";
            self.add(
                Problem::at(message.span(), what, "here").help("the most is \"32MiB\": put larger data into files"),
            );
        }
    }
}
