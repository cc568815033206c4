//! Messages that are only in the store: a task reads them back when their mailbox runs low, or makes dead letters of them when their
//! actor is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::journal::store::{StoreError, StoredMessage};
use crate::mailbox::message_log::message_of;
use crate::mailbox::{Page, ReadPage};
use crate::words::dead_letter::DeadReason;
use crate::words::message::records_of;

impl Shared {
    /// Begins to read messages back, if the mailbox runs low.
    pub(crate) fn read_back(self: &Arc<Self>, actor: &Arc<Actor>) {
        if !actor.mailbox.begins_reading() {
            return;
        }
        let (shared, actor) = (self.clone(), actor.clone());
        self.spawn(async move {
            while let Some(page) = actor.mailbox.next_page() {
                let is_there = || actor.mailbox.expects(&page);
                let Some(read) = shared.read(&actor, &page, &is_there).await else { return };
                actor.mailbox.put_page(&page, read);
            }
        });
    }

    /// Makes dead letters of all messages of a page and after it, as many as it says.
    pub(crate) fn dead_letter_unread(self: &Arc<Self>, actor: &Arc<Actor>, unread: Page, reason: DeadReason) {
        let (shared, actor) = (self.clone(), actor.clone());
        let (ended, task) = oneshot::channel();
        if let Some(kept) = actor.kept_child() {
            kept.unread_tasks.lock().push(task);
        }
        self.spawn(async move {
            let _ended: oneshot::Sender<()> = ended;
            let (routing, mut page) = (&shared.routing, unread);
            // Messages that an operator removed before are not read.
            if !routing.all_durable().await {
                return;
            }
            // At the end of the host they wait for the next run.
            while page.most > 0 && !routing.host_ends.load(Ordering::Acquire) {
                let Some(read) = shared.read(&actor, &page, &|| true).await else { return };
                routing.dead_letter(&actor, records_of(&read.records).map(message_of), &reason, true);
                routing.activity.changed();
                page = Page { from: read.next, most: page.most.saturating_sub(read.messages), ..page };
                if !routing.all_durable().await {
                    return;
                }
            }
        });
    }

    /// Reads at least one message that waits in order, or nothing when they are not there any more. None: the play ends.
    async fn read(&self, actor: &Actor, page: &Page, is_there: &(dyn Fn() -> bool + Sync)) -> Option<ReadPage> {
        match self.try_read(actor, page, is_there).await {
            Ok(read) => read,
            Err(error) => {
                self.routing.journal.as_ref()?.fail(error);
                None
            }
        }
    }

    async fn try_read(
        &self,
        actor: &Actor,
        page: &Page,
        is_there: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<ReadPage>, StoreError> {
        let Ok(store) = self.routing.store() else { return Ok(None) };
        let mut from = page.from;
        let mut all_durable = false;
        loop {
            let messages = store.messages(actor.id, from, page.most_bytes).await?;
            let Some(last) = messages.last().map(|message| message.number) else {
                if !is_there() {
                    return Ok(Some(ReadPage { next: from, ..ReadPage::default() }));
                }
                if all_durable {
                    return Err(StoreError::Damaged { at: format!("message {from} of `{}`", actor.address()) });
                }
                // They are on their way to the store.
                all_durable = self.routing.all_durable().await;
                if !all_durable {
                    return Ok(None);
                }
                continue;
            };
            // Held messages are in memory.
            let in_order = || messages.iter().filter(|message| message.due.is_none()).take(page.most);
            let bytes = in_order().map(|message| message.record.len()).sum();
            let mut read = ReadPage { records: Vec::with_capacity(bytes), next: last + 1, ..ReadPage::default() };
            for message in in_order() {
                read.records.extend_from_slice(checked_record(message, actor)?);
                read.messages += 1;
                read.next = message.number + 1;
            }
            if read.messages > 0 {
                return Ok(Some(read));
            }
            from = last + 1;
        }
    }
}

/// The record of a stored message, which is one record and nothing else.
pub(crate) fn checked_record<'a>(message: &'a StoredMessage, actor: &Actor) -> Result<&'a [u8], StoreError> {
    let record = records_of(&message.record).next().filter(|record| record.len() == message.record.len());
    record.ok_or_else(|| StoreError::Damaged { at: format!("message {} of `{}`", message.number, actor.address()) })
}
