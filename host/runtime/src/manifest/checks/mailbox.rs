//! The settings of one mailbox: its limits, and the plugin that decides its order.

use std::time::Duration;

use playhouse_kernel::{self as kernel, Keep, MailboxSpec, PolicySpec};
use toml::Spanned;

use super::findings::Checks;
use crate::manifest::play::MailboxPluginSettings;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Mailbox, MailboxKind, MailboxLimits, MailboxRestart, Overflow};
use crate::manifest::units::{ByteSize, texts};

/// Default memory of a mailbox plugin, which holds a few numbers for each message.
const MEMORY: ByteSize = ByteSize(16 << 20);

/// Whether a stream of Redis feeds the mailbox.
pub(super) fn is_redis(written: &Mailbox) -> bool {
    written.kind.as_ref().is_some_and(|kind| matches!(kind.get_ref(), MailboxKind::Redis))
}

/// Whether the play's store has its messages, too.
pub(super) fn is_durable(written: &Mailbox) -> bool {
    written.kind.as_ref().is_some_and(|kind| matches!(kind.get_ref(), MailboxKind::Durable))
}

/// The limits of a mailbox.
pub(super) fn bounds(written: &Mailbox) -> MailboxSpec {
    let mut default = MailboxSpec::default();
    if is_durable(written) {
        // Most of them are on the disk alone.
        (default.capacity, default.capacity_bytes) = (1_000_000, 1 << 30);
    }
    MailboxSpec {
        // That of a stream does not bound the memory.
        capacity: match written.capacity {
            Some(n) if is_redis(written) => default.capacity.min(n.0 as usize),
            Some(n) => n.0 as usize,
            None => default.capacity,
        },
        capacity_bytes: written.bytes.as_ref().map_or(default.capacity_bytes, |size| size.get_ref().in_memory()),
        overflow: overflow(written).unwrap_or(default.overflow),
        block_timeout: written.timeout.map_or(default.block_timeout, |time| time.0),
        keep: if is_durable(written) { Keep::Stored } else { Keep::Memory },
        memory_bytes: written.memory.as_ref().map_or(default.memory_bytes, |size| size.get_ref().in_memory()),
    }
}

fn overflow(written: &Mailbox) -> Option<kernel::Overflow> {
    Some(overflow_rule(*written.overflow.as_ref()?.get_ref()))
}

/// The kernel's rule of this name.
pub(super) fn overflow_rule(written: Overflow) -> kernel::Overflow {
    match written {
        Overflow::Block => kernel::Overflow::Block,
        Overflow::Reject => kernel::Overflow::Reject,
        Overflow::DropNewest => kernel::Overflow::DropNewest,
        Overflow::DropOldest => kernel::Overflow::DropOldest,
    }
}

impl Checks {
    /// The plugin of a mailbox, if it has one.
    pub(super) fn mailbox_plugin(&mut self, written: &Mailbox) -> Option<MailboxPluginSettings> {
        let kind = written.kind.as_ref();
        if !is_redis(written) {
            self.no_redis_keys(written);
        }
        if kind.is_none_or(|kind| !matches!(kind.get_ref(), MailboxKind::Plugin)) {
            self.no_mailbox_plugin(written);
            return None;
        }
        if let Some(oldest) = written.overflow.as_ref().filter(|o| matches!(o.get_ref(), Overflow::DropOldest)) {
            let what =
                "`drop-oldest` is not possible with a mailbox plugin, which decides itself which message to drop";
            let help = "leave `overflow` out to let the plugin decide, or set \"block\", \"reject\" or \"drop-newest\"";
            self.add(Problem::at(oldest.span(), what, "here").help(help));
        }
        let Some(plugin) = &written.plugin else {
            let place = kind.map(Spanned::span).unwrap_or_default();
            let problem = Problem::at(place, "the mailbox has no plugin", "this needs one");
            self.add(
                problem.help("add the name of a mailbox plugin, as in plugin = \"priority\", or leave `kind` out"),
            );
            return None;
        };
        self.plugin(plugin);
        let (limits, restart) = (MailboxLimits::default(), MailboxRestart::default());
        let limits = written.limits.as_ref().map_or(&limits, Spanned::get_ref);
        let restart = written.restart.as_ref().map_or(&restart, Spanned::get_ref);
        let (cpu, timeout) = (limits.cpu.as_ref(), limits.timeout.as_ref());
        self.most_memory(limits.memory.as_ref(), "mailbox.limits.memory");
        Some(MailboxPluginSettings {
            plugin: plugin.get_ref().clone(),
            plugin_place: plugin.span(),
            sha256: written.sha256.as_ref().and_then(|digest| self.digest(digest)),
            config: texts(written.config.as_ref().map(Spanned::get_ref)),
            overflow: overflow(written),
            overtakes: written.overtakes.as_ref().map_or(PolicySpec::OVERTAKES, |n| u64::from(n.get_ref().0)),
            memory_bytes: limits.memory.as_ref().map_or(MEMORY, |size| *size.get_ref()).0,
            cpu: self.above_zero(cpu, "mailbox.limits.cpu", Duration::from_millis(100)),
            timeout: self.above_zero(timeout, "mailbox.limits.timeout", PolicySpec::TIMEOUT),
            backoff: self.backoff(&restart.backoff, PolicySpec::BACKOFF),
            intensity: restart.intensity.unwrap_or(PolicySpec::INTENSITY),
            period: self.above_zero(restart.period.as_ref(), "mailbox.restart.period", PolicySpec::PERIOD),
        })
    }

    /// Refuses keys that would do nothing without a mailbox plugin.
    fn no_mailbox_plugin(&mut self, written: &Mailbox) {
        let Mailbox { plugin, sha256, config, overtakes, limits, restart, .. } = written;
        let places = [
            ("plugin", plugin.as_ref().map(Spanned::span)),
            ("sha256", sha256.as_ref().map(Spanned::span)),
            ("config", config.as_ref().map(Spanned::span)),
            ("overtakes", overtakes.as_ref().map(Spanned::span)),
            ("limits", limits.as_ref().map(Spanned::span)),
            ("restart", restart.as_ref().map(Spanned::span)),
        ];
        for (key, place) in places.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let problem =
                Problem::at(place, format!("`mailbox.{key}` is for a mailbox plugin, and there is none"), "here");
            self.add(problem.help("add kind = \"plugin\" and plugin = \"…\" to the mailbox, or leave the key out"));
        }
    }
}
