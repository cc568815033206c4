//! `[actor.state]` and `[plugin.state]`: the bounds of a state, and the mailbox and instances that it needs.

use std::time::Duration;

use playhouse_kernel::{LONGEST_LIFETIME, StateSpec};
use toml::Spanned;

use super::findings::Checks;
use super::instances;
use super::mailbox::is_durable;
use crate::manifest::MOST_VALUE_BYTES;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Actor, ActorState, Mailbox, Plugin};
use crate::manifest::units::ByteSize;

const MOST_VALUE: ByteSize = ByteSize(MOST_VALUE_BYTES as u64);

impl Checks {
    /// The state of an actor of the manifest, if it has one.
    pub(super) fn state(&mut self, actor: &Actor, effect_bytes: usize) -> Option<StateSpec> {
        let written = actor.state.as_ref()?;
        let address = actor.address.get_ref();
        if let Some(several) = actor.instances.as_ref().filter(|_| instances::of(actor) > 1) {
            let problem = Problem::at(written.span(), format!("`{address}` has state and several instances"), "here");
            let help = "one instance alone changes a state: give the actor one, or leave `state` out";
            self.add(problem.and_at(several.span(), "these are several").help(help));
        }
        Some(self.state_beside(address, &actor.mailbox, written, effect_bytes))
    }

    /// The state of each actor that is spawned from a plugin, if they have one.
    pub(super) fn state_of_spawned(&mut self, plugin: &Plugin, effect_bytes: usize) -> Option<StateSpec> {
        let written = plugin.state.as_ref()?;
        Some(self.state_beside(plugin.name.get_ref(), &plugin.mailbox, written, effect_bytes))
    }

    /// A state, and the mailbox that it needs.
    fn state_beside(
        &mut self,
        whose: &str,
        mailbox: &Mailbox,
        written: &Spanned<ActorState>,
        effect_bytes: usize,
    ) -> StateSpec {
        if !is_durable(mailbox) {
            let problem =
                Problem::at(written.span(), format!("`{whose}` has state, and its mailbox is not durable"), "here");
            let help = "add mailbox = { kind = \"durable\" } and a table [play.store], or leave `state` out";
            self.add(match &mailbox.kind {
                Some(kind) => problem.and_at(kind.span(), "this is not durable").help(help),
                None => problem.help(help),
            });
        }
        self.bounds_of_state(written.get_ref(), effect_bytes)
    }

    fn bounds_of_state(&mut self, written: &ActorState, effect_bytes: usize) -> StateSpec {
        let default = StateSpec::default();
        let bytes = written.bytes.as_ref().map_or(default.bytes, |size| size.get_ref().0);
        let usual = ByteSize(bytes.min(default.value_bytes as u64));
        self.at_most(
            written.value.as_ref(),
            "state.value",
            MOST_VALUE,
            "put larger values into several keys, or into files",
        );
        let value = written.value.as_ref().map_or(usual, |size| *size.get_ref());
        for (bound, key) in [(bytes, "state.bytes"), (effect_bytes as u64, "limits.effect_bytes")] {
            if value.0 > bound {
                let place = written.value.as_ref().or(written.bytes.as_ref()).map(Spanned::span).unwrap_or_default();
                let what = format!("`state.value` ({value}) is more than `{key}` ({})", ByteSize(bound));
                self.add(Problem::at(place, what, "here").help(format!("lower `value`, or raise `{key}`")));
            }
        }
        self.above_zero(written.expire.as_ref(), "state.expire", Duration::ZERO);
        if let Some(expire) = written.expire.as_ref().filter(|expire| expire.get_ref().0 > LONGEST_LIFETIME) {
            let problem =
                Problem::at(expire.span(), "`state.expire` is over 100 years", "it must be at most \"36500d\"");
            self.add(problem.help("leave `expire` out to keep values until they are deleted"));
        }
        StateSpec {
            bytes,
            value_bytes: value.in_memory(),
            cache_bytes: written.cache.map_or(default.cache_bytes, ByteSize::in_memory),
            expire: written.expire.as_ref().map(|expire| expire.get_ref().0),
        }
    }
}
