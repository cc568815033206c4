//! Orders of operators about the messages in stored mailboxes: some are dropped, or come from elsewhere. An order is one entry.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::dispatch::routing::entering::{PlayJournal, check_size, durable_by};
use crate::dispatch::routing::output::Output;
use crate::journal::entry::{EntryNumber, Op};
use crate::journal::order::{Draft, EntrySpace};
use crate::journal::store::StoreError;
use crate::mailbox::Load;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::event::{AboutActor, Described, LogEvent};
use crate::words::events::{MessagesImported, MessagesRemoved};
use crate::words::message::ActorId;
use crate::words::portable_message::PortableMessage;
use crate::words::send_error::SendError;
use crate::words::waiting_numbers::{WaitingNumbers, count};

/// The wait of an order of an operator for a store that stays full.
pub(crate) const ORDER_PATIENCE: Duration = Duration::from_secs(10);
/// The wait for the entries before an order, at a full store.
const PATIENCE_BEFORE: Duration = Duration::from_secs(1);

/// An order of an operator about stored mailboxes. There is one at a time, and all entries before it are durable when it begins: so
/// the operator can read the store, and order what follows from it. Messages come and are handled meanwhile. When the store is full, it
/// begins all the same: what it drops makes space. It is then about the messages that are durable.
pub struct MailboxOrder<'a> {
    shared: &'a Arc<Shared>,
    journal: &'a PlayJournal,
    by: &'a str,
    /// The entry of the last order.
    last: MutexGuard<'a, EntryNumber>,
    /// Whether that was durable when this one began.
    follows: bool,
}

impl<'a> MailboxOrder<'a> {
    pub(crate) async fn begin(shared: &'a Arc<Shared>, by: &'a str) -> Result<Self, StoreError> {
        let no_store = || StoreError::Failed("this play has no store".to_owned());
        let journal = shared.routing.journal.as_deref().ok_or_else(no_store)?;
        let last = shared.mailbox_orders.lock().await;
        match journal.durable_by(journal.last(), later(PATIENCE_BEFORE)).await {
            Ok(()) | Err(StoreError::Full(_)) => {}
            Err(error) => return Err(error),
        }
        let follows = journal.is_durable(*last);
        Ok(Self { shared, journal, by, last, follows })
    }

    /// Drops messages of a mailbox, by their numbers in the store. Returns how many are gone, once that is durable. A message that an
    /// instance has taken stays, and so does one that has ended. An actor that the plan does not have, or has without a stored mailbox,
    /// has all its messages in the store alone. `Err` with [`StoreError::Full`]: the store stays full, and the messages are gone if the
    /// host runs when it has space.
    pub async fn drop_messages(
        &mut self,
        mailbox: ActorId,
        address: &Address,
        numbers: &WaitingNumbers,
    ) -> Result<u64, StoreError> {
        let routing = &self.shared.routing;
        // A member of a family comes into memory, where its messages are then.
        let _pinned = self.shared.existing(address).await;
        let target = routing.registry.by_id(mailbox).filter(|actor| actor.mailbox.is_stored());
        if target.is_none() && !self.follows {
            // Nothing but the store knows which messages the order before has dropped.
            return Err(StoreError::Full("an order before this one is not kept yet".to_owned()));
        }
        let mut from_backlogs = Vec::new();
        let entered = routing.enter(self.journal, None, EntrySpace::NONE, |draft| {
            if let Some(target) = &target {
                let dropped = drop_waiting(draft, target, numbers, &mut from_backlogs);
                for gone in &dropped {
                    routing.kept_answers.end_turns(draft, mailbox, gone.clone());
                }
                return count(&dropped);
            }
            // An actor that was removed meanwhile has no messages.
            if !routing.registry.is_kept(address, mailbox) {
                return 0;
            }
            for gone in numbers.ranges() {
                routing.kept_answers.end_turns(draft, mailbox, gone.clone());
                draft.op(Op::Take { mailbox, numbers: gone });
            }
            numbers.count()
        });
        *self.last = entered.number;
        let dropped = entered.value;
        if let Some(target) = target.as_ref().filter(|_| dropped > 0) {
            target.mailbox.count_removed(dropped);
            routing.count_unhandled(target, dropped);
            target.finish(dropped);
            // An instance that waited for the retry of a dropped message has less to do.
            for instance in from_backlogs {
                target.mailbox.nudge(instance);
            }
            // Messages that only the store has may be next.
            self.shared.read_back(target);
            self.shared.activity.changed();
        }
        if dropped > 0 {
            let plugin = target.as_ref().map(|target| target.about().plugin);
            MessagesRemoved { subject: AboutActor { address, plugin }, messages: dropped, by: self.by }.log();
        }
        self.journal.durable_by(entered.number, later(ORDER_PATIENCE)).await?;
        Ok(dropped)
    }

    /// Puts messages into a stored mailbox, after those that wait there, in one entry. Waits for space, at most `patience`, and
    /// until they are durable. All of them come in, or none does.
    pub async fn put_messages(
        &self,
        to: &Address,
        messages: &[PortableMessage],
        patience: Duration,
    ) -> Result<(), SendError> {
        let routing = &self.shared.routing;
        let target = self.shared.receiver(to, ActorId::OUTSIDE).await?;
        if !target.mailbox.is_stored() {
            return Err(SendError::not_stored(to, &"its mailbox is in memory alone"));
        }
        self.shared.memory_gate.pass()?;
        let (mut records, mut load) = (Vec::new(), Load::default());
        for message in messages {
            check_size(&target, &message.body)?;
            let sender = message.from.as_ref().and_then(|from| routing.registry.get(from));
            let record = message.sent_by(sender.map_or(ActorId::OUTSIDE, |sender| sender.id)).record();
            if load.messages == 0 {
                load.first_bytes = record.len() - playhouse_frame::HEADER_BYTES;
            }
            load.messages += 1;
            records.extend_from_slice(&record);
        }
        if messages.is_empty() {
            return Ok(());
        }
        load.bytes = records.len();
        let deadline = later(patience);
        let entry =
            routing.enter_records(self.journal, &target, (&records, load, ActorId::OUTSIDE), deadline, |_| ()).await?;
        let messages = messages.len() as u64;
        MessagesImported { subject: target.about(), messages, by: self.by }.log();
        durable_by(self.journal, entry, to, deadline).await
    }
}

/// Removes waiting messages from a mailbox and from the backlogs of its instances, as a part of an entry. Notes the instances whose
/// backlogs had some. Returns the numbers of those that are removed.
fn drop_waiting(
    draft: &mut Draft<Output>,
    target: &Actor,
    numbers: &WaitingNumbers,
    from_backlogs: &mut Vec<usize>,
) -> Vec<Range<u64>> {
    let mut dropped = target.mailbox.remove_stored(numbers, &mut draft.wakers);
    for instance in &target.instances {
        let removed = instance.backlog.lock().remove_stored(&|number| numbers.contains(number));
        from_backlogs.extend((!removed.is_empty()).then_some(instance.index));
        dropped.extend(removed.into_iter().map(|number| number..number + 1));
    }
    dropped.sort_unstable_by_key(|numbers| numbers.start);
    for numbers in &dropped {
        draft.take_all(target.id, numbers.clone());
    }
    dropped
}
