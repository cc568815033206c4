//! The messages of a mailbox while a policy decides about them: the kernel holds them under their keys, in order of arrival.
//! Messages that the policy gave out are in the mailbox's log, where the instances take them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use playhouse_frame::HEADER_BYTES;

use crate::mailbox::message_log::MessageLog;
use crate::mailbox::policy::{
    Arrivals, Entry, Excess, Key, MOST_PREFIX_BYTES, PolicySpec, PolicyState, PolicyView, Rules, WhenFull,
};
use crate::mailbox::spec::MailboxSpec;
use crate::words::message::{Message, kept_number};

/// Most messages that one call tells a policy about.
const MOST_ARRIVALS: usize = 256;
/// Most bytes of bodies that one call shows, after the first message.
const MOST_SHOWN_BYTES: usize = 1 << 20;
/// While a policy chooses messages to drop, this many messages and bytes, or one larger message, are accepted beyond the
/// mailbox's bounds: the policy must see the messages it chooses from.
pub(super) const CHOICE_MESSAGES: usize = 64;
pub(super) const CHOICE_BYTES: usize = 1 << 20;

/// The messages and the state that a mailbox keeps for its policy. Its many fields change together, under the mailbox's lock.
pub(super) struct Order {
    pub(super) spec: PolicySpec,
    pub(super) state: PolicyState,
    pub(super) rules: Rules,
    held: BTreeMap<Key, Held>,
    /// Bytes of `held`, headers included.
    bytes: usize,
    /// The first key that the current run of the policy was not told about.
    told: Key,
    /// Number of messages that it was told about and has not given out; and their bytes.
    told_messages: usize,
    told_bytes: usize,
    next_key: Key,
    /// Messages given out so far.
    given: u64,
    /// Counts up when the mailbox closes: a policy driver of an earlier generation ends.
    pub(super) generation: u64,
    /// The waker of the policy driver, when it waits.
    pub(super) driver: Option<Waker>,
    pub(super) crashes: u64,
    pub(super) last_crash: Option<String>,
    /// How many messages the mailbox had accepted when the policy was given up.
    pub(super) given_up_after: u64,
}

struct Held {
    message: Message,
    /// The number of messages that were given out before it came.
    since: u64,
}

impl Held {
    fn bytes(&self) -> usize {
        self.message.content_bytes() + HEADER_BYTES
    }
}

/// A breach of the contract by a policy, as a text that continues "it ...".
pub(super) type Breach = String;

impl Order {
    pub(super) fn new(spec: PolicySpec) -> Self {
        Self {
            spec,
            state: PolicyState::Starting,
            rules: Rules { when_full: WhenFull::Block, prefix_bytes: 0 },
            held: BTreeMap::new(),
            bytes: 0,
            told: 0,
            told_messages: 0,
            told_bytes: 0,
            next_key: 1,
            given: 0,
            generation: 0,
            driver: None,
            crashes: 0,
            last_crash: None,
            given_up_after: 0,
        }
    }

    /// Whether new messages come in here, and not directly into the log.
    pub(super) fn decides(&self) -> bool {
        self.state != PolicyState::GaveUp
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the policy still decides about this message.
    pub(super) fn holds(&self, key: Key) -> bool {
        self.held.contains_key(&key)
    }

    /// Messages that the policy was not told about yet.
    fn fresh(&self) -> usize {
        self.held.len() - self.told_messages
    }

    /// Whether the policy may choose now which messages are dropped.
    pub(super) fn chooses(&self) -> bool {
        self.state == PolicyState::Running && self.spec.overflow.is_none() && self.rules.when_full == WhenFull::Choose
    }

    pub(super) fn arrive(&mut self, message: Message) {
        let held = Held { message, since: self.given };
        self.bytes += held.bytes();
        self.held.insert(self.next_key, held);
        self.next_key = kept_number(self.next_key + 1);
    }

    /// Whether the policy driver has work: to tell about messages, or to give some to instances that want them.
    pub(super) fn has_work(&self, wanted: usize) -> bool {
        self.fresh() > 0 || wanted > 0 && self.told_messages > 0
    }

    /// The key that the next message gets.
    pub(super) fn next_key(&self) -> Key {
        self.next_key
    }

    /// The next messages before `end` that the run was not told about; false when there are none. From now on they count as
    /// told.
    pub(super) fn tell(&mut self, end: Key, log: &MessageLog, bounds: &MailboxSpec, arrivals: &mut Arrivals) -> bool {
        let prefixes = Arc::make_mut(&mut arrivals.prefixes);
        prefixes.clear();
        arrivals.entries.clear();
        let most_prefix = self.rules.prefix_bytes.min(MOST_PREFIX_BYTES) as usize;
        for (&key, held) in self.held.range(self.told..end) {
            let Message { envelope, body, .. } = &held.message;
            let prefix = &body[..body.len().min(most_prefix)];
            let full = arrivals.entries.len() == MOST_ARRIVALS || prefixes.len() + prefix.len() > MOST_SHOWN_BYTES;
            if full && !arrivals.entries.is_empty() {
                break;
            }
            prefixes.extend_from_slice(prefix);
            arrivals.entries.push(Entry {
                key,
                sender: envelope.sender.0,
                flow: envelope.flow,
                hops: envelope.hops,
                asked: envelope.reply.is_ask(),
                bytes: u32::try_from(held.message.content_bytes()).unwrap_or(u32::MAX),
                prefix_end: u32::try_from(prefixes.len()).expect("far less is shown"),
            });
            self.told = key + 1;
            self.told_messages += 1;
            self.told_bytes += held.bytes();
        }
        arrivals.excess = if self.chooses() { self.excess(log, bounds) } else { Excess::NONE };
        !arrivals.entries.is_empty()
    }

    /// How much of the messages that the run was told about is too much. One message always fits.
    fn excess(&self, log: &MessageLog, bounds: &MailboxSpec) -> Excess {
        if self.told_messages + log.len() <= 1 {
            return Excess::NONE;
        }
        let messages = (self.told_messages + log.len()).saturating_sub(bounds.capacity).min(self.told_messages);
        let bytes = (self.told_bytes + log.bytes()).saturating_sub(bounds.capacity_bytes).min(self.told_bytes);
        Excess { messages: u32::try_from(messages).unwrap_or(u32::MAX), bytes: bytes as u64 }
    }

    /// Removes the messages that the run drops.
    pub(super) fn drop_these(&mut self, keys: &[Key], excess: Excess) -> Result<Vec<Message>, Breach> {
        let dropped = self.remove(keys, "dropped")?;
        let bytes: usize = dropped.iter().map(Held::bytes).sum();
        if dropped.len() < excess.messages as usize || (bytes as u64) < excess.bytes {
            let Excess { messages, bytes: wanted } = excess;
            let breach =
                format!("dropped {} messages of {bytes} bytes, and {messages} of {wanted} had to go", dropped.len());
            self.restore(keys, dropped);
            return Err(breach);
        }
        Ok(dropped.into_iter().map(|held| held.message).collect())
    }

    /// The message after which more messages were given out than may overtake it.
    pub(super) fn overdue(&self, bounds: &MailboxSpec) -> Option<Key> {
        let (&key, held) = self.held.first_key_value()?;
        let patience = self.spec.overtakes.saturating_add(bounds.capacity as u64);
        (key < self.told && self.given - held.since > patience).then_some(key)
    }

    /// How many messages the run may be asked for.
    pub(super) fn available(&self) -> usize {
        self.told_messages
    }

    /// Moves the messages that the run gives out into the log, where instances take them.
    pub(super) fn give(
        &mut self,
        keys: &[Key],
        most: u32,
        overdue: Option<Key>,
        log: &mut MessageLog,
    ) -> Result<(), Breach> {
        if keys.len() > most as usize {
            return Err(format!("gave {} messages, and was asked for at most {most}", keys.len()));
        }
        if keys.is_empty() && self.told_messages > 0 {
            return Err(format!("gave none of the {} messages that it has", self.told_messages));
        }
        if let Some(overdue) = overdue.filter(|overdue| !keys.contains(overdue)) {
            return Err(format!("held back the message {overdue}, which was overdue"));
        }
        for held in self.remove(keys, "gave")? {
            log.append(&held.message.envelope, &held.message.payload());
        }
        self.given += keys.len() as u64;
        Ok(())
    }

    /// Checks that the run has as many messages as it should.
    pub(super) fn check_size(&self, size: u64) -> Result<(), Breach> {
        if size == self.told_messages as u64 {
            return Ok(());
        }
        Err(format!("says that it has {size} messages, and it has {}", self.told_messages))
    }

    /// Removes messages that the run was told about: all of them, or none.
    fn remove(&mut self, keys: &[Key], verb: &str) -> Result<Vec<Held>, Breach> {
        let mut removed = Vec::with_capacity(keys.len());
        for &key in keys {
            let known = if key < self.told { self.held.remove(&key) } else { None };
            let Some(held) = known else {
                let doubled = keys[..removed.len()].contains(&key);
                self.restore(keys, removed);
                let why = if doubled { "twice" } else { "which it does not have" };
                return Err(format!("{verb} the message {key}{} {why}", if doubled { "" } else { "," }));
            };
            self.count(&held, false);
            removed.push(held);
        }
        Ok(removed)
    }

    fn restore(&mut self, keys: &[Key], removed: Vec<Held>) {
        for (&key, held) in keys.iter().zip(removed) {
            self.count(&held, true);
            self.held.insert(key, held);
        }
    }

    fn count(&mut self, held: &Held, back: bool) {
        let bytes = held.bytes();
        if back {
            self.bytes += bytes;
            self.told_bytes += bytes;
            self.told_messages += 1;
        } else {
            self.bytes -= bytes;
            self.told_bytes -= bytes;
            self.told_messages -= 1;
        }
    }

    /// Makes all messages new to the next run.
    pub(super) fn tell_all_again(&mut self) {
        self.told = 0;
        self.told_messages = 0;
        self.told_bytes = 0;
    }

    /// Removes all messages, in order of arrival.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Message> + use<> {
        self.tell_all_again();
        self.bytes = 0;
        std::mem::take(&mut self.held).into_values().map(|held| held.message)
    }

    pub(super) fn view(&self) -> PolicyView {
        PolicyView {
            plugin: self.spec.launcher.plugin().to_owned(),
            state: self.state,
            crashes: self.crashes,
            last_crash: self.last_crash.clone(),
        }
    }
}
