//! The task that carries out the decisions of the tree in [`crate::supervision`]: it spawns incarnations, sends the
//! supervisor's signals, and writes the log. It never handles a message. `task` is its loop, `actions` carries out, `look`
//! returns the states of actors, `passivation` waits for messages to actors without an incarnation, `circuit` handles actors
//! that failed too often, `failures` handles failures, `families` keeps families and their members, and `verdicts` records the decision about each.

mod actions;
mod circuit;
mod command;
mod failures;
mod families;
mod kept_watches;
mod look;
mod passivation;
mod places;
mod role;
mod start_error;
mod starts;
mod state;
mod task;
mod verdicts;
mod views;
mod watch_table;
mod watches;

pub use command::Stage;
pub(crate) use command::{Command, Commands};
pub use start_error::{StartError, StartedActor};
pub(crate) use state::Supervisor;
pub use views::InstanceView;
pub(crate) use views::{Seen, Stands, StandsInstance};
