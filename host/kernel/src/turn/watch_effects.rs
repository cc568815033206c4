//! Watches, as the current message records them: an actor that watches another one gets notices about it.

use super::Turn;
use super::batch::Hook;
use super::effect::Effect;
use crate::words::notice::{Change, Notice, WatchError, Watcher};

impl Turn {
    /// Records a watch: from the commit on this actor gets notices about another one, for the rest of this incarnation; a stored actor
    /// until the other one is gone. Returns the watch's id. An address without an actor causes a notice, too.
    pub fn watch(&mut self, to: &str) -> Result<u64, WatchError> {
        let (from, spec) = (self.address().clone(), &self.actor.spec);
        let to = from.resolve(to)?;
        if !spec.code.watches() || spec.instances > 1 {
            return Err(WatchError::NotAWatcher(from));
        }
        if !to.is_below(&from) && from.parent().as_ref() != Some(&to) && !spec.grants.is_granted(&to) {
            return Err(WatchError::NotGranted { from, to });
        }
        let most = spec.limits.max_watches;
        let kept_watches = &self.shared.routing.kept_watches;
        if self.effects.watches() + kept_watches.count_of(self.actor.id) >= most {
            return Err(WatchError::TooManyWatches { actor: from, most });
        }
        // A watch that `init` sets is set again in the next incarnation. A member of a family may be in the store alone, where nothing can
        // be told of it.
        let kept = self.actor.keeps_watches()
            && !self.batch.hook().is_some_and(Hook::comes_back)
            && self.shared.routing.registry.family_of(&to).is_none();
        let id = if kept { kept_watches.choose_id(self.actor.id) } else { self.effects.next_watch_id() };
        self.push_effect(Effect::Watch { id, address: to, kept })?;
        self.effects.add_watch(id, kept);
        Ok(id)
    }

    /// Records that a watch of this incarnation ends, or any of a stored actor. A notice that is already in the mailbox is still handled.
    pub fn unwatch(&mut self, id: u64) {
        let _ = self.push_effect(Effect::Unwatch { id });
    }

    /// Whether a notice is for this incarnation, and its code takes notices. The last notice of a watch frees its place for another watch.
    pub(crate) fn hears(&mut self, notice: &[u8]) -> bool {
        let Some((incarnation, notice)) = Notice::read(notice) else { return false };
        if (Watcher { actor: self.actor.id, incarnation }).is_kept() {
            return self.actor.spec.code.watches();
        }
        let hears = incarnation == self.incarnation;
        if hears && notice.change == Change::Gone {
            self.effects.end_watch(notice.watch);
        }
        hears
    }
}
