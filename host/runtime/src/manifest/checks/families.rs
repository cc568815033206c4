//! `[[family]]`: the addresses of its members, its bounds, and the senders that make members.

use std::ops::Range;
use std::time::Duration;

use playhouse_kernel::{Address, CreatorSpec, FamilySpec, NamePattern};
use playhouse_sandbox::SandboxConfig;
use toml::Spanned;

use super::addresses::{Addresses, address_fault, address_meant, with_ancestors};
use super::findings::Checks;
use super::mailbox::is_durable;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Actor, FamilyKeys, Idle, MailboxKind, Manifest};

/// The defaults of `live`, `members` and `create_rate`.
const LIVE: u32 = 100;
const MEMBERS: u32 = 1_000_000;
const CREATE_RATE: u32 = 100;

/// The rules of a family, whose keys are checked elsewhere.
pub(super) fn family_spec(keys: &FamilyKeys) -> FamilySpec {
    let per_second = keys.create_rate.as_ref().map_or(CREATE_RATE, |rate| rate.get_ref().0);
    let creator = |written: &Spanned<String>| Some(CreatorSpec { creator: creator(written).ok()?, per_second });
    FamilySpec {
        names: pattern(keys).unwrap_or_else(NamePattern::any),
        live: keys.live.as_ref().map_or(LIVE, |live| live.get_ref().0) as usize,
        members: keys.members.map_or(MEMBERS, |members| members.0) as usize,
        create: keys.create.iter().filter_map(creator).collect(),
        expire: keys.expire.as_ref().map(|expire| expire.get_ref().0),
    }
}

fn pattern(keys: &FamilyKeys) -> Option<NamePattern> {
    NamePattern::parse(keys.names.as_ref()?.get_ref()).ok()
}

/// The address of a creator: that above the members, if a family is one.
fn creator(written: &Spanned<String>) -> Result<Address, playhouse_kernel::AddressError> {
    let text = written.get_ref();
    Address::parse(text.strip_suffix("/*").filter(|above| !above.is_empty()).unwrap_or(text))
}

impl Checks {
    /// The address above the members of a family.
    pub(super) fn family_address(&mut self, written: &Spanned<String>) -> Option<Address> {
        let (text, place) = (written.get_ref(), written.span());
        let help =
            "the address of a family is one directly under `/`, and `/*` in the place of a member's name: \"/user/*\"";
        let Some(above) = text.strip_suffix("/*").filter(|above| !above.is_empty()) else {
            let remark = match Address::parse(text) {
                Ok(address) if !address.is_root() => format!("did you mean \"{address}/*\"?"),
                _ => "here".into(),
            };
            let what = format!("`{}` is no address of a family", text.escape_debug());
            self.add(Problem::at(place, what, remark).help(help));
            return None;
        };
        match Address::parse(above) {
            Ok(above) if above.parent().is_some_and(|parent| parent.is_root()) => Some(above),
            Ok(above) => {
                let what = format!("the family `{text}` is not directly under `/`");
                let remark = format!("did you mean \"/{}/*\"?", above.name());
                self.add(Problem::at(place, what, remark).help(help));
                None
            }
            Err(error) => {
                let problem = Problem::at(place, address_fault(&error), address_meant(above));
                self.add(problem.help(help));
                None
            }
        }
    }

    /// The rule for the names of members.
    pub(super) fn member_names(&mut self, keys: &FamilyKeys) -> NamePattern {
        let Some(written) = &keys.names else { return NamePattern::any() };
        NamePattern::parse(written.get_ref()).unwrap_or_else(|error| {
            let help = "`names` is a regular expression for whole names, as in names = \"[a-z0-9-]{1,32}\"";
            let what = format!("the `names` of a family are {error}");
            self.add(Problem::at(written.span(), what, "here").help(help));
            NamePattern::any()
        })
    }

    /// The keys of families.
    pub(super) fn families(&mut self, manifest: &Manifest) {
        for actor in manifest.actor.iter().map(Spanned::get_ref) {
            if let Some(keys) = &actor.family {
                self.member_keys(actor);
                self.family_bounds(actor, keys, manifest);
                self.children_of_members(actor, manifest);
            }
        }
    }

    /// The keys of an actor that its members cannot have.
    fn member_keys(&mut self, actor: &Actor) {
        let written = actor.address.get_ref();
        if let Some(idle) = actor.idle.as_ref().filter(|idle| *idle.get_ref() == Idle::Stay) {
            let what = format!("members of `{written}` cannot stay");
            let problem = Problem::at(idle.span(), what, "here");
            self.add(problem.help("an idle member is passivated: set idle = \"stop\", or leave `idle` out"));
        }
        let no_plugin = actor
            .mailbox
            .kind
            .as_ref()
            .filter(|kind| matches!(kind.get_ref(), MailboxKind::Plugin | MailboxKind::Redis));
        if let Some(kind) = no_plugin {
            let what = format!("members of `{written}` have a mailbox in memory, or a durable one");
            let help = "members come and go: set \"memory\" or \"durable\", or give such a mailbox to an [[actor]]";
            self.add(Problem::at(kind.span(), what, "here").help(help));
        }
        if actor.limits.subtree.is_some() {
            let what = format!("`{written}` has `limits.subtree`");
            let help =
                "`live` and `members` bound a family, and `limits` bounds each member: leave `limits.subtree` out";
            self.add(Problem::at(actor.address.span(), what, "this family").help(help));
        }
    }

    fn family_bounds(&mut self, actor: &Actor, keys: &FamilyKeys, manifest: &Manifest) {
        let written = actor.address.get_ref();
        let max_instances = manifest.play.max_instances.as_ref();
        let most = max_instances.map_or(SandboxConfig::default().max_instances, |most| most.get_ref().0);
        // Members that share an instance take one of the play together.
        let shares = actor.share.as_ref().is_some_and(|share| *share.get_ref());
        if let Some(live) = keys.live.as_ref().filter(|live| !shares && live.get_ref().0 > most) {
            let what =
                format!("`live` of `{written}` ({}) is more than `play.max_instances` ({most})", live.get_ref().0);
            let problem = Problem::at(live.span(), what, format!("it must be at most {most}"));
            let problem = problem.help("lower it, or raise `max_instances` under [play]");
            self.add(match max_instances {
                Some(most) => problem.and_at(most.span(), "this bounds all instances"),
                None => problem,
            });
        }
        self.above_zero(keys.expire.as_ref(), "expire", Duration::ZERO);
        if let Some(expire) = keys.expire.as_ref().filter(|_| !is_durable(&actor.mailbox)) {
            let what = format!("`{written}` has `expire`, and its members keep nothing");
            let problem = Problem::at(expire.span(), what, "nothing happens after it");
            self.add(
                problem.help("add mailbox = { kind = \"durable\" } and a table [play.store], or leave `expire` out"),
            );
        }
        if let Some(rate) = keys.create_rate.as_ref().filter(|_| keys.create.is_empty()) {
            let what = format!("`{written}` has `create_rate`, and nobody makes its members");
            let problem = Problem::at(rate.span(), what, "nothing has this rate");
            self.add(
                problem.help("name the senders that do, as in create = [\"/gate/web\"], or leave `create_rate` out"),
            );
        }
    }

    /// Children of a member end with its incarnation, so that a store could not bring them back.
    fn children_of_members(&mut self, actor: &Actor, manifest: &Manifest) {
        for spawned in &actor.spawns {
            let plugins = manifest.plugin.iter().map(Spanned::get_ref);
            let durable =
                plugins.filter(|plugin| plugin.name.get_ref() == spawned.get_ref() && is_durable(&plugin.mailbox));
            for plugin in durable {
                let what = format!(
                    "members of `{}` spawn `{}`, whose mailbox is durable",
                    actor.address.get_ref(),
                    spawned.get_ref()
                );
                let problem = Problem::at(spawned.span(), what, "here");
                let kind = plugin.mailbox.kind.as_ref().map(Spanned::span).unwrap_or_default();
                let help = "children of a member end with its incarnation: let a family have this plugin, and send to its members";
                self.add(problem.and_at(kind, "this is durable").help(help));
            }
        }
    }

    /// The senders that make members: each is there, or may be.
    pub(super) fn creators(&mut self, manifest: &Manifest, addresses: &Addresses) {
        for actor in manifest.actor.iter().map(Spanned::get_ref) {
            let Some(keys) = &actor.family else { continue };
            let mut seen: Vec<(Address, Range<usize>)> = Vec::new();
            for written in &keys.create {
                let place = written.span();
                let from = match creator(written) {
                    Ok(from) => from,
                    Err(error) => {
                        let problem =
                            Problem::at(place.clone(), address_fault(&error), address_meant(written.get_ref()));
                        self.add(problem.help("`create` is a list of addresses, as in [\"/shop\", \"/gate/web\"]"));
                        continue;
                    }
                };
                if let Some((_, first)) = seen.iter().find(|(other, _)| *other == from) {
                    let problem = Problem::at(place.clone(), format!("`{from}` makes members twice"), "again here");
                    self.add(problem.and_at(first.clone(), "first here").help("leave one of them out"));
                } else if !self.is_creator(&from, addresses) {
                    let gates = self.gates.keys().cloned().collect::<Vec<_>>();
                    let near = self.near_address(from.as_str(), addresses.all().chain(&gates));
                    let remark =
                        near.map_or_else(|| "no such actor".into(), |near| format!("did you mean \"{near}\"?"));
                    let problem = Problem::at(place.clone(), format!("no actor has the address `{from}`"), remark);
                    let help = "`create` names actors of this manifest, gateways as in \"/gate/web\", or \"/\" for operators and the input of `playhouse run`";
                    self.add(problem.help(help));
                }
                seen.push((from, place));
            }
        }
    }

    fn is_creator(&self, from: &Address, addresses: &Addresses) -> bool {
        let may_be_spawned = || with_ancestors(from).skip(1).any(|above| addresses.spawning.contains(&above));
        from.is_root()
            || addresses.has(from)
            || addresses.families.contains_key(from)
            || self.gates.contains_key(from)
            || may_be_spawned()
    }

    /// The problem of a receiver that is no member of a family, though it is where its members are.
    pub(super) fn no_receiver(&mut self, written: &Spanned<String>, to: &Address, addresses: &Addresses) {
        let is_above = addresses.families.contains_key(to);
        let family = if is_above { Some(to.clone()) } else { to.parent() }.unwrap_or_else(Address::root);
        let what = if is_above {
            format!("`{to}` is no actor: it is the address above the members of the family `{family}/*`")
        } else {
            format!("the family `{family}/*` has no member `{}`: its `names` do not allow it", to.name())
        };
        let help = format!(
            "name a member, as in \"{family}/NAME\"; `sends_to` takes \"{family}/*\", and a route \"{family}/:PARAMETER\""
        );
        self.add(Problem::at(written.span(), what, "here").help(help));
    }
}
