//! `[[family]]`: actors that exist as soon as a message is sent to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::grants::Grants;
use super::limits::Limits;
use super::mailbox::Mailbox;
use super::rules::Idle;
use super::state::ActorState;
use super::supervision::{Restart, Supervision};
use super::watching::ActorLog;
use crate::manifest::units::{AtLeastOne, Text, Time};

/// `[[family]]`: actors of one plugin, one at each address of a pattern. A member exists as soon as a message is sent to it. `mailbox`,
/// `state`, `restart`, `supervision`, `limits`, `grants` and `log` have the keys of `[actor.mailbox]` and so on, and hold for each member
/// alone; what `grants` and `log` open is shared by all of them. See `docs/families.md`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The addresses of the members: an address directly under `/`, and `/*` in the place of a member's name. No other actor has that
    /// address, or one below it. Families and actors start in the order of the file. Example: `address = "/user/*"`. Required.
    pub address: Spanned<String>,
    /// The code of the members: a file of the plugins folder, without `.wasm`. Example: `plugin = "user"`. Required.
    pub plugin: Spanned<String>,
    /// The names that members may have: a regular expression, which the whole name must fit. See `docs/families.md`. Example:
    /// `names = "u[0-9]{1,12}"`. Default: `".*"`.
    pub names: Option<Spanned<String>>,
    /// Maximum number of members with a live instance. Further starts wait; of the idle members, the one that has been idle for the
    /// longest time is passivated at once. A member that waits for the reply to an ask does not count. At most
    /// `play.max_instances`, unless the members `share` an instance. Example: `live = 500`. Default: 100.
    pub live: Option<Spanned<AtLeastOne>>,
    /// Maximum number of members that exist: those that have something in memory, or in the play's store. A message to one more is refused
    /// as `too-many-members`. Example: `members = 50000`. Default: 1000000.
    pub members: Option<AtLeastOne>,
    /// The senders whose messages bring new members into being: actors, each with all actors below it, and gateways such as
    /// `"/gate/web"`. `"/"` means operators and the input of `playhouse run`. Messages of others reach members that exist. Example: `create
    /// = ["/shop", "/gate/web"]`. Default: `[]`.
    #[serde(default)]
    pub create: Vec<Spanned<String>>,
    /// Maximum number of new members that each sender of `create` makes in a second. A message to one more is refused. Example:
    /// `create_rate = 10`. Default: 100.
    pub create_rate: Option<Spanned<AtLeastOne>>,
    /// Time after which a member is removed that had no message, and keeps nothing but its state. Only with `mailbox.kind = "durable"`.
    /// Example: `expire = "30d"`. Default: never.
    pub expire: Option<Spanned<Time>>,
    /// Addresses that a member may send to, as `sends_to` of an actor. Example: `sends_to = ["/log"]`. Default: `[]`.
    #[serde(default)]
    pub sends_to: Vec<Spanned<String>>,
    /// Plugins that a member may spawn as its children, which end with its incarnation: their mailboxes are in memory. Example: `spawns =
    /// ["worker"]`. Default: `[]`.
    #[serde(default)]
    pub spawns: Vec<Spanned<String>>,
    /// Names of metrics that the code counts or observes itself, as `metrics` of an actor. `/metrics` has the sum of all members. Example:
    /// `metrics = ["orders"]`. Default: `[]`.
    #[serde(default)]
    pub metrics: Vec<Spanned<String>>,
    /// With `true`, the members share one instance, with a value for each, as with `share` of a `[[plugin]]`. Example: `share = true`.
    /// Default: `false`.
    pub share: Option<Spanned<bool>>,
    /// The digest that the plugin's file must have; another file is refused. Example: `sha256 = "9f86d081…"`. Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// Maximum number of messages handed over in one call. Example: `batch = 1`. Default: 256; with folders or hosts in `grants` 1.
    pub batch: Option<AtLeastOne>,
    /// Behaviour of an idle member: `"stop"`, as of an actor. A member without an instance leaves the memory when nothing of it is there.
    /// Example: `idle = "stop"`. Default: `"stop"`, and nothing else is possible.
    pub idle: Option<Spanned<Idle>>,
    /// Time without a message after which a member is passivated. Example: `idle_after = "10s"`. Default: `"1m"`.
    pub idle_after: Option<Spanned<Time>>,
    /// Values that the code can ask for by name. Example: `config = { top = "10" }`. Default: `{}`.
    #[serde(default)]
    pub config: BTreeMap<String, Text>,
    /// The mailbox of each member: `"memory"` or `"durable"`.
    #[serde(default)]
    pub mailbox: Mailbox,
    /// The state of each member in the play's store.
    pub state: Option<Spanned<ActorState>>,
    /// Restarts of each member after a failure.
    #[serde(default)]
    pub restart: Restart,
    /// Supervision of the children of each member.
    #[serde(default)]
    pub supervision: Supervision,
    /// Limits on each member's use of resources.
    #[serde(default)]
    pub limits: Limits,
    /// The access of all members together to the world outside.
    #[serde(default)]
    pub grants: Grants,
    /// The log of the members.
    #[serde(default)]
    pub log: ActorLog,
}

/// The keys of a family that an actor does not have.
#[derive(Debug)]
pub struct FamilyKeys {
    pub(in crate::manifest) names: Option<Spanned<String>>,
    pub(in crate::manifest) live: Option<Spanned<AtLeastOne>>,
    pub(in crate::manifest) members: Option<AtLeastOne>,
    pub(in crate::manifest) create: Vec<Spanned<String>>,
    pub(in crate::manifest) create_rate: Option<Spanned<AtLeastOne>>,
    pub(in crate::manifest) expire: Option<Spanned<Time>>,
}
