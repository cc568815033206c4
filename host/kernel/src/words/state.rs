//! The state of an actor, as operators and other actors see it.

/// The state of an actor, as operators see it. The order matters: of several instances the first in this list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Up, with messages in process or waiting. The tree knows no messages: to it, an idle actor runs as well.
    Running,
    /// Up, without work.
    Idle,
    /// Starting, or waiting for a free slot to start.
    Starting,
    /// Stopping for good: it handles waiting messages first.
    Draining,
    /// Stopping.
    Stopping,
    /// Waits before a restart: for a pause to pass, for siblings to stop, or for its parent's directive.
    BackingOff,
    /// Its code refused to start: it is asked again when a message comes, or after the time that it gave.
    Waiting,
    /// It has no instance: the next message makes one.
    Passivated,
    /// It, or the actor under `/` above it, failed too often: its messages wait for a trial start.
    Failed,
    /// Not started yet, or its parent is down.
    Down,
    /// An operator stopped it, or it waits for an operator's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}

impl State {
    /// All states, in order.
    pub const ALL: [Self; 12] = [
        Self::Running,
        Self::Idle,
        Self::Starting,
        Self::Draining,
        Self::Stopping,
        Self::BackingOff,
        Self::Waiting,
        Self::Passivated,
        Self::Failed,
        Self::Down,
        Self::Stopped,
        Self::Ended,
    ];

    /// Its place in [`State::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name, as in `wit/actor.wit` and everywhere an operator or a program reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing-off",
            Self::Waiting => "waiting",
            Self::Passivated => "passivated",
            Self::Failed => "failed",
            Self::Down => "down",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
        }
    }

    /// Whether it is up: it handles messages as they come.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }

    /// Whether it will change to another state by itself.
    pub fn is_on_its_way(self) -> bool {
        matches!(self, Self::Starting | Self::Draining | Self::Stopping | Self::BackingOff)
    }
}
