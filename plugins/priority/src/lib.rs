//! Shows a mailbox plugin: urgent messages first, those of one priority in the order in which they came. When the mailbox is
//! full, the least urgent message is dropped, and of several the latest.
//!
//! - Config: `field`, the name of a JSON body's field with the priority, an integer or its text; without it, the
//!   number that the body begins with, as in `7 fix the roof`. `first`, `"highest"` (the default) or `"lowest"`: the numbers
//!   that are urgent. `default`, the priority of a body that has none; 0 if not given. `look`, the bytes of a body that are
//!   read; 1024.
//! - No message starves: the host's `overtakes` bounds the number of later messages that are taken before it.

mod field;

use std::collections::BTreeMap;

use anyhow::bail;
use playhouse_sdk::mailbox::{Arrivals, Key, Mailbox, Rules, Settings, Taking, WhenFull};
use playhouse_sdk::{Result, export_mailbox};

#[derive(Default)]
struct Priority {
    rule: Rule,
    /// The most urgent first, then in the order in which they came; with the size of each in the mailbox.
    waiting: BTreeMap<(Urgency, Key), u64>,
}

/// The order of a message: a smaller value is taken sooner.
type Urgency = i64;

#[derive(Default)]
struct Rule {
    field: Option<String>,
    lowest_first: bool,
    default: i64,
}

impl Rule {
    fn urgency(&self, prefix: &[u8]) -> Urgency {
        let found = match &self.field {
            Some(field) => field::number(prefix, field),
            None => leading_number(prefix),
        };
        let priority = found.unwrap_or(self.default);
        if self.lowest_first { priority } else { priority.saturating_neg() }
    }
}

/// The integer that a body begins with.
fn leading_number(body: &[u8]) -> Option<i64> {
    let sign = usize::from(body.first() == Some(&b'-'));
    let digits = body[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&body[..sign + digits]).ok()?.parse().ok()
}

impl Mailbox for Priority {
    fn policy(&mut self, settings: &Settings) -> Result<Rules> {
        for key in settings.config.keys() {
            if !["field", "first", "default", "look"].contains(&key.as_str()) {
                bail!("`{key}` in the mailbox's config: the keys are `field`, `first`, `default` and `look`");
            }
        }
        let lowest_first = match settings.config.get("first").map(String::as_str) {
            None | Some("highest") => false,
            Some("lowest") => true,
            Some(other) => bail!("`first = {other:?}` in the mailbox's config: it is \"highest\" or \"lowest\""),
        };
        let default = settings.read("default")?.unwrap_or(0);
        self.rule = Rule { field: settings.config.get("field").cloned(), lowest_first, default };
        Ok(Rules { when_full: WhenFull::Choose, prefix_bytes: settings.read("look")?.unwrap_or(1024) })
    }

    fn put(&mut self, arrivals: &Arrivals) -> Vec<Key> {
        for arrival in arrivals.iter() {
            // The body of a notice has a format of the kernel's own, and no priority.
            let prefix = if arrival.is_notice() { &[] } else { arrival.prefix };
            self.waiting.insert((self.rule.urgency(prefix), arrival.key), arrival.size());
        }
        let mut excess = arrivals.excess();
        let mut dropped = Vec::new();
        while excess.is_some()
            && let Some(((_, key), size)) = self.waiting.pop_last()
        {
            excess.goes(size);
            dropped.push(key);
        }
        dropped
    }

    fn take(&mut self, taking: Taking) -> Vec<Key> {
        let overdue = taking.overdue.and_then(|key| self.waiting.keys().find(|(_, other)| *other == key).copied());
        let mut keys = Vec::with_capacity(taking.most.min(self.waiting.len()));
        if let Some(place) = overdue {
            self.waiting.remove(&place);
            keys.push(place.1);
        }
        while keys.len() < taking.most
            && let Some(((_, key), _)) = self.waiting.pop_first()
        {
            keys.push(key);
        }
        keys
    }

    fn size(&self) -> usize {
        self.waiting.len()
    }
}

export_mailbox!(Priority);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::MailboxHarness;

    use super::*;

    #[test]
    fn urgent_messages_come_first_and_ties_in_their_order() -> Result {
        let mut mailbox = MailboxHarness::<Priority>::start(10, [])?;
        mailbox.put(["1 a", "5 b", "no number", "-3 c", "5 d", "1 e"]);
        assert_eq!(mailbox.take(2), ["5 b", "5 d"]);
        mailbox.put(["9 f"]);
        assert_eq!(mailbox.take(10), ["9 f", "1 a", "1 e", "no number", "-3 c"]);
        Ok(())
    }

    #[test]
    fn priority_may_be_a_json_field_with_the_lowest_first() -> Result {
        let mut mailbox =
            MailboxHarness::<Priority>::start(10, [("field", "level"), ("first", "lowest"), ("default", "2")])?;
        mailbox.put([r#"{"level": 3}"#, "no JSON", r#"{"text": "x", "level": "1"}"#]);
        assert_eq!(mailbox.take(10), [r#"{"text": "x", "level": "1"}"#, "no JSON", r#"{"level": 3}"#]);
        Ok(())
    }

    #[test]
    fn full_mailbox_drops_the_least_urgent_and_latest() -> Result {
        let mut mailbox = MailboxHarness::<Priority>::start(2, [])?;
        mailbox.put(["1 a", "1 b", "2 c", "0 d"]);
        assert_eq!(mailbox.dropped(), ["0 d", "1 b"]);
        assert_eq!(mailbox.take(10), ["2 c", "1 a"]);
        Ok(())
    }

    #[test]
    fn overdue_message_is_taken_first() -> Result {
        let mut mailbox = MailboxHarness::<Priority>::start(10, [])?;
        mailbox.put(["0 old", "1 a", "2 b"]);
        assert_eq!(mailbox.take_overdue(2), ["0 old", "2 b"]);
        Ok(())
    }

    #[test]
    fn wrong_config_is_an_error_that_names_the_key() {
        for (key, value, says) in [
            ("first", "fastest", "`first = \"fastest\"` in the mailbox's config: it is \"highest\" or \"lowest\""),
            ("default", "x", "`default = \"x\"` in the mailbox's config: invalid digit found in string"),
            ("urgent", "1", "`urgent` in the mailbox's config: the keys are `field`, `first`, `default` and `look`"),
        ] {
            let error = MailboxHarness::<Priority>::start(1, [(key, value)]).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(says));
        }
    }
}
