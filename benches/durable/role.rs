//! Processes of one measurement: one that is killed, and the next one on its store.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A process in a role. It is killed when this is dropped.
pub(crate) struct Role {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Role {
    pub(crate) fn start(name: &str, units: usize, folder: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", name]).arg(folder).arg(units.to_string()).env_remove("RUST_BACKTRACE");
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        Ok(Self { child, lines })
    }

    /// Its next line.
    pub(crate) fn line(&mut self) -> Result<String> {
        Ok(self.lines.next().context("the process ended")??)
    }

    /// Waits until it says `word`.
    pub(crate) fn wait_for(&mut self, word: &str) -> Result<()> {
        let line = self.line()?;
        ensure!(line == word, "the process said `{line}`, not `{word}`");
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> Result<()> {
        ensure!(self.child.wait()?.success(), "the process failed");
        Ok(())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
