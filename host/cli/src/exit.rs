//! How the process ends: the exit codes, and what is said before.

use std::process::ExitCode;

use crate::console::Console;
use crate::control::client::ClientError;
use crate::control::socket::SocketError;
use crate::manifest::ManifestError;
use crate::plugins::PluginsError;
use crate::printable::Printable;

/// It failed while it ran; input that found no room or was too long; messages that were left unhandled; a
/// shutdown that failed; an ask without a reply; a tell that was refused or dropped; a host that does not answer; a
/// stdout that cannot be written.
pub(crate) const FAILED: u8 = 1;
/// Bad arguments, manifest or plugin. Also what clap ends with.
pub(crate) const BAD_INPUT: u8 = 2;
/// No host is running.
pub(crate) const NO_HOST: u8 = 3;
/// A required actor was given up, or every actor failed.
pub(crate) const GAVE_UP: u8 = 4;
/// A second Ctrl-C or SIGTERM: as a shell reports a program that SIGINT ended.
pub(crate) const KILLED: u8 = 130;

/// A bad end: its exit code, and what to say about it, if anything.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    text: Option<String>,
    /// What to say instead, with colours where they are welcome.
    problems: Option<crate::manifest::Problems>,
}

impl Exit {
    /// Ends with this code, saying this.
    pub(crate) fn with(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: Some(text.into()), problems: None }
    }

    /// Ends with this code, without another word.
    pub(crate) fn quiet(code: u8) -> Self {
        Self { code, text: None, problems: None }
    }

    /// The same end, with these words before its own.
    pub(crate) fn after(mut self, words: &str) -> Self {
        self.text = self.text.map(|text| format!("{words}: {text}"));
        self
    }

    /// Says what is to be said; the process's exit code.
    pub(crate) fn report(&self, console: &Console) -> ExitCode {
        if let Some(problems) = &self.problems {
            console.say(problems.render(console.wants_colour()).trim_end());
        }
        if let Some(text) = &self.text {
            console.say(&format!("playhouse: {text}"));
        }
        ExitCode::from(self.code)
    }
}

impl From<ManifestError> for Exit {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Unreadable { file, error } => {
                let hint = "name another manifest on the command line, or go to its folder";
                Self::with(BAD_INPUT, format!("the manifest `{}` cannot be read: {error}\n{hint}", file.display()))
            }
            ManifestError::Wrong(problems) => Self { code: BAD_INPUT, text: None, problems: Some(problems) },
        }
    }
}

impl From<PluginsError> for Exit {
    fn from(error: PluginsError) -> Self {
        match error {
            PluginsError::Sandbox(error) => Self::with(BAD_INPUT, format!("{:#}", anyhow::Error::from(error))),
            PluginsError::Wrong(problems) => Self { code: BAD_INPUT, text: None, problems: Some(problems) },
        }
    }
}

impl From<SocketError> for Exit {
    fn from(error: SocketError) -> Self {
        Self::with(BAD_INPUT, error.to_string())
    }
}

impl From<ClientError> for Exit {
    fn from(error: ClientError) -> Self {
        let code = if error.is_no_host() { NO_HOST } else { FAILED };
        // What a host says may quote its guests.
        Self::with(code, Printable(&error.to_string()).to_string())
    }
}

impl From<std::io::Error> for Exit {
    /// An error of stdin or stdout. A reader that went away (`playhouse tree | head -1`) is no news.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::quiet(FAILED),
            _ => Self::with(FAILED, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Refusal;

    #[test]
    fn what_a_guest_says_through_its_host_does_not_reach_the_terminal() {
        let refusal = Refusal::new("no-reply", "the receiver failed it: \u{1b}[2Jred\nplayhouse: all is well");
        let exit = Exit::from(ClientError::Refused(refusal));
        let said = "the receiver failed it: \\u{1b}[2Jred\\nplayhouse: all is well";
        assert_eq!((exit.code, exit.text.as_deref()), (FAILED, Some(said)));
    }
}
