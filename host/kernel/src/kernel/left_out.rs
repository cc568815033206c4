//! The actors that the store has and the play does not have any more, as the log tells them at the start. There may be many at one
//! place, as the members of a family: each place is one line.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::actor::family::Family;
use crate::dispatch::Shared;
use crate::journal::store::StoredActor;
use crate::words::address::Address;
use crate::words::event::{AboutHost, LogEvent};
use crate::words::events::{MembersKept, MessagesKept};

/// The names in the line of several actors.
const SHOWN: usize = 3;

/// The actors of the store that the play leaves out.
#[derive(Default)]
pub(super) struct LeftOut<'a> {
    /// Members that their families do not let in any more, by the address above them.
    members: BTreeMap<Address, (Arc<Family>, Kept<'a>)>,
    /// Other actors, by the address above them; directly under `/` each for itself.
    actors: BTreeMap<Place, Kept<'a>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    At(Address),
    Below(Address),
}

/// Several actors, and what they keep together.
#[derive(Default)]
struct Kept<'a> {
    count: u64,
    waiting: u64,
    timers: u64,
    /// The first few of them.
    some: Vec<&'a Address>,
}

impl<'a> Kept<'a> {
    fn add(&mut self, known: &'a StoredActor) {
        self.count += 1;
        self.waiting += known.waiting;
        self.timers += known.timers;
        if self.some.len() < SHOWN {
            self.some.push(&known.address);
        }
    }

    fn names(&self) -> String {
        self.some.iter().map(|address| address.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl<'a> LeftOut<'a> {
    /// Notes an actor of the store that is not in the play, if it keeps anything to tell.
    pub(super) fn add(&mut self, shared: &Shared, known: &'a StoredActor) {
        let above = known.address.parent().filter(|above| !above.is_root());
        let family = above.as_ref().filter(|_| known.child.is_none());
        let family = family.and_then(|above| shared.routing.registry.family(above));
        let waits = known.waiting + known.timers > 0;
        match family {
            Some(family) if waits || known.state.keys > 0 || known.halted == Some(true) => {
                let new = || (family.clone(), Kept::default());
                self.members.entry(family.address().clone()).or_insert_with(new).1.add(known);
            }
            None if waits || known.child.is_some() => {
                let place = above.map_or_else(|| Place::At(known.address.clone()), Place::Below);
                self.actors.entry(place).or_default().add(known);
            }
            _ => {}
        }
    }

    pub(super) fn log(self) {
        for (place, kept) in self.actors {
            let Kept { count, waiting, timers, .. } = kept;
            let (to, which) = match place {
                Place::Below(above) if count > 1 => {
                    (format!("{above}/*"), format!(" ({count} actors, as {})", kept.names()))
                }
                _ => (kept.names(), String::new()),
            };
            MessagesKept { subject: AboutHost, to: &to, actors: count, waiting, timers, which: &which }.log();
        }
        for (address, (family, kept)) in self.members {
            let Kept { count: members, waiting, timers, .. } = kept;
            let first = kept.some[0];
            let why = match family.stored {
                Some(_) => format!("their names do not fit `names`, as that of {first}"),
                None => format!("its mailbox is not durable any more; one of them is {first}"),
            };
            let to = format!("{address}/*");
            MembersKept { subject: AboutHost, to: &to, members, waiting, timers, why: &why }.log();
        }
    }
}
