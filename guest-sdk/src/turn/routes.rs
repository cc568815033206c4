//! The routes of the addresses that an actor has sent to.

use super::current::CurrentMessage;
use super::host::{Route, TurnHost};
use crate::errors::SendError;

/// Addresses by the text that the actor used for them, each resolved once.
pub(super) struct Routes {
    /// Sorted by text: a search allocates nothing, and needs no hash of an address each time.
    known: Vec<(Box<str>, Route)>,
    /// The index of the route that was used last, which is likely the next one.
    last: usize,
    /// The last route that only messages of one sender may use, after its text and that sender.
    pub(super) one_sender: Option<(Box<str>, u64, Route)>,
}

impl Routes {
    pub(super) const fn new() -> Self {
        Self { known: Vec::new(), last: 0, one_sender: None }
    }

    #[inline]
    pub(super) fn find(
        &mut self,
        host: &impl TurnHost,
        to: &str,
        message: &CurrentMessage,
    ) -> Result<Route, SendError> {
        match self.known.get(self.last) {
            Some((text, route)) if same(text, to) => Ok(*route),
            _ => self.search(host, to, message),
        }
    }

    /// Forgets the routes of stopped actors: the next actor with the same address has another route.
    pub(super) fn forget(&mut self, stopped: &[u32]) {
        if !stopped.is_empty() {
            self.known.retain(|(_, route)| !stopped.contains(&route.number));
            self.one_sender = None;
        }
    }

    fn search(&mut self, host: &impl TurnHost, to: &str, message: &CurrentMessage) -> Result<Route, SendError> {
        let at = match self.known.binary_search_by(|(text, _)| (**text).cmp(to)) {
            Ok(at) => {
                self.last = at;
                return Ok(self.known[at].1);
            }
            Err(at) => at,
        };
        let sender = message.header().sender;
        match &self.one_sender {
            Some((text, from, route)) if **text == *to && *from == sender => return Ok(*route),
            _ => {}
        }
        let route = host.resolve(to, message.index)?;
        if route.lasting {
            self.known.insert(at, (to.into(), route));
            self.last = at;
        } else {
            self.one_sender = Some((to.into(), sender, route));
        }
        Ok(route)
    }
}

/// Whether two addresses, or two names, are the same text. For short texts in a guest, this is faster than a call of `memcmp`.
#[inline]
pub(super) fn same(one: &str, other: &str) -> bool {
    let ((one, one_tail), (other, other_tail)) = (one.as_bytes().as_chunks::<8>(), other.as_bytes().as_chunks::<8>());
    one_tail.len() == other_tail.len()
        && one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one == other)
        && one_tail.iter().zip(other_tail).all(|(one, other)| one == other)
}
