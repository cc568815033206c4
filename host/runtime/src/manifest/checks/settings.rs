//! The settings of one actor, or of all actors spawned from one plugin: the same keys, the same checks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use playhouse_kernel::{self as kernel, ActorLimits, Address, RestartSpec, StartKind, SubtreeSpec, SupervisionSpec};
use playhouse_sandbox::{Limits, SandboxConfig, SubtreeLimits};
use toml::Spanned;

use super::addresses::{Addresses, address_fault, address_meant};
use super::findings::Checks;
use super::mailbox;
use crate::manifest::play::{PlayLimits, Settings};
use crate::manifest::problem::Problem;
use crate::manifest::schema::{self, Idle, Manifest, RestartKind, Start};
use crate::manifest::units::{AtLeastOne, ByteSize, Text, Time, texts};

/// The limit of a 32-bit WebAssembly memory.
const MOST_MEMORY: ByteSize = ByteSize(4 << 30);
/// A guest's own stack.
const LEAST_STACK: ByteSize = ByteSize(64 << 10);
const MOST_STACK: ByteSize = ByteSize(64 << 20);
const LEAST_COMPILE_MEMORY: ByteSize = ByteSize(64 << 20);
/// A body is copied a few times on its way.
const MOST_MESSAGE: ByteSize = ByteSize(1 << 30);

/// The keys that `[[actor]]` and `[[plugin]]` have in common. Its fields are these keys as written.
pub(super) struct Written<'a> {
    plugin: &'a Spanned<String>,
    sends_to: &'a [Spanned<String>],
    spawns: &'a [Spanned<String>],
    metrics: &'a [Spanned<String>],
    sha256: Option<&'a Spanned<String>>,
    share: Option<&'a Spanned<bool>>,
    start: Option<&'a Spanned<Start>>,
    idle: Option<&'a Spanned<Idle>>,
    idle_after: Option<&'a Spanned<Time>>,
    batch: Option<AtLeastOne>,
    config: &'a BTreeMap<String, Text>,
    mailbox: &'a schema::Mailbox,
    restart: &'a schema::Restart,
    supervision: &'a schema::Supervision,
    limits: &'a schema::Limits,
    grants: &'a schema::Grants,
    log: schema::ActorLog,
}

impl<'a> Written<'a> {
    pub(super) fn actor(actor: &'a schema::Actor) -> Self {
        Self {
            plugin: &actor.plugin,
            sends_to: &actor.sends_to,
            spawns: &actor.spawns,
            metrics: &actor.metrics,
            sha256: actor.sha256.as_ref(),
            share: actor.share.as_ref(),
            start: actor.start.as_ref(),
            idle: actor.idle.as_ref(),
            idle_after: actor.idle_after.as_ref(),
            batch: actor.batch,
            config: &actor.config,
            mailbox: &actor.mailbox,
            restart: &actor.restart,
            supervision: &actor.supervision,
            limits: &actor.limits,
            grants: &actor.grants,
            log: actor.log,
        }
    }

    pub(super) fn plugin(plugin: &'a schema::Plugin) -> Self {
        Self {
            plugin: &plugin.name,
            sends_to: &plugin.sends_to,
            spawns: &plugin.spawns,
            metrics: &plugin.metrics,
            sha256: plugin.sha256.as_ref(),
            share: plugin.share.as_ref(),
            start: plugin.start.as_ref(),
            idle: plugin.idle.as_ref(),
            idle_after: plugin.idle_after.as_ref(),
            batch: plugin.batch,
            config: &plugin.config,
            mailbox: &plugin.mailbox,
            restart: &plugin.restart,
            supervision: &plugin.supervision,
            limits: &plugin.limits,
            grants: &plugin.grants,
            log: plugin.log,
        }
    }
}

impl Checks {
    pub(super) fn settings(&mut self, written: &Written<'_>, manifest: &Manifest, addresses: &Addresses) -> Settings {
        self.plugin(written.plugin);
        let sha256 = written.sha256.and_then(|digest| self.digest(digest));
        let (sends_to, sends_below) = self.targets(written.sends_to, addresses);
        let spawns = written.spawns.iter().filter_map(|plugin| self.spawn(plugin, manifest)).collect();
        let metrics = self.metric_names(written.metrics);
        let (memory_bytes, message_bytes) = self.sizes(written);
        let supervision = self.supervision(written.supervision);
        let restart = self.restart(written.restart);
        let limits = written.limits;
        let grants = self.grants(written.grants, limits);
        Settings {
            plugin: written.plugin.get_ref().clone(),
            plugin_place: written.plugin.span(),
            memory_place: limits.memory.as_ref().map(Spanned::span),
            sha256,
            share: written.share.filter(|share| *share.get_ref()).map(Spanned::span),
            sends_to,
            sends_below,
            spawns,
            metrics,
            start: match written.start.map(Spanned::get_ref) {
                None | Some(Start::Auto) => StartKind::Auto,
                Some(Start::OnMessage) => StartKind::OnMessage,
                Some(Start::Manual) => StartKind::Manual,
            },
            idle_stop: self.idle_stop(written),
            batch: written.batch.map_or(if grants.reach_outside() { 1 } else { 256 }, |n| n.0 as usize),
            config: texts(Some(written.config)),
            mailbox: mailbox::bounds(written.mailbox),
            mailbox_plugin: self.mailbox_plugin(written.mailbox),
            restart,
            supervision,
            limits: self.enforced(limits, message_bytes),
            sandbox_limits: self.measured(limits, memory_bytes),
            subtree: limits.subtree.as_ref().map(shared_limits).unwrap_or_default(),
            absent_env: absent(&written.grants.env),
            log_level: written.log.level,
            state: None,
            grants,
        }
    }

    /// The limits that the kernel enforces.
    fn enforced(&mut self, written: &schema::Limits, message_bytes: usize) -> ActorLimits {
        let default = ActorLimits::default();
        let count = |written: Option<AtLeastOne>, default| written.map_or(default, |n| n.0 as usize);
        ActorLimits {
            start_timeout: self.above_zero(written.start.as_ref(), "limits.start", default.start_timeout),
            timeout: self.above_zero(written.timeout.as_ref(), "limits.timeout", default.timeout),
            message_bytes,
            max_children: count(written.children, default.max_children),
            max_timers: count(written.timers, default.max_timers),
            max_watches: count(written.watches, default.max_watches),
            max_depth: self.depth(written.depth.as_ref()),
            max_effects: count(written.effects, default.max_effects),
            max_effect_bytes: written.effect_bytes.map_or(default.max_effect_bytes, ByteSize::in_memory),
            subtree: written.subtree.as_ref().and_then(subtree),
        }
    }

    /// The limits that the sandbox measures.
    fn measured(&mut self, written: &schema::Limits, memory_bytes: u64) -> Limits {
        let default = Limits::default();
        Limits {
            memory_bytes,
            cpu: self.above_zero(written.cpu.as_ref(), "limits.cpu", default.cpu),
            resources: written.resources.map_or(default.resources, |n| n.0 as usize),
            log_lines: written.log_lines.map_or(default.log_lines, |n| n.0.into()),
            log_bytes: written.log_bytes.map_or(default.log_bytes, |size| size.0),
            request_head_bytes: written.request_head.map_or(default.request_head_bytes, |size| size.0),
        }
    }

    fn depth(&mut self, written: Option<&Spanned<AtLeastOne>>) -> usize {
        let Some(written) = written else { return kernel::MAX_SEGMENTS };
        let depth = written.get_ref().0 as usize;
        if depth > kernel::MAX_SEGMENTS {
            let (what, most) = (format!("`limits.depth` is {depth}"), kernel::MAX_SEGMENTS);
            let problem = Problem::at(written.span(), what, format!("it must be at most {most}"));
            self.add(problem.help(format!("no address has more than {most} segments")));
        }
        depth
    }

    pub(super) fn play_limits(&mut self, written: &schema::PlayLimits) -> PlayLimits {
        let default = SandboxConfig::default();
        let why = "each of `max_instances` stacks takes address space";
        self.at_most(written.stack.as_ref(), "play.limits.stack", MOST_STACK, why);
        let why = "a component needs some of it before its actor's own code runs";
        self.at_least(written.stack.as_ref(), "play.limits.stack", LEAST_STACK, why);
        let why = "the compiler itself needs some of it before it looks at a component";
        self.at_least(written.compile_memory.as_ref(), "play.limits.compile_memory", LEAST_COMPILE_MEMORY, why);
        let compilation = &default.compilation;
        PlayLimits {
            stack_bytes: written.stack.as_ref().map_or(default.stack_bytes, |size| size.get_ref().in_memory()),
            component_bytes: written.component.map_or(default.component_bytes, |size| size.0),
            compile_time: self.above_zero(written.compile_time.as_ref(), "play.limits.compile_time", compilation.time),
            compile_memory_bytes: written
                .compile_memory
                .as_ref()
                .map_or(compilation.memory_bytes, |size| size.get_ref().0),
            memory_bytes: written.memory.as_ref().map(|size| size.get_ref().0),
        }
    }

    /// A name in `spawns`, which must have a `[[plugin]]` with the settings of its children.
    fn spawn(&mut self, written: &Spanned<String>, manifest: &Manifest) -> Option<String> {
        let name = written.get_ref();
        if self.spawnable.contains(name) {
            return Some(name.clone());
        }
        let known = manifest.plugin.iter().map(|plugin| plugin.get_ref().name.get_ref().as_str());
        let remark = self.near(name, known).map_or_else(|| "here".into(), |near| format!("did you mean \"{near}\"?"));
        let problem = Problem::at(written.span(), format!("there is no [[plugin]] `{}`", name.escape_debug()), remark);
        let help = "each plugin in `spawns` needs a section with its settings: [[plugin]] with name = \"…\"";
        self.add(problem.help(help));
        None
    }

    pub(super) fn plugin(&mut self, written: &Spanned<String>) {
        let (name, place) = (written.get_ref(), written.span());
        let bare = name.strip_suffix(".wasm").unwrap_or(name);
        let good =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !good(name) {
            let problem = Problem::at(
                place,
                format!("`{}` is no name of a plugin", name.escape_debug()),
                if good(bare) { format!("did you mean \"{bare}\"?") } else { "here".into() },
            );
            let form = "a plugin is named by letters, digits, `_` and `-`: the file NAME.wasm in the plugins folder";
            return self.add(problem.help(format!("{form} `{}`", self.plugins.display())));
        }
        let file = self.plugins.join(format!("{name}.wasm"));
        let help = match &self.folder.names {
            Ok(names) if names.binary_search(name).is_ok() => return,
            Ok(names) if names.is_empty() => format!("the folder `{}` has no .wasm file", self.plugins.display()),
            Ok(names) => format!("the folder `{}` has {}", self.plugins.display(), enumerated(names)),
            Err(error) => {
                format!("the plugins folder `{}` cannot be read: {error}", self.plugins.display())
            }
        };
        let names = std::mem::replace(&mut self.folder.names, Ok(Vec::new()));
        let near = self.near(name, names.iter().flatten().map(String::as_str));
        let remark = near.map_or_else(|| "no such file".into(), |near| format!("did you mean \"{near}\"?"));
        self.folder.names = names;
        let problem = Problem::at(place, format!("there is no plugin `{name}`: no file `{}`", file.display()), remark);
        self.add(problem.help(help));
    }

    pub(super) fn digest(&mut self, written: &Spanned<String>) -> Option<(String, Range<usize>)> {
        let text = written.get_ref();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Some((text.to_ascii_lowercase(), written.span()));
        }
        let problem =
            Problem::at(written.span(), "this is no SHA-256 digest", format!("{} characters", text.chars().count()));
        self.add(problem.help("a digest is 64 hexadecimal digits; `playhouse inspect FILE.wasm` prints it"));
        None
    }

    /// The addresses, and the addresses below which all actors are meant.
    fn targets(&mut self, written: &[Spanned<String>], addresses: &Addresses) -> (Vec<Address>, Vec<Address>) {
        let (mut to, mut below) = (Vec::new(), Vec::new());
        for target in written {
            let written = target.get_ref();
            match (written.strip_suffix("/**"), addresses.family(written)) {
                (Some(top), _) => below.extend(self.subtree(target, top, addresses)),
                (None, Some(family)) => below.push(family),
                (None, None) => to.extend(self.target(target, addresses)),
            }
        }
        (to, below)
    }

    /// The top of a subtree that has an actor, or in which an actor may be spawned.
    fn subtree(&mut self, written: &Spanned<String>, top: &str, addresses: &Addresses) -> Option<Address> {
        let top = match Address::parse(if top.is_empty() { "/" } else { top }) {
            Ok(top) => top,
            Err(error) => {
                let problem = Problem::at(written.span(), address_fault(&error), "here");
                self.add(problem.help("a subtree is an address and `/**`, as in [\"/team/**\"]"));
                return None;
            }
        };
        if addresses.is_populated(&top) {
            return Some(top);
        }
        let remark = match self.near_address(top.as_str(), addresses.all()) {
            Some(near) if near != top.as_str() => format!("did you mean \"{near}/**\"?"),
            _ => "here".into(),
        };
        let problem = Problem::at(written.span(), format!("no actor is below `{top}`"), remark);
        let help = format!("this manifest has no actor below `{top}`, and no actor there has `spawns`");
        self.add(problem.help(help));
        None
    }

    fn target(&mut self, written: &Spanned<String>, addresses: &Addresses) -> Option<Address> {
        match Address::parse(written.get_ref()) {
            Ok(to) if addresses.has(&to) => return Some(to),
            Ok(to) if addresses.is_at_family(&to) => self.no_receiver(written, &to, addresses),
            Ok(to) => {
                let remark = self
                    .near_address(to.as_str(), addresses.all())
                    .map_or_else(|| "no such actor".into(), |near| format!("did you mean \"{near}\"?"));
                let problem = Problem::at(written.span(), format!("no actor has the address `{to}`"), remark);
                self.add(problem.help("`sends_to` names actors of this manifest"));
            }
            Err(error) => {
                let problem = Problem::at(written.span(), address_fault(&error), address_meant(written.get_ref()));
                self.add(problem.help("`sends_to` is a list of addresses, as in [\"/count\"]"));
            }
        }
        None
    }

    /// `limits.memory` and `limits.message`: a message fits into the memory, and into the mailbox.
    fn sizes(&mut self, written: &Written<'_>) -> (u64, usize) {
        let memory = written.limits.memory.as_ref().map_or(64 << 20, |size| size.get_ref().0);
        let message = written.limits.message.as_ref().map_or(1 << 20, |size| size.get_ref().0);
        let limit_place = written.limits.message.as_ref().map(Spanned::span);
        self.most_memory(written.limits.memory.as_ref(), "limits.memory");
        self.at_most(written.limits.message.as_ref(), "limits.message", MOST_MESSAGE, "send larger data in parts");
        if message > memory {
            let place = limit_place.clone().or_else(|| written.limits.memory.as_ref().map(Spanned::span));
            let what =
                format!("`limits.message` ({}) is more than `limits.memory` ({})", ByteSize(message), ByteSize(memory));
            let problem = Problem::at(place.unwrap_or_default(), what, "here");
            self.add(problem.help("a message must fit into the actor's memory: raise `memory`, or lower `message`"));
        }
        let mailbox_bytes = mailbox::bounds(written.mailbox).capacity_bytes as u64;
        if mailbox_bytes < message {
            let place = written.mailbox.bytes.as_ref().map(Spanned::span).or(limit_place);
            let what = format!(
                "`mailbox.bytes` ({}) is less than `limits.message` ({})",
                ByteSize(mailbox_bytes),
                ByteSize(message)
            );
            let problem = Problem::at(place.unwrap_or_default(), what, "here");
            self.add(
                problem
                    .help("a mailbox must have room for one message: raise `mailbox.bytes`, or lower `limits.message`"),
            );
        }
        (memory, usize::try_from(message).unwrap_or(usize::MAX))
    }

    pub(super) fn most_memory(&mut self, written: Option<&Spanned<ByteSize>>, key: &str) {
        self.at_most(written, key, MOST_MEMORY, "a 32-bit instance can have no more");
    }

    pub(super) fn at_most(&mut self, written: Option<&Spanned<ByteSize>>, key: &str, most: ByteSize, help: &str) {
        let Some(written) = written.filter(|size| *size.get_ref() > most) else { return };
        let what = format!("`{key}` is over {most}");
        self.add(Problem::at(written.span(), what, format!("it must be at most \"{most}\"")).help(help));
    }

    pub(super) fn at_least(&mut self, written: Option<&Spanned<ByteSize>>, key: &str, least: ByteSize, help: &str) {
        let Some(written) = written.filter(|size| *size.get_ref() < least) else { return };
        let what = format!("`{key}` is under {least}");
        self.add(Problem::at(written.span(), what, format!("it must be at least \"{least}\"")).help(help));
    }

    /// The time of `idle_after`, if `idle` is `"stop"`.
    fn idle_stop(&mut self, written: &Written<'_>) -> Option<Duration> {
        let after = self.above_zero(written.idle_after, "idle_after", Duration::from_mins(1));
        if written.idle.is_some_and(|idle| *idle.get_ref() == Idle::Stop) {
            return Some(after);
        }
        if let Some(after) = written.idle_after {
            let problem =
                Problem::at(after.span(), "`idle_after` without `idle = \"stop\"`", "nothing happens after it");
            self.add(problem.help("add idle = \"stop\", or leave `idle_after` out"));
        }
        None
    }

    pub(super) fn supervision(&mut self, written: &schema::Supervision) -> SupervisionSpec {
        let default = SupervisionSpec::default();
        SupervisionSpec {
            strategy: match written.strategy {
                schema::Strategy::OneForOne => kernel::Strategy::OneForOne,
                schema::Strategy::OneForAll => kernel::Strategy::OneForAll,
                schema::Strategy::RestForOne => kernel::Strategy::RestForOne,
            },
            intensity: written.intensity.unwrap_or(default.intensity),
            period: self.above_zero(written.period.as_ref(), "supervision.period", default.period),
            shutdown: written.shutdown.map_or(default.shutdown, |time| time.0),
        }
    }

    pub(super) fn backoff(&mut self, written: &schema::Backoff, default: kernel::Backoff) -> kernel::Backoff {
        let (initial, max) = (written.initial.as_ref(), written.max.as_ref());
        let backoff = kernel::Backoff {
            initial: initial.map_or(default.initial, |time| time.get_ref().0),
            max: max.map_or(default.max, |time| time.get_ref().0),
        };
        if backoff.initial > backoff.max {
            let place = initial.or(max).map(Spanned::span).unwrap_or_default();
            let what = format!("`initial` ({:?}) is longer than `max` ({:?})", backoff.initial, backoff.max);
            self.add(Problem::at(place, what, "here").help("the pause grows from `initial` to `max`"));
        }
        backoff
    }

    fn restart(&mut self, written: &schema::Restart) -> RestartSpec {
        let default = RestartSpec::default();
        let backoff = self.backoff(&written.backoff, default.backoff);
        RestartSpec {
            kind: match written.kind {
                RestartKind::Permanent => kernel::RestartKind::Permanent,
                RestartKind::Transient => kernel::RestartKind::Transient,
                RestartKind::Temporary => kernel::RestartKind::Temporary,
            },
            attempts: written.attempts.map_or(default.attempts, |n| n.0),
            backoff,
            cooldown: written.cooldown.as_ref().map_or(default.cooldown, |cooldown| cooldown.get_ref().0),
        }
    }
}

/// The limits on a subtree that the sandbox counts.
fn shared_limits(written: &schema::Subtree) -> SubtreeLimits {
    SubtreeLimits {
        memory_bytes: written.memory.map(|size| size.0),
        descriptors: written.descriptors.map(|n| n.0.into()),
    }
}

/// The limits on a subtree that the kernel counts; `None` without any.
fn subtree(written: &schema::Subtree) -> Option<Box<SubtreeSpec>> {
    let count = |written: &Option<Spanned<AtLeastOne>>| written.as_ref().map(|n| n.get_ref().0 as usize);
    let counts = SubtreeSpec { actors: count(&written.actors), instances: count(&written.instances) };
    (counts != SubtreeSpec::default()).then(|| Box::new(counts))
}

/// The variables that are granted and that the host does not have.
fn absent(written: &[Spanned<String>]) -> Vec<String> {
    let names = written.iter().map(Spanned::get_ref).filter(|text| !text.contains(['=', '\0']) && !text.is_empty());
    names.filter(|name| std::env::var_os(name).is_none()).cloned().collect()
}

/// The first few names.
fn enumerated(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
