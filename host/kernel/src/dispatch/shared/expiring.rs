//! Members of families that expire: they have been idle for long, and keep nothing but their state.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use crate::actor::family::Family;
use crate::actor::stored_members::StoredMembers;
use crate::dispatch::Shared;
use crate::dispatch::expiry::{Expiry, Seconds, idle_at, seconds, since_of};
use crate::dispatch::origins::origin_gone;
use crate::journal::entry::Op;
use crate::journal::order::EntrySpace;
use crate::journal::store::{Store, StoreError};
use crate::words::address::Address;
use crate::words::event::{AboutActor, LogEvent};
use crate::words::events::MemberExpired;

/// Members that are looked at before the next ones are read.
const PAGE: usize = 256;

/// Removes members of a family that expire, for as long as the play is there.
pub(crate) async fn expire_members(shared: Weak<Shared>, family: Arc<Family>) {
    let Some(expiry) = Expiry::of(&family) else { return };
    loop {
        tokio::time::sleep(expiry.pause()).await;
        let Some(shared) = shared.upgrade() else { return };
        let Some(stored) = &family.stored else { return };
        // An error of the store ends the play, and there is no store after it.
        if shared.expire_due(&family, stored, &expiry).await.is_err() {
            return;
        }
    }
}

impl Shared {
    pub(crate) fn now_seconds(&self) -> Seconds {
        seconds(self.wall_time(Instant::now()))
    }

    /// Since when a member is idle, or in use, as the store has it.
    pub(super) async fn idle_since(
        &self,
        store: &dyn Store,
        expiry: &Expiry,
        member: &Address,
    ) -> Result<Option<Seconds>, StoreError> {
        let name = member.name().as_bytes();
        let read = store.origins(&expiry.by_name, name, 1).await;
        let read = read.map_err(|error| self.routing.store_read_failed(error))?;
        Ok(read.first().filter(|origin| origin.position == name).and_then(|origin| since_of(&origin.value)))
    }

    async fn expire_due(
        &self,
        family: &Arc<Family>,
        stored: &StoredMembers,
        expiry: &Expiry,
    ) -> Result<(), StoreError> {
        let store = self.routing.store()?;
        let Some(latest) = self.now_seconds().checked_sub(expiry.after.as_secs()) else { return Ok(()) };
        let mut from = Vec::new();
        loop {
            let page = store.origins(&expiry.by_time, &from, PAGE).await;
            let page = page.map_err(|error| self.routing.store_read_failed(error))?;
            let Some(last) = page.last() else { return Ok(()) };
            // The next one in the order of bytes.
            from = [&last.position[..], &[0]].concat();
            for origin in &page {
                let Some((since, name)) = idle_at(&origin.position) else { continue };
                if since > latest {
                    return Ok(());
                }
                if let Ok(member) = family.address().child(name) {
                    let _loading = family.load(stored, &member).await;
                    self.expire((family, stored, expiry), &*store, &member, (since, &origin.position)).await?;
                }
            }
        }
    }

    /// Removes a member, unless it was used since, or keeps something beside its state.
    async fn expire(
        &self,
        (family, stored, expiry): (&Family, &StoredMembers, &Expiry),
        store: &dyn Store,
        member: &Address,
        (since, position): (Seconds, &[u8]),
    ) -> Result<(), StoreError> {
        let Some(journal) = &self.routing.journal else { return Ok(()) };
        if self.routing.registry.pin(member).is_some() {
            return Ok(());
        }
        let known = self.known_member(stored, store, member).await?;
        let noted = self.idle_since(store, expiry, member).await?;
        if known.as_ref().is_some_and(|known| known.waiting + known.timers > 0 || known.halted == Some(true)) {
            return Ok(());
        }
        let entered = self.routing.enter(journal, None, EntrySpace::NONE, |draft| {
            if noted != Some(since) {
                // Another time was noted since.
                origin_gone(draft, &expiry.by_time, position);
                return false;
            }
            expiry.forget(draft, member, Some(since));
            if let Some(known) = &known {
                draft.op(Op::Gone { actor: known.id });
            }
            known.is_some()
        });
        if entered.value {
            family.count_out();
            let subject = AboutActor { address: member, plugin: family.template().code.plugin() };
            MemberExpired { subject, idle_seconds: self.now_seconds().saturating_sub(since) }.log();
        }
        stored.has_left(member, entered.number, journal.last_durable());
        Ok(())
    }
}
