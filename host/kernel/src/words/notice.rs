//! Notices to a watcher about another actor. A notice comes as a message of the kernel in the watcher's mailbox, after all
//! messages that the other actor sent before. The module `supervision` keeps the watches.

use crate::words::address::{Address, AddressError};
use playhouse_frame::Parts;

use crate::words::message::{ActorId, Envelope, MessageId, ReplyToken};
use crate::words::overrun::Overrun;

/// A change of an actor that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The id of the watch.
    pub watch: u64,
    /// The watched actor.
    pub address: Address,
    /// The number of its latest run; 0 when there was none.
    pub incarnation: u64,
    /// The change.
    pub change: Change,
}

/// A change of an actor that is watched; of each of its instances, if it has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It started: for the first time, after a failure, or after a stop.
    Started,
    /// It failed: it crashed, did not start, or gave up on its children. The kind of the reason, and a text for operators.
    Crashed(String, String),
    /// It was stopped, and may start again.
    Stopped {
        /// Whether an operator stopped it, so that only an operator starts it again.
        by_operator: bool,
    },
    /// It is not started again, unless its parent is.
    Ended,
    /// The actor does not exist any more, or never did. The watch sends no more notices.
    Gone,
}

/// Why an actor is not watched. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Not an address.
    #[error(transparent)]
    BadAddress(#[from] AddressError),
    /// The target is neither the actor's parent, nor below it, nor granted by `sends_to`.
    #[error("`{from}` may not watch `{to}`: add it to `sends_to` of `{from}`")]
    NotGranted {
        /// The actor that wanted to watch.
        from: Address,
        /// The actor to be watched.
        to: Address,
    },
    /// The actor has all watches that its limit allows.
    #[error("`{actor}` has all {most} watches that `limits.watches` allows")]
    TooManyWatches {
        /// The actor.
        actor: Address,
        /// The limit.
        most: usize,
    },
    /// The actor cannot read notices: its code takes none, or it has several instances.
    #[error("`{0}` takes no notices: it needs the export `watcher`, and one instance")]
    NotAWatcher(Address),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
}

/// The kind of a notice of a run that was lost with its host.
pub(crate) const HOST_DIED: &str = "host-died";

/// The actor and the incarnation that watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Watcher {
    pub(crate) actor: ActorId,
    pub(crate) incarnation: u64,
}

impl Watcher {
    /// Stands for all incarnations of an actor, in all runs of the host.
    const ALL_INCARNATIONS: u64 = 0;

    /// For watches that belong to the actor.
    pub(crate) fn kept(actor: ActorId) -> Self {
        Self { actor, incarnation: Self::ALL_INCARNATIONS }
    }

    /// Whether the watch belongs to the actor, and not to one of its incarnations.
    pub(crate) fn is_kept(self) -> bool {
        self.incarnation == Self::ALL_INCARNATIONS
    }
}

impl Notice {
    /// The message of this notice: the `number`-th of the run of the host with this seed. Its body is text, which is readable among the
    /// dead letters.
    pub(crate) fn message(
        &self,
        (watcher, incarnation): (&Address, u64),
        (run_seed, number): (u64, u64),
    ) -> (Envelope, Vec<u8>) {
        let id = MessageId::seeded(watcher.as_str(), incarnation).caused(u64::MAX).caused(run_seed).caused(number);
        let (sender, reply) = (ActorId::NOTICE, ReplyToken::NONE);
        let envelope = Envelope { id, sender, flow: id.flow(), hops: 0, attempt: 0, reply, parts: Parts::NONE };
        let (kind, more, text) = match &self.change {
            Change::Started => ("started", "", ""),
            Change::Crashed(kind, reason) => ("crashed", kind.as_str(), reason.as_str()),
            Change::Stopped { by_operator: true } => ("stopped", "operator", ""),
            Change::Stopped { by_operator: false } => ("stopped", "", ""),
            Change::Ended => ("ended", "", ""),
            Change::Gone => ("gone", "", ""),
        };
        let Self { watch, address, incarnation: run, .. } = self;
        (envelope, format!("{incarnation}\n{watch}\n{address}\n{run}\n{kind}\n{more}\n{text}").into_bytes())
    }

    /// Decodes the result of [`Notice::message`], with the run of the watcher. Only for messages of [`ActorId::NOTICE`].
    pub(crate) fn read(body: &[u8]) -> Option<(u64, Self)> {
        let mut fields = std::str::from_utf8(body).ok()?.splitn(7, '\n');
        let mut next = || fields.next();
        let (incarnation, watch) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let (address, run) = (Address::parse(next()?).ok()?, next()?.parse().ok()?);
        let (kind, more, text) = (next()?, next()?, next()?);
        let change = match kind {
            "started" => Change::Started,
            "crashed" => Change::Crashed(more.to_owned(), text.to_owned()),
            "stopped" => Change::Stopped { by_operator: more == "operator" },
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
            Change::Stopped { by_operator: true },
            Change::Stopped { by_operator: false },
            Change::Ended,
            Change::Gone,
        ];
        let address = Address::parse("/a/b").expect("good");
        for change in changes {
            let notice = Notice { watch: 7, address: address.clone(), incarnation: 3, change };
            let (_, body) = notice.message((&address, 5), (1, 1));
            assert_eq!(Notice::read(&body), Some((5, notice)));
        }
    }
}
