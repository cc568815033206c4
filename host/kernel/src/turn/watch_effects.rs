//! Watches, as the current message records them: an actor that watches another one gets notices about it.

use super::Turn;
use super::effect::Effect;
use crate::words::notice::{Change, Notice, WatchError};

impl Turn {
    /// Records a watch: from the commit on, for the rest of this incarnation, this actor gets notices about another one.
    /// Returns the watch's id. An address without an actor causes a notice, too.
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
        if self.effects.watches() >= most {
            return Err(WatchError::TooManyWatches { actor: from, most });
        }
        let id = self.effects.next_watch_id();
        self.push_effect(Effect::Watch { id, address: to })?;
        self.effects.add_watch(id);
        Ok(id)
    }

    /// Records that a watch of this incarnation ends. A notice that is already in the mailbox is still handled.
    pub fn unwatch(&mut self, id: u64) {
        let _ = self.push_effect(Effect::Unwatch { id });
    }

    /// Whether a notice is for this incarnation. The last notice of a watch frees its place for another watch.
    pub(crate) fn hears(&mut self, notice: &[u8]) -> bool {
        let Some((incarnation, notice)) = Notice::read(notice) else { return false };
        let hears = incarnation == self.incarnation;
        if hears && notice.change == Change::Gone {
            self.effects.end_watch(notice.watch);
        }
        hears
    }
}
