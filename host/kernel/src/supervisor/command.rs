//! Commands to the supervisor's task, and the stage of the play that it tells others.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::actor::Actor;
use crate::dispatch::requests::{Request, Requests};
use crate::incarnation::End;
use crate::journal::entry::EntryNumber;
use crate::supervision::events::Node;
use crate::supervisor::start_error::{StartError, StartedActor};
use crate::supervisor::views::{Seen, Stands};
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::keyed_state::StateChange;
use crate::words::message::ActorId;
use crate::words::state::State;

/// A command to the task.
pub(crate) enum Command {
    Started(Node, u64),
    Ended(Node, u64, End),
    Halt(Address, oneshot::Sender<Option<State>>),
    Resume(Address, oneshot::Sender<Option<State>>),
    /// An operator starts an actor, and waits for the outcome.
    Start(Address, oneshot::Sender<Result<StartedActor, StartError>>),
    /// An operator changes the keyed state of an actor that is stopped. The answer: the number of the entry, or the actor's state.
    ChangeState {
        actor: Arc<Actor>,
        changes: Vec<StateChange>,
        /// The bytes that they add.
        grown: (i64, bool),
        answer: oneshot::Sender<Result<EntryNumber, Option<State>>>,
    },
    Look(oneshot::Sender<Vec<Seen>>),
    /// One actor, with what each of its instances waits for.
    LookAt(ActorId, oneshot::Sender<Option<Stands>>),
    States(oneshot::Sender<HashMap<ActorId, (State, u32)>>),
    /// A message came for a node without an incarnation.
    Wanted(Node),
    /// A request of an actor.
    Request(Request),
    Shutdown,
    Kill,
}

/// Sends to the supervision task. The channel is unbounded, but its content is bounded: an incarnation sends two commands in
/// its life, a node without one sends one, each possible child causes two and each failed child one, and other senders wait
/// for the answer.
pub(crate) type Commands = mpsc::UnboundedSender<Command>;

impl Requests for Commands {
    fn request(&self, request: Request) -> bool {
        self.send(Command::Request(request)).is_ok()
    }
}

/// The stage of the whole play.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Actors start for the first time.
    Starting,
    /// All actors that start by themselves have started.
    Running,
    /// An orderly shutdown is under way.
    Stopping,
    /// Nothing runs any more, as asked.
    Stopped,
    /// The kernel had to give up; the failures that led there, the last one first.
    GaveUp(Vec<Arc<CrashReport>>),
}
