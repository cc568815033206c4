//! What a watcher is told about another actor: a notice, which comes as a message of the kernel's in the watcher's mailbox, after
//! all that the other one had sent it. Who watches whom is kept by `supervision`.

use crate::address::{Address, AddressError};
use crate::hand::Overrun;
use crate::message::{ActorId, Envelope, MessageId, ReplyToken};

/// Something became of an actor that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The number that the watch was given.
    pub watch: u64,
    /// Who is watched.
    pub address: Address,
    /// The latest run of it; 0 when there was none.
    pub incarnation: u64,
    /// What became of it.
    pub change: Change,
}

/// What became of an actor that is watched; of each of its instances, if it has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is up: for the first time, after a failure, or after a stop.
    Started,
    /// It failed: it crashed, did not come up, or gave up on its children. A word for why, and a text for people.
    Crashed(String, String),
    /// It was stopped, and may start again.
    Stopped {
        /// By a person, who alone starts it again.
        by_person: bool,
    },
    /// It is not started again, unless its parent is.
    Ended,
    /// There is no such actor any more, or never was. Nothing more comes of this watch.
    Gone,
}

/// Why an actor is not watched. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Not an address.
    #[error(transparent)]
    BadAddress(#[from] AddressError),
    /// Neither its parent, nor below it, nor somebody it may send to.
    #[error("`{from}` may not watch `{to}`: add it to `sends_to` of `{from}`")]
    NotGranted {
        /// Who wanted to watch.
        from: Address,
        /// Whom.
        to: Address,
    },
    /// As many watches as there may be.
    #[error("`{actor}` has all {most} watches that `limits.watches` allows")]
    TooManyWatches {
        /// Whose.
        actor: Address,
        /// How many.
        most: usize,
    },
    /// Nobody would read its notices: its code takes none, or it has several instances.
    #[error("`{0}` takes no notices: it needs the export `watcher`, and one instance")]
    NotAWatcher(Address),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
}

/// Which run of which actor watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Watcher {
    pub(crate) actor: ActorId,
    pub(crate) incarnation: u64,
}

impl Notice {
    /// The message that it comes as: the `number`-th of its watcher's run. Its body is text, for whoever finds it among the dead letters.
    pub(crate) fn message(&self, watcher: &Address, incarnation: u64, number: u64) -> (Envelope, Vec<u8>) {
        let id = MessageId::seeded(watcher.as_str(), incarnation).caused(u64::MAX).caused(number);
        let (sender, reply) = (ActorId::NOTICE, ReplyToken::NONE);
        let envelope = Envelope { id, sender, flow: id.flow(), hops: 0, attempt: 0, reply };
        let (kind, more, text) = match &self.change {
            Change::Started => ("started", "", ""),
            Change::Crashed(kind, reason) => ("crashed", kind.as_str(), reason.as_str()),
            Change::Stopped { by_person: true } => ("stopped", "person", ""),
            Change::Stopped { by_person: false } => ("stopped", "", ""),
            Change::Ended => ("ended", "", ""),
            Change::Gone => ("gone", "", ""),
        };
        let Self { watch, address, incarnation: run, .. } = self;
        (envelope, format!("{incarnation}\n{watch}\n{address}\n{run}\n{kind}\n{more}\n{text}").into_bytes())
    }

    /// Reads back what [`Notice::message`] wrote, and for which run of the watcher. Only for messages of [`ActorId::NOTICE`].
    pub(crate) fn read(body: &[u8]) -> Option<(u64, Self)> {
        let mut fields = std::str::from_utf8(body).ok()?.splitn(7, '\n');
        let mut next = || fields.next();
        let (incarnation, watch) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let (address, run) = (Address::parse(next()?).ok()?, next()?.parse().ok()?);
        let (kind, more, text) = (next()?, next()?, next()?);
        let change = match kind {
            "started" => Change::Started,
            "crashed" => Change::Crashed(more.to_owned(), text.to_owned()),
            "stopped" => Change::Stopped { by_person: more == "person" },
            "ended" => Change::Ended,
            _ => Change::Gone,
        };
        Some((incarnation, Self { watch, address, incarnation: run, change }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_back_from_its_message() {
        let changes = [
            Change::Started,
            Change::Crashed("panic".into(), "two\nlines".into()),
            Change::Stopped { by_person: true },
            Change::Stopped { by_person: false },
            Change::Ended,
            Change::Gone,
        ];
        let address = Address::parse("/a/b").expect("good");
        for change in changes {
            let notice = Notice { watch: 7, address: address.clone(), incarnation: 3, change };
            let (_, body) = notice.message(&address, 5, 1);
            assert_eq!(Notice::read(&body), Some((5, notice)));
        }
    }
}
