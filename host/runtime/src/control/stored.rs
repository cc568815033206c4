//! Requests about a store, answered from the store itself: by a host beside its play, and by [`StoppedHost`] when no host runs.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use playhouse_kernel::{
    ActorId, Address, Kernel, Message, MessageId, PortableMessage, StoreError, WaitingNumbers, check_key,
};
use playhouse_store::{Inspection, MailboxFacts, OrderError, StoppedStore};

use super::protocol::{Body, Refusal, Request, Response, StateEntry};
use super::store_views::{MessagesPage, PortableLine, StoreInfo, StoredMailbox, WaitingMessage};
use crate::manifest::{MOST_VALUE_BYTES, nearest};

/// Bytes of messages that are read at a time.
const PAGE_BYTES: usize = 4 << 20;
/// Ids of ended messages beyond which the ids of a mailbox are read anew.
const MOST_ENDED_IDS: u64 = 100_000;
/// Mailboxes that an error names, of those that a store has.
const NAMED_MAILBOXES: usize = 5;
/// Keys of a state that are read at a time.
const PAGE_KEYS: usize = 1000;
/// Bytes of keys and values in one response, after which no more are added.
const RESPONSE_BYTES: usize = 1 << 20;

/// A store of which no host has hold, for the commands that a running host would answer.
pub struct StoppedHost {
    store: StoppedStore,
    path: PathBuf,
    /// Of the mailbox of the last import.
    ids: WaitingIds,
}

impl StoppedHost {
    /// Takes the store in a folder. Until this is dropped, no host gets it.
    pub fn take(path: &Path) -> Result<Self, Refusal> {
        let store = StoppedStore::take(path).map_err(refusal)?;
        Ok(Self { store, path: path.to_owned(), ids: WaitingIds::default() })
    }

    /// Why looks do not show everything that was confirmed; none when they do.
    pub fn loss(&self) -> Option<String> {
        self.store.loss().map(StoreError::to_string)
    }

    /// Does a request about the store, or about a mailbox or a state in it.
    pub fn request(&mut self, request: &Request) -> Result<Response, Refusal> {
        match request {
            Request::DropMessages { of, id } => {
                let (mailbox, numbers) = wanted(self.store.inspection(), of, id.as_deref())?;
                let dropped = self.store.drop_messages(mailbox.id, &numbers).map_err(store_refusal)?;
                Ok(Response::MessagesDropped { dropped, left: 0 })
            }
            Request::ImportMessages { to, messages } => {
                let mailbox = receiver(self.store.inspection(), to, &self.path)?;
                let (new, there) = new_messages(self.store.inspection(), to, messages, &mut self.ids)?;
                self.store.put_messages(mailbox.id, &new).map_err(store_refusal)?;
                Ok(Response::MessagesImported { imported: new.len() as u64, there })
            }
            Request::ChangeState { of, changes } => {
                let actor = known(self.store.inspection(), of)?.id;
                let value = |entry: &StateEntry| entry.value.as_ref().map(|Body(value)| value.clone());
                let changes: Vec<_> = changes.iter().map(|entry| (entry.key.clone(), value(entry))).collect();
                for (key, _) in &changes {
                    check_key(key).map_err(|error| Refusal::new("bad-key", error.to_string()))?;
                }
                let mut values = changes.iter().filter_map(|(_, value)| value.as_ref());
                if let Some(value) = values.find(|value| value.len() > MOST_VALUE_BYTES) {
                    let why = format!("a value of {} bytes is larger than {MOST_VALUE_BYTES} bytes", value.len());
                    return Err(Refusal::new("value-too-large", format!("{why}, the most that `state.value` allows")));
                }
                self.store.change_state(actor, &changes).map_err(refusal)?;
                Ok(Response::StateChanged { keys: changes.len() as u64 })
            }
            Request::StateKeys { of, prefix, after, most } => {
                let (store, most) = (self.store.inspection(), PAGE_KEYS.min(*most as usize));
                let actor = known(store, of)?.id;
                let keys = store.keys(actor, prefix, after.as_deref(), most).map_err(store_refusal)?;
                Ok(Response::StateKeys { keys })
            }
            Request::StateValue { of, key } => {
                let actor = known(self.store.inspection(), of)?.id;
                let value = self.store.inspection().value(actor, key).map_err(store_refusal)?;
                Ok(Response::StateValue { value: value.map(Body) })
            }
            Request::StateEntries { of, prefix, after } => {
                let entries = entries(self.store.inspection(), of, prefix, after.as_deref())?;
                Ok(Response::StateEntries { entries })
            }
            request => look(self.store.inspection(), &self.path, request, None),
        }
    }

    /// Gives the space of deleted messages back to the disk. Returns the bytes of the database before and after.
    pub fn compact(self) -> Result<(u64, u64), Refusal> {
        self.store.compact().map_err(store_refusal)
    }
}

/// Makes a store in a folder from a backup. `replaces`: a store that is there is kept under the name that is returned.
pub fn restore(path: &Path, from: &Path, replaces: bool) -> Result<Option<PathBuf>, Refusal> {
    playhouse_store::restore(path, from, replaces).map_err(refusal)
}

/// Answers a request that only reads. `play`: the running one; `None` without a host.
pub(super) fn look(
    store: &mut Inspection,
    path: &Path,
    request: &Request,
    play: Option<&Kernel>,
) -> Result<Response, Refusal> {
    match request {
        Request::StoreInfo {} => {
            let facts = store.facts().map_err(store_refusal)?;
            Ok(Response::StoreInfo(StoreInfo::new(path.display().to_string(), &facts)))
        }
        Request::CheckStore {} => Ok(Response::StoreChecked(store.check().map_err(store_refusal)?.into())),
        Request::BackUpStore { to } => {
            let made = store.backup(Path::new(to)).map_err(refusal)?;
            Ok(Response::StoreBackedUp { bytes: made.bytes, last_entry: made.last_entry })
        }
        Request::Mailboxes {} => {
            let facts = store.facts().map_err(store_refusal)?;
            let lines = facts.mailboxes.iter().filter_map(|mailbox| {
                let in_play = play.map(|play| play.is_stored(&mailbox.address));
                let is_planned = || play.is_some_and(|play| play.is_stored_in_plan(&mailbox.address));
                (mailbox.is_used() || is_planned()).then(|| StoredMailbox::new(mailbox, in_play))
            });
            Ok(Response::Mailboxes(lines.collect()))
        }
        Request::Messages { of, from, most } => page(store, of, *from, *most).map(Response::Messages),
        _ => Err(Refusal::new("refused", "only a running host does this")),
    }
}

fn page(store: &mut Inspection, of: &Address, from: u64, most: u64) -> Result<MessagesPage, Refusal> {
    let mailbox = mailbox(store, of)?;
    let mut read = store.messages(mailbox.id, from, PAGE_BYTES).map_err(store_refusal)?;
    read.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let next = read.last().map(|last| last.number + 1).filter(|next| *next <= mailbox.last_number);
    let messages = read.iter().map(|stored| {
        let message = Message::read(&stored.record).ok_or_else(|| no_record(of, stored.number))?;
        let from = store.address_of(message.envelope.sender).map_err(store_refusal)?;
        Ok(WaitingMessage::new(stored, message, from))
    });
    Ok(MessagesPage { waiting: mailbox.waiting, messages: messages.collect::<Result<_, Refusal>>()?, next })
}

/// Keys of an actor's state with their values, about a mebibyte of them.
fn entries(
    store: &mut Inspection,
    of: &Address,
    prefix: &str,
    after: Option<&str>,
) -> Result<Vec<StateEntry>, Refusal> {
    let actor = known(store, of)?.id;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for key in store.keys(actor, prefix, after, PAGE_KEYS).map_err(store_refusal)? {
        let Some(value) = store.value(actor, &key).map_err(store_refusal)? else { continue };
        bytes += key.len() + value.len();
        entries.push(StateEntry { key, value: Some(Body(value)) });
        if bytes >= RESPONSE_BYTES {
            break;
        }
    }
    Ok(entries)
}

/// The mailbox of an actor.
pub(super) fn mailbox(store: &Inspection, of: &Address) -> Result<MailboxFacts, Refusal> {
    let hint = "`playhouse mailbox list` shows those that are there";
    found(store, of)?.map_err(|near| {
        let hint = near.map_or_else(|| hint.to_owned(), |near| format!("did you mean `{near}`?"));
        Refusal::new("unknown-mailbox", format!("the store has no mailbox of `{of}`: {hint}"))
    })
}

/// The mailbox of an actor, for an import: it makes none.
fn receiver(store: &Inspection, to: &Address, path: &Path) -> Result<MailboxFacts, Refusal> {
    if let Some(facts) = store.mailbox(to).map_err(store_refusal)? {
        return Ok(facts);
    }
    let facts = store.facts().map_err(store_refusal)?;
    let used: Vec<_> = facts.mailboxes.iter().filter(|mailbox| mailbox.is_used()).collect();
    let some = used.iter().take(NAMED_MAILBOXES).map(|mailbox| format!("`{}`", mailbox.address));
    let there = match used.len() {
        0 => "none had messages yet".to_owned(),
        all => {
            let more = all.saturating_sub(NAMED_MAILBOXES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("it has those of {}{more}", some.collect::<Vec<_>>().join(", "))
        }
    };
    let way_out = format!("start the play with `{to}` in its manifest, and import into the running host");
    let list = format!("`playhouse mailbox list --store {}`", path.display());
    let why = format!("the store has no mailbox of `{to}`, and an import without a host makes none; {there} ({list})");
    Err(Refusal::new("unknown-mailbox", format!("{why}: import into one of them, or {way_out}")))
}

/// The facts about an actor that may have a state.
fn known(store: &Inspection, of: &Address) -> Result<MailboxFacts, Refusal> {
    found(store, of)?.map_err(|near| {
        let hint = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        Refusal::new("unknown-address", format!("the store has no actor `{of}`{hint}"))
    })
}

/// The facts about an actor; or the address of one that is almost the same.
fn found(store: &Inspection, of: &Address) -> Result<Result<MailboxFacts, Option<String>>, Refusal> {
    if let Some(facts) = store.mailbox(of).map_err(store_refusal)? {
        return Ok(Ok(facts));
    }
    let facts = store.facts().map_err(store_refusal)?;
    let known = facts.mailboxes.iter().map(|mailbox| mailbox.address.as_str());
    Ok(Err(nearest(of.as_str(), known).map(str::to_owned)))
}

/// The mailbox of an actor, and the numbers of the messages in it that have an id, or of all.
pub(super) fn wanted(
    store: &mut Inspection,
    of: &Address,
    id: Option<&str>,
) -> Result<(MailboxFacts, WaitingNumbers), Refusal> {
    let mailbox = mailbox(store, of)?;
    let Some(id) = id else {
        let numbers = store.numbers(mailbox.id).map_err(store_refusal)?;
        return Ok((mailbox, numbers));
    };
    let wanted = id.to_ascii_lowercase();
    let is_hex = wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    if wanted.is_empty() || wanted.len() > 32 || !is_hex {
        let why =
            format!("`{}` is no id of a message: an id has up to 32 of the digits 0-9 and a-f", id.escape_debug());
        return Err(Refusal::new("unknown-message", why));
    }
    let (mut found, mut numbers) = (None::<MessageId>, WaitingNumbers::default());
    let mut from = 0;
    loop {
        let read = store.messages(mailbox.id, from, PAGE_BYTES).map_err(store_refusal)?;
        let Some(last) = read.last() else { break };
        from = last.number + 1;
        for stored in &read {
            let message = Message::read(&stored.record).ok_or_else(|| no_record(of, stored.number))?;
            let id = message.envelope.id;
            if !id.to_string().starts_with(&wanted) {
                continue;
            }
            if let Some(other) = found.filter(|other| *other != id) {
                let why = format!("several messages of `{of}` begin with `{wanted}`, such as {other} and {id}");
                return Err(Refusal::new("ambiguous-message", format!("{why}: give more digits of the id")));
            }
            found = Some(id);
            match stored.due {
                Some(_) => numbers.held.push(stored.number),
                None => numbers.in_order.push(stored.number..stored.number + 1),
            }
        }
    }
    if numbers.count() == 0 {
        let hint = format!("`playhouse mailbox show {of}` shows those that wait");
        let why = format!("no message waits for `{of}` whose id begins with `{wanted}`: {hint}");
        return Err(Refusal::new("unknown-message", why));
    }
    Ok((mailbox, numbers))
}

/// The ids of the messages that wait in one mailbox, for the requests of an import: each reads only what came since the one before.
#[derive(Default)]
pub(super) struct WaitingIds {
    of: Option<ActorId>,
    /// The numbers of the messages, by their ids. Messages that have ended may be among them.
    numbers: HashMap<MessageId, u64>,
    /// The number from which on messages were not read.
    next: u64,
}

impl WaitingIds {
    /// Reads what came to a mailbox.
    fn update(&mut self, store: &mut Inspection, mailbox: &MailboxFacts) -> Result<(), Refusal> {
        let has_too_many = self.numbers.len() as u64 > 2 * mailbox.waiting + MOST_ENDED_IDS;
        if self.of != Some(mailbox.id) || has_too_many {
            *self = Self { of: Some(mailbox.id), ..Self::default() };
        }
        loop {
            let read = store.messages(mailbox.id, self.next, PAGE_BYTES).map_err(store_refusal)?;
            let Some(last) = read.last() else { return Ok(()) };
            self.next = last.number + 1;
            for stored in &read {
                let message = Message::read(&stored.record);
                let message = message.ok_or_else(|| no_record(&mailbox.address, stored.number))?;
                self.numbers.insert(message.envelope.id, stored.number);
            }
        }
    }
}

/// The messages whose ids do not wait in a mailbox, each once, and the number of the others.
pub(super) fn new_messages(
    store: &mut Inspection,
    to: &Address,
    lines: &[PortableLine],
    ids: &mut WaitingIds,
) -> Result<(Vec<PortableMessage>, u64), Refusal> {
    let mut messages = Vec::with_capacity(lines.len());
    for line in lines {
        let message = line.clone().message().map_err(|error| Refusal::new("malformed", error.to_string()))?;
        messages.push(message);
    }
    let before = messages.len();
    let mut own = HashSet::new();
    messages.retain(|message| own.insert(message.id));
    if let Some(mailbox) = store.mailbox(to).map_err(store_refusal)? {
        ids.update(store, &mailbox)?;
        if messages.iter().any(|message| ids.numbers.contains_key(&message.id)) {
            let waiting = store.numbers(mailbox.id).map_err(store_refusal)?;
            let waits = |id: &MessageId| ids.numbers.get(id).is_some_and(|number| waiting.contains(*number));
            messages.retain(|message| !waits(&message.id));
        }
    }
    let left_out = before - messages.len();
    Ok((messages, left_out as u64))
}

fn no_record(of: &Address, number: u64) -> Refusal {
    store_refusal(StoreError::Damaged { at: format!("message {number} of `{of}`") })
}

/// The error, for operators and for programs.
pub(super) fn refusal(error: OrderError) -> Refusal {
    match error {
        OrderError::Store(error) => store_refusal(error),
        error @ OrderError::BadBackup { .. } => Refusal::new("store-damaged", error.to_string()),
        error @ OrderError::Unwritten { .. } => Refusal::new("store-failed", error.to_string()),
        error => Refusal::new("refused", error.to_string()),
    }
}

pub(super) fn store_refusal(error: StoreError) -> Refusal {
    let kind = match &error {
        StoreError::Damaged { .. } => "store-damaged",
        StoreError::Newer { .. } => "store-newer",
        StoreError::Taken { .. } => "store-taken",
        StoreError::Full(_) | StoreError::Failed(_) => "store-failed",
    };
    Refusal::new(kind, error.to_string())
}
