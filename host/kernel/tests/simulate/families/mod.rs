//! Plays with a family, from seeds: members come into being by messages, are passivated, fail, expire, and are in the store alone, over
//! several lives of their host. Everything that the members see must agree with the rules of families.
//!
//! | file | contents |
//! |---|---|
//! | `play` | a random play: the family, the senders, the ends of its lives |
//! | `code` | the work of members, and of actors that send to them |
//! | `book` | everything that was seen, and the rules that hold at any moment |
//! | `rows` | the rows of members, as the store has them |
//! | `stored` | the entries of the store, and the rules that hold for each |
//! | `driver` | one play, life after life |
//! | `checks` | the rules for the end |

mod book;
mod checks;
mod code;
mod driver;
mod play;
mod rows;
mod stored;

pub use driver::give;

/// Labels of events that all plays together must have seen.
pub const EVERYTHING: [&str; 19] = [
    "a life ended in a group",
    "a life ended in a turn",
    "a life ended in order",
    "a member asked another one",
    "a member came back from the store",
    "a member crashed",
    "a member expired",
    "a member is failed",
    "a member that kept nothing is gone",
    "a member was made",
    "a message of an earlier life",
    "a start waited for a place",
    "an order of an operator survived",
    "answered",
    "creates-too-fast",
    "not-created",
    "the store was full",
    "too-many-members",
    "without a store",
];
