//! The client of a connection, its actions, and the limits on log lines about them.

use std::sync::Mutex;

use super::complaints::Window;
use crate::control::access::Role;
use crate::control::protocol::Request;

/// Maximum number of actions in one period of the log; further ones are counted.
const ACTIONS: u32 = 100;
/// The same of refused requests of readers.
const REFUSALS: u32 = 10;

/// The client of a connection.
pub(super) struct Client {
    pub(super) role: Role,
    pub(super) user: u32,
    pub(super) process: Option<i32>,
    /// `user 1000`.
    pub(super) shown: String,
}

/// An action of an operator, or a request that a reader may not send.
pub(super) struct Action {
    pub(super) command: &'static str,
    /// The subject; `None` for a request that is no action.
    pub(super) of: Option<String>,
}

/// The limits on log lines about actions.
pub(super) struct Audit {
    pub(super) actions: Mutex<Window>,
    pub(super) refusals: Mutex<Window>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { actions: Mutex::new(Window::of(ACTIONS)), refusals: Mutex::new(Window::of(REFUSALS)) }
    }
}

impl From<&Request> for Action {
    fn from(request: &Request) -> Self {
        Self { command: request.command(), of: request.acts_on() }
    }
}
