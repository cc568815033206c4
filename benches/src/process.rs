//! The process that serves: on a core of its own, with its CPU time and memory.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The two sides of a measurement.
#[derive(Clone, Copy)]
pub enum Side {
    Server = 0,
    Load = 1,
}

impl Side {
    /// Keeps this process on the core of its side, if the machine has two and `taskset`.
    pub fn pin(self) {
        if std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2) {
            let (core, process) = ((self as usize).to_string(), std::process::id().to_string());
            let _ = Command::new("taskset").args(["-cp", &core, &process]).stdout(Stdio::null()).status();
        }
    }
}

pub fn raise_descriptor_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// A serving process. It ends when this is dropped.
pub struct Server {
    child: Child,
    _stdin: ChildStdin,
    /// The words that it printed when it was up.
    pub up: Vec<String>,
}

impl Server {
    /// Starts the role `role` with these arguments, and waits until it is up.
    pub fn start(role: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", role]).args(arguments).env_remove("RUST_BACKTRACE");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("piped")?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let up: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        anyhow::ensure!(!up.is_empty(), "the server `{role}` did not start");
        Ok(Self { child, _stdin: stdin, up })
    }

    /// The address at which it listens.
    pub fn address(&self) -> Result<std::net::SocketAddr> {
        Ok(self.up[0].parse()?)
    }

    /// The CPU time that it used, user and system.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(") ").context("a name")?.1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_secs(1) / rustix::param::clock_ticks_per_second() as u32 * ticks as u32)
    }

    /// Its resident memory in bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
