//! Builds the host and its guests for the tests, starts hosts in folders of their own, and sends them commands.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{LazyLock, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;

pub use playhouse_tests::root;

/// The binary under test, built with the guests once for all tests.
pub fn playhouse() -> &'static Path {
    static GUESTS: LazyLock<()> = LazyLock::new(|| playhouse_tests::cargo(&["xtask", "build-guests"]));
    LazyLock::force(&GUESTS);
    playhouse_tests::playhouse()
}

/// A command of the binary, without environment variables that would change its output.
pub fn command(folder: &Path) -> Command {
    // A program that was started in the background hands ignored signals on to its children.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,QUIT,HUP,TERM").arg(playhouse());
    command.current_dir(folder).env_remove("RUST_LOG").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", cache());
    command
}

/// Compiled components, shared by all tests so that each is compiled once.
pub fn cache() -> PathBuf {
    let folder = root().join("target/e2e-cache");
    std::fs::create_dir_all(&folder).expect("target is ours");
    folder
}

/// A folder with a manifest whose plugins are the built ones.
pub fn folder(actors: &str) -> TempDir {
    let _ = playhouse();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = format!("[play]\nname = \"test\"\nplugins = \"{}\"\n\n{actors}", root().join("plugins").display());
    std::fs::write(folder.path().join("playhouse.toml"), manifest).expect("our own folder");
    folder
}

/// Far longer than any step of a test takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// `[[actor]]` tables, one for each address and plugin.
pub fn actors(list: &[(&str, &str)]) -> String {
    list.iter().map(|(at, plugin)| format!("[[actor]]\naddress = {at:?}\nplugin = {plugin:?}\n")).collect()
}

/// A running host.
pub struct Host {
    pub folder: TempDir,
    child: Child,
    /// In a lock only so that threads of a test can share the host.
    stderr: Mutex<mpsc::Receiver<String>>,
    seen: Vec<String>,
    stdout: Option<JoinHandle<String>>,
}

/// The exit status and the output of a host that ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Host {
    /// Starts `playhouse run` in the folder and waits until all actors are up.
    pub fn start(folder: TempDir, arguments: &[&str]) -> Self {
        let mut host = Self::spawn(folder, arguments);
        host.wait_for(" is up: ");
        host
    }

    /// Like [`Host::start`], with additional environment variables.
    pub fn start_with(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut host = Self::spawn_with(folder, arguments, environment);
        host.wait_for(" is up: ");
        host
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Starts `playhouse run` in the folder.
    pub fn spawn(folder: TempDir, arguments: &[&str]) -> Self {
        Self::spawn_with(folder, arguments, &[])
    }

    /// Like [`Host::start`], under limits that `prlimit` sets.
    pub fn start_under(limit: &str, folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(limit).arg(playhouse()).current_dir(folder.path()).env_remove("RUST_LOG");
        command.env("XDG_CACHE_HOME", cache()).arg("run").args(arguments);
        let mut host = Self::run_by(command, folder);
        host.wait_for(" is up: ");
        host
    }

    /// Like [`Host::spawn`], and has its system calls written to a file by `strace`.
    pub fn start_traced(folder: TempDir, calls: &str, trace: &Path) -> Self {
        let mut command = Command::new("strace");
        // The names of files, and whole buffers.
        command.args(["-f", "-y", "-s", "100000", "-e", calls, "-o"]).arg(trace);
        command.arg(playhouse()).current_dir(folder.path()).env_remove("RUST_LOG");
        command.env("XDG_CACHE_HOME", cache()).arg("run");
        Self::run_by(command, folder)
    }

    fn spawn_with(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(folder.path());
        command.envs(environment.iter().copied()).arg("run").args(arguments);
        Self::run_by(command, folder)
    }

    fn run_by(mut command: Command, folder: TempDir) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let (sender, said) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stdout = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stdout, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { folder, child, stderr: Mutex::new(said), seen: Vec::new(), stdout: Some(stdout) }
    }

    /// Waits for a line on stderr that contains `text`.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let said = self.stderr.get_mut().unwrap().recv();
            match said {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(mpsc::RecvError) => panic!("the host ended without saying {text:?}:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Writes to the host's stdin.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().expect("still open").write_all(bytes).expect("the host reads");
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("not zero");
        kill_process(pid, signal).expect("our child");
    }

    /// The number of descriptors that the host's process has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("our child").count()
    }

    /// Sets its limit of descriptors so that it can open this many more.
    pub fn limit_descriptors(&self, more: u64) {
        let pid = Pid::from_child(&self.child);
        let is_free = |n: &u64| !Path::new(&format!("/proc/{}/fd/{n}", self.child.id())).exists();
        let limit = (0..1 << 20).find(is_free).map(|first| first + more);
        // The host got that of the test.
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(Some(pid), Resource::Nofile, Rlimit { current: limit, maximum }).expect("our child");
    }

    /// Sets its limit of descriptors so that it can open none above the highest one, and each one below again once it is closed.
    /// Returns how many below are free.
    pub fn limit_descriptors_to_highest(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs");
        let open: Vec<u64> = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
        let limit = open.iter().max().expect("it has some") + 1;
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limits = Rlimit { current: Some(limit), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limits).expect("our child");
        usize::try_from(limit).expect("few") - open.len()
    }

    /// The lines of the host's stderr so far.
    pub fn said(&self) -> &[String] {
        &self.seen
    }

    /// Kills the host, which cannot clean up. The process has ended when this returns.
    pub fn die(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }

    /// Closes stdin and waits for the end.
    pub fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("our child");
        self.seen.extend(self.stderr.get_mut().unwrap().iter());
        let stdout = self.stdout.take().expect("taken once").join().expect("the reader does not panic");
        Ended { status, stdout, stderr: std::mem::take(&mut self.seen).join("\n") }
    }

    /// Runs another command of the binary against this host.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(self.folder.path()).args(arguments).output().expect("the binary was built")
    }

    /// The stdout of a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// One actor in the output of `tree --json`.
    pub fn actor(&self, address: &str) -> serde_json::Value {
        let tree: serde_json::Value = serde_json::from_str(&self.ok(&["tree", "--json"])).expect("JSON");
        let actors = tree["actors"].as_array().expect("a list of actors");
        actors.iter().find(|a| a["address"] == address).expect("a known actor").clone()
    }

    /// Polls until no actor has the address. Each poll is a round trip to the host.
    pub fn when_gone(&self, address: &str) {
        let (until, quoted) = (Instant::now() + PATIENCE, format!("{address:?}"));
        while self.ok(&["tree", "--json"]).contains(&quoted) {
            assert!(Instant::now() < until, "{address} did not end");
        }
    }

    /// Polls one actor until `wanted` holds. Each poll is a round trip to the host.
    pub fn actor_when(&self, address: &str, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let actor = self.actor(address);
            if wanted(&actor) {
                return actor;
            }
            assert!(Instant::now() < until, "{address} did not reach the expected state: {actor}");
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
