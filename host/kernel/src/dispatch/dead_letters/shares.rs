//! The share of each actor in the store of dead letters, and the letter that is evicted first when the store is full.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use rustc_hash::FxBuildHasher;

use crate::words::message::ActorId;

/// The shares of all actors that have letters.
#[derive(Default)]
pub(super) struct Shares {
    of: HashMap<ActorId, Share, FxBuildHasher>,
    /// The actors with a letter that may be evicted, by number of letters and by bytes. Of two equal ones, the actor with the
    /// older letter comes last.
    by_letters: BTreeSet<Place>,
    by_bytes: BTreeSet<Place>,
}

type Place = (usize, Reverse<u64>, ActorId);

#[derive(Default)]
struct Share {
    letters: usize,
    bytes: usize,
    /// The numbers of the letters that may be evicted.
    free: BTreeSet<u64>,
}

impl Share {
    /// Its places by letters and by bytes; none when no letter may be evicted.
    fn places(&self, owner: ActorId) -> Option<(Place, Place)> {
        let oldest = Reverse(*self.free.first()?);
        Some(((self.letters, oldest, owner), (self.bytes, oldest, owner)))
    }
}

impl Shares {
    pub(super) fn add(&mut self, owner: ActorId, number: u64, bytes: usize) {
        self.change(owner, |share| {
            share.letters += 1;
            share.bytes += bytes;
            share.free.insert(number);
        });
    }

    pub(super) fn remove(&mut self, owner: ActorId, number: u64, bytes: usize) {
        self.change(owner, |share| {
            share.letters -= 1;
            share.bytes -= bytes;
            share.free.remove(&number);
        });
    }

    /// Protects the letter from eviction for now.
    pub(super) fn hold(&mut self, owner: ActorId, number: u64) {
        self.change(owner, |share| {
            share.free.remove(&number);
        });
    }

    /// Lets the letter be evicted again.
    pub(super) fn release(&mut self, owner: ActorId, number: u64) {
        self.change(owner, |share| {
            share.free.insert(number);
        });
    }

    pub(super) fn oldest_of_most_letters(&self) -> Option<u64> {
        self.by_letters.last().map(|(_, Reverse(oldest), _)| *oldest)
    }

    pub(super) fn oldest_of_most_bytes(&self) -> Option<u64> {
        self.by_bytes.last().map(|(_, Reverse(oldest), _)| *oldest)
    }

    fn change(&mut self, owner: ActorId, change: impl FnOnce(&mut Share)) {
        let share = self.of.entry(owner).or_default();
        if let Some((letters, bytes)) = share.places(owner) {
            self.by_letters.remove(&letters);
            self.by_bytes.remove(&bytes);
        }
        change(share);
        if let Some((letters, bytes)) = share.places(owner) {
            self.by_letters.insert(letters);
            self.by_bytes.insert(bytes);
        }
        if share.letters == 0 {
            self.of.remove(&owner);
        }
    }
}
