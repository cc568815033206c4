//! The end of the process: its exit code, and the text before it.

use std::path::Path;
use std::process::ExitCode;

use crate::console::Console;
use crate::events::{HostFailed, ManifestWrong};

use crate::client::ClientError;
use playhouse_runtime::control::protocol::Refusal;
use playhouse_runtime::control::socket::SocketError;
use playhouse_runtime::manifest::ManifestError;
use playhouse_runtime::plugins::PluginsError;
use playhouse_runtime::printable::Printable;
use playhouse_runtime::{AboutHost, PlayError, SandboxError, StoreError, SystemLimit};

pub(crate) use crate::exit_codes::{BAD_INPUT, FAILED, GAVE_UP, KILLED, NO_HOST, STORE_FAILED};

/// A failed end of the process: the exit code, and a text if there is one.
#[derive(Debug)]
pub(crate) struct Exit {
    code: u8,
    text: Option<String>,
    /// The problems to print instead of the text, with colours on a terminal.
    problems: Option<playhouse_runtime::manifest::Problems>,
}

impl Exit {
    /// An end with this code and this text.
    pub(crate) fn with(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: Some(text.into()), problems: None }
    }

    /// An end with this code and no text.
    pub(crate) fn quiet(code: u8) -> Self {
        Self { code, text: None, problems: None }
    }

    /// Stdout cannot be written. A reader that went away (`playhouse tree | head -1`) is no news.
    pub(crate) fn of_stdout(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::quiet(FAILED),
            _ => Self::with(FAILED, format!("stdout cannot be written: {}", SystemLimit::explained(&error))),
        }
    }

    /// The end after stdin could not be read.
    pub(crate) fn of_stdin(error: &std::io::Error) -> Self {
        Self::with(FAILED, format!("stdin cannot be read: {error}"))
    }

    /// The same end, with these words before its own.
    pub(crate) fn after(mut self, words: &str) -> Self {
        self.text = self.text.map(|text| format!("{words}: {text}"));
        self
    }

    /// The same end, with more words after its own.
    pub(crate) fn and(mut self, words: &str) -> Self {
        self.text = self.text.map(|text| format!("{text}; {words}"));
        self
    }

    /// Prints the text or the problems now.
    pub(crate) fn said(self, console: &Console) -> Self {
        let _ = self.report(console);
        Self::quiet(self.code)
    }

    /// Prints the text or the problems, and returns the process's exit code.
    pub(crate) fn report(&self, console: &Console) -> ExitCode {
        if let Some(problems) = &self.problems {
            let shown = problems.render(console.wants_colour());
            let exit_code = u32::from(self.code);
            console.show(&ManifestWrong { subject: AboutHost, exit_code, shown: shown.trim_end() });
        }
        if let Some(text) = &self.text {
            console.say(&HostFailed { subject: AboutHost, exit_code: u32::from(self.code), why: text });
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
            PluginsError::Sandbox(error @ SandboxError::Clock(_)) => {
                Self::with(FAILED, format!("{:#}", anyhow::Error::from(error)))
            }
            PluginsError::Sandbox(error) => Self::with(BAD_INPUT, format!("{:#}", anyhow::Error::from(error))),
            PluginsError::System(error) => Self::with(FAILED, Printable(&error).to_string()),
            PluginsError::Wrong(problems) => Self { code: BAD_INPUT, text: None, problems: Some(problems) },
        }
    }
}

impl From<PlayError> for Exit {
    fn from(error: PlayError) -> Self {
        match error {
            PlayError::Manifest(error) => error.into(),
            PlayError::Plugins(error) => error.into(),
            PlayError::Socket(error) => error.into(),
            PlayError::System(error) => error.into(),
            PlayError::Listen(problems) => Self { code: BAD_INPUT, text: None, problems: Some(problems) },
            error @ PlayError::Store { why: StoreError::Full(_), .. } => {
                let way_out = "make space, and start it again: everything that was confirmed is there";
                Self::with(STORE_FAILED, format!("{error}; {way_out}"))
            }
            PlayError::Store { why: why @ StoreError::Damaged { .. }, path } => {
                Self::with(BAD_INPUT, format!("{why}; {}", after_damage(&path)))
            }
            error @ (PlayError::NativeAddress(_)
            | PlayError::NativeMissing(_)
            | PlayError::NativeReserved(_)
            | PlayError::Plan(_)
            | PlayError::Store { .. }) => Self::with(BAD_INPUT, error.to_string()),
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
        let code = match &error {
            ClientError::Path(_) => BAD_INPUT,
            error if error.is_no_host() => NO_HOST,
            ClientError::Refused(refusal) => code_of(refusal),
            _ => FAILED,
        };
        // The message of a host may quote its guests.
        Self::with(code, Printable(&error.to_string()).to_string())
    }
}

/// The way out after a damage of the store in a folder. SQLite's own errors do not name the page.
pub(crate) fn after_damage(path: &Path) -> String {
    let at = path.display();
    format!(
        "`playhouse store check --store {at}` names each damage with its place, and `playhouse store restore FILE --replace --store {at}` \
         puts a backup in place of the store"
    )
}

/// The code for a request that was not done. Stores have codes of their own, as at the start of a play.
fn code_of(refusal: &Refusal) -> u8 {
    match refusal.kind.as_str() {
        "store-damaged" | "store-newer" | "store-taken" => BAD_INPUT,
        "store-failed" => STORE_FAILED,
        _ => FAILED,
    }
}

impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Self {
        Self::with(FAILED, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_text_in_a_host_error_is_escaped_for_the_terminal() {
        let refusal = Refusal::new("no-reply", "the receiver failed it: \u{1b}[2Jred\nplayhouse: all is well");
        let exit = Exit::from(ClientError::Refused(refusal));
        let said = "the receiver failed it: \\u{1b}[2Jred\\nplayhouse: all is well";
        assert_eq!((exit.code, exit.text.as_deref()), (FAILED, Some(said)));
    }
}
