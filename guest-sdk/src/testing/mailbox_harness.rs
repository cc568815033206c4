//! The harness for native tests of a mailbox plugin: it keeps the bodies, as the host does, and enforces the same rules on the
//! plugin's results.

use std::collections::BTreeMap;

use crate::envelope::FlowId;
use crate::mailbox::arrivals::{Arrivals, Entry, Excess, Key};
use crate::mailbox::{Mailbox, Rules, Settings, Taking, WhenFull};
use crate::result::Result;

/// One mailbox with its plugin. A breach of the contract is a panic that names the breach.
#[derive(Debug)]
pub struct MailboxHarness<M> {
    mailbox: M,
    rules: Rules,
    settings: Settings,
    waiting: BTreeMap<Key, Vec<u8>>,
    next: Key,
    dropped: Vec<String>,
}

impl<M: Mailbox> MailboxHarness<M> {
    /// Starts the plugin for the mailbox of an actor `/actor`, which holds `capacity` messages and 16 MiB.
    ///
    /// # Errors
    /// The error that `policy` returns.
    pub fn start<const N: usize>(capacity: usize, config: [(&str, &str); N]) -> Result<Self> {
        let settings = Settings {
            address: "/actor".into(),
            capacity: capacity as u64,
            capacity_bytes: 16 << 20,
            config: config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        };
        let mut mailbox = M::default();
        let rules = mailbox.policy(&settings)?;
        Ok(Self { mailbox, rules, settings, waiting: BTreeMap::new(), next: 1, dropped: Vec::new() })
    }

    /// The rules that `policy` returned.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Puts messages from outside, in one call. For a plugin that does not choose, they must fit into the mailbox.
    pub fn put<B: AsRef<[u8]>>(&mut self, bodies: impl IntoIterator<Item = B>) {
        let mut arrivals = Arrivals::default();
        for body in bodies {
            let body = body.as_ref();
            arrivals.prefixes.extend_from_slice(&body[..body.len().min(self.rules.prefix_bytes as usize)]);
            arrivals.entries.push(Entry {
                key: self.next,
                sender: 0,
                flow: FlowId(u128::from(self.next)),
                hops: 0,
                asked: false,
                bytes: body.len() as u32,
                prefix_end: arrivals.prefixes.len() as u32,
            });
            self.waiting.insert(self.next, body.to_vec());
            self.next += 1;
        }
        let too_many = (self.waiting.len() as u64).saturating_sub(self.settings.capacity) as u32;
        let chooses = self.rules.when_full == WhenFull::Choose;
        assert!(
            chooses || too_many == 0,
            "the mailbox is full for {too_many} of the messages, and the plugin does not choose"
        );
        arrivals.excess = Excess { messages: too_many, bytes: 0 };
        let keys = self.mailbox.put(&arrivals);
        assert!(keys.len() >= too_many as usize, "it dropped {} messages, and had to drop {too_many}", keys.len());
        let dropped: Vec<_> = keys.into_iter().map(|key| self.remove(key)).collect();
        self.dropped.extend(dropped);
        self.check_size();
    }

    /// Takes at most `most` messages, and returns their bodies as text. The plugin is not called if no message waits.
    pub fn take(&mut self, most: usize) -> Vec<String> {
        self.take_with(most, None)
    }

    /// As [`MailboxHarness::take`], when the message that came first is overdue.
    pub fn take_overdue(&mut self, most: usize) -> Vec<String> {
        self.take_with(most, self.waiting.keys().next().copied())
    }

    fn take_with(&mut self, most: usize, overdue: Option<Key>) -> Vec<String> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let keys = self.mailbox.take(Taking { most, overdue });
        assert!(!keys.is_empty(), "it has {} messages, and returned none", self.waiting.len());
        assert!(keys.len() <= most, "it returned {} messages, and may return {most}", keys.len());
        let held_back = overdue.filter(|overdue| !keys.contains(overdue));
        assert_eq!(held_back, None, "it did not return the overdue message");
        let bodies = keys.into_iter().map(|key| self.remove(key)).collect();
        self.check_size();
        bodies
    }

    /// The bodies of the messages dropped so far, as text, in the order of the drops.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    fn remove(&mut self, key: Key) -> String {
        let body = self
            .waiting
            .remove(&key)
            .unwrap_or_else(|| panic!("it returned the message {key}, which it does not have"));
        String::from_utf8_lossy(&body).into_owned()
    }

    fn check_size(&self) {
        let (says, has) = (self.mailbox.size(), self.waiting.len());
        assert_eq!(says, has, "its size is {says} messages, and it has {has}");
    }
}
