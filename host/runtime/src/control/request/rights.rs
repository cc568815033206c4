//! The command that a request belongs to, and the right that it needs.

use super::{Request, Which};

impl Request {
    /// The command of `playhouse` that the request belongs to.
    pub fn command(&self) -> &'static str {
        match self {
            Self::Tree {} => "tree",
            Self::Why { .. } => "why",
            Self::Health {} => "health",
            Self::Logs(_) => "logs",
            Self::Tell { .. } | Self::TellAll { .. } | Self::Limit { .. } => "tell",
            Self::Ask { .. } => "ask",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
            Self::DeadLetters { .. } => "dead-letters list",
            Self::DeadLetter { .. } => "dead-letters show",
            Self::ReplayLetter { .. } | Self::ReplayLetters { .. } => "dead-letters replay",
            Self::DropLetter { .. } | Self::DropLetters { .. } => "dead-letters drop",
            Self::StateKeys { .. } => "state keys",
            Self::StateValue { .. } => "state get",
            Self::StateEntries { .. } => "state export",
            Self::ChangeState { changes, .. } if changes.iter().all(|change| change.value.is_none()) => "state delete",
            Self::ChangeState { changes, .. } if changes.len() == 1 => "state set",
            Self::ChangeState { .. } => "state import",
            Self::StoreInfo {} => "store info",
            Self::CheckStore {} => "store check",
            Self::BackUpStore { .. } => "store backup",
            Self::Mailboxes {} => "mailbox list",
            Self::Messages { .. } => "mailbox show",
            Self::DropMessages { .. } => "mailbox drop",
            Self::ImportMessages { .. } => "mailbox import",
            Self::LogLevels {} | Self::SetLogLevel(_) | Self::ResetLogLevel { .. } => "log-level",
        }
    }

    /// Whether a reader may send it: it changes nothing, and its response has no body of a message and no value of a state.
    pub fn only_looks(&self) -> bool {
        match self {
            Self::Tree {}
            | Self::Why { .. }
            | Self::Health {}
            | Self::Logs(_)
            // A reader gets them without bodies.
            | Self::DeadLetters { .. }
            | Self::StateKeys { .. }
            | Self::StoreInfo {}
            | Self::Mailboxes {}
            | Self::LogLevels {} => true,
            Self::Tell { .. }
            | Self::TellAll { .. }
            | Self::Ask { .. }
            | Self::Limit { .. }
            | Self::Stop { .. }
            | Self::Start { .. }
            | Self::DeadLetter { .. }
            | Self::ReplayLetter { .. }
            | Self::ReplayLetters { .. }
            | Self::DropLetter { .. }
            | Self::DropLetters { .. }
            | Self::StateValue { .. }
            | Self::StateEntries { .. }
            | Self::ChangeState { .. }
            | Self::CheckStore {}
            | Self::BackUpStore { .. }
            | Self::Messages { .. }
            | Self::DropMessages { .. }
            | Self::ImportMessages { .. }
            | Self::SetLogLevel(_)
            | Self::ResetLogLevel { .. } => false,
        }
    }

    /// Whether it has data of its sender that a host of another user must not get.
    pub fn has_data(&self) -> bool {
        matches!(
            self,
            Self::Tell { .. }
                | Self::TellAll { .. }
                | Self::Ask { .. }
                | Self::ChangeState { .. }
                | Self::ImportMessages { .. }
        )
    }

    /// The address, the id, the pattern or the path that an operator's action is about; `None` for a request that is no action: one
    /// that looks, or uses an actor.
    pub fn acts_on(&self) -> Option<String> {
        let which = |which: &Which| {
            let to = which.to.as_ref().map(|to| format!("to {}", to.0));
            let reason = which.reason.as_ref().map(|reason| format!("reason {reason}"));
            let parts: Vec<_> = to.into_iter().chain(reason).collect();
            if parts.is_empty() { "all".to_owned() } else { parts.join(", ") }
        };
        match self {
            Self::Stop { address } | Self::Start { address } => Some(address.to_string()),
            Self::ReplayLetter { id } | Self::DropLetter { id } => Some(id.clone()),
            Self::ReplayLetters { which: letters } | Self::DropLetters { which: letters } => Some(which(letters)),
            Self::ChangeState { of, .. } | Self::DropMessages { of, id: None } => Some(of.to_string()),
            Self::DropMessages { of, id: Some(id) } => Some(format!("{of} {id}")),
            Self::ImportMessages { to, .. } => Some(to.to_string()),
            Self::BackUpStore { to } => Some(to.clone()),
            Self::SetLogLevel(order) => Some(format!("{} {}", order.actors, order.level)),
            Self::ResetLogLevel { actors } => Some(format!("{actors} reset")),
            Self::Tree {}
            | Self::Why { .. }
            | Self::Health {}
            | Self::Logs(_)
            | Self::Tell { .. }
            | Self::TellAll { .. }
            | Self::Ask { .. }
            | Self::Limit { .. }
            | Self::DeadLetters { .. }
            | Self::DeadLetter { .. }
            | Self::StateKeys { .. }
            | Self::StateValue { .. }
            | Self::StateEntries { .. }
            | Self::StoreInfo {}
            | Self::CheckStore {}
            | Self::Mailboxes {}
            | Self::Messages { .. }
            | Self::LogLevels {} => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{Body, SetLogLevel, StateEntry};
    use playhouse_kernel::Address;

    #[test]
    fn each_action_says_what_it_is_about() {
        let address = Address::parse("/a").expect("good");
        let entry = |value: bool| StateEntry { key: "k".into(), value: value.then(Body::default) };
        let changes = |changes| Request::ChangeState { of: address.clone(), changes };
        let some = Which { to: None, reason: Some("failed".into()) };
        let level = SetLogLevel { actors: "/a/**".into(), level: "debug".into(), for_ms: None };
        let actions = [
            (Request::Stop { address: address.clone() }, "stop", "/a"),
            (Request::DropLetters { which: Which::default() }, "dead-letters drop", "all"),
            (Request::ReplayLetters { which: some }, "dead-letters replay", "reason failed"),
            (changes(vec![entry(true)]), "state set", "/a"),
            (changes(vec![entry(false), entry(false)]), "state delete", "/a"),
            (changes(vec![entry(true), entry(true)]), "state import", "/a"),
            (Request::DropMessages { of: address.clone(), id: Some("5d".into()) }, "mailbox drop", "/a 5d"),
            (Request::SetLogLevel(level), "log-level", "/a/** debug"),
        ];
        for (request, command, of) in actions {
            assert_eq!((request.command(), request.acts_on().as_deref()), (command, Some(of)));
            assert!(!request.only_looks(), "{request:?}");
        }
        let ask = Request::Ask { to: address, body: Body::default(), timeout_ms: 1 };
        assert_eq!(ask.acts_on(), None, "a use is no action");
    }
}
