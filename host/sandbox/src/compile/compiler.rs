//! Compiles components: in a child process whose time and memory are bounded, or in this process where the host names no program
//! for a child. `child` is the child's side.
//!
//! Some components make the compiler run for hours or take all memory. A compilation cannot be ended from within its process, so
//! it runs in a process of its own, which can be killed.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wasmtime::Engine;

use super::child::{Answer, Order, PANICKED, is_about_memory, is_about_threads};
use super::engine::Purpose;
use crate::component::{self, LoadError};
use crate::limits::SystemLimit;

/// Memory for each thread of the compiler, which has a stack and a heap of its own; with less memory there are fewer threads.
const BYTES_PER_THREAD: u64 = 32 << 20;
/// The code may be one quarter of the memory bound of its compilation: the host holds the code for a moment, and maps a copy.
const CODE_SHARE: u64 = 4;
/// The variable with the number of threads that the compiler's library starts. The host sets it unless its own environment has
/// it.
const THREADS: &str = "RAYON_NUM_THREADS";
/// Bytes of the child's stderr that are kept: the cause is at the beginning.
const LAST_WORDS_BYTES: u64 = 400;

/// The place where components are compiled, and the bounds of one compilation.
#[derive(Debug, Clone)]
pub struct Compilation {
    /// The place. Default: in this process.
    pub place: CompilePlace,
    /// Wall-clock time for one component, in a child process. Default: 1 minute.
    pub time: Duration,
    /// Bytes of memory for one component, in a child process: its allocations, its threads' stacks included, as Linux counts for
    /// `RLIMIT_DATA`; the compiled code may have a quarter of them. Other systems may not enforce this bound. Default: 1 GiB.
    pub memory_bytes: u64,
}

impl Default for Compilation {
    fn default() -> Self {
        Self { place: CompilePlace::Here, time: Duration::from_mins(1), memory_bytes: 1 << 30 }
    }
}

/// The place where components are compiled.
#[derive(Debug, Clone)]
pub enum CompilePlace {
    /// In this process. Only the size of the component bounds the time and the memory.
    Here,
    /// In a child process, one at a time, which is killed when its time is over.
    Child {
        /// A program of the same build of this crate.
        program: PathBuf,
        /// The arguments with which the program only calls [`compile_for_parent`].
        arguments: Vec<String>,
    },
}

/// Compiles one component after the other.
pub(crate) struct Compiler {
    settings: Compilation,
    /// Held during a compilation in a child. There is one at a time, since it uses all cores and may use all of `memory_bytes`.
    turn: Mutex<()>,
}

impl Compiler {
    pub(crate) fn new(settings: Compilation) -> Self {
        Self { settings, turn: Mutex::new(()) }
    }

    /// The compiled code of a component for `engine`, which was made for `purpose`, and the time it took.
    pub(crate) fn compile(
        &self,
        (engine, purpose): (&Engine, Purpose),
        file: &Path,
        wasm: &[u8],
    ) -> Result<(Vec<u8>, Duration), LoadError> {
        let CompilePlace::Child { program, arguments } = &self.settings.place else {
            let began = Instant::now();
            let code = engine.precompile_component(wasm).map_err(|error| component::invalid(file, &error))?;
            return Ok((code, began.elapsed()));
        };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let code = self.in_child((program, arguments), purpose, file, wasm)?;
        Ok((code, began.elapsed()))
    }

    fn in_child(
        &self,
        (program, arguments): (&Path, &[String]),
        purpose: Purpose,
        file: &Path,
        wasm: &[u8],
    ) -> Result<Vec<u8>, LoadError> {
        let Compilation { time, memory_bytes, .. } = self.settings;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let threads = said_threads().unwrap_or_else(|| cores.min(memory_bytes / BYTES_PER_THREAD)).max(1);
        // A second bound, in case this process dies before it can kill the child.
        let cpu_seconds = time.as_secs().saturating_add(1).saturating_mul(threads);
        let parent = u64::from(std::process::id());
        let order = Order { purpose, memory_bytes, cpu_seconds, parent, wasm_bytes: wasm.len() as u64 };
        let failed = |source: io::Error| match SystemLimit::behind(&source, true) {
            Some(limit) => {
                limited(file, format!("a process or thread for the compilation could not be started: {source}"), limit)
            }
            None => LoadError::NoCompiler { file: file.to_owned(), program: program.to_owned(), source },
        };
        let mut command = Command::new(program);
        command.args(arguments).env(THREADS, threads.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) = (stdin, stdout, stderr) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new;
            // A failed write is ignored: a child that died before it read all reports the cause in its answer or on stderr.
            let asks = move || drop(stdin.write_all(&order.to_bytes()).and_then(|()| stdin.write_all(wasm)));
            let (sender, answered) = mpsc::channel();
            let reads = move || drop(sender.send(Answer::read(&mut stdout, memory_bytes / CODE_SHARE)));
            let started = thread()
                .spawn_scoped(scope, asks)
                .and_then(|_| thread().spawn_scoped(scope, reads))
                .and_then(|_| thread().spawn_scoped(scope, move || last_words(&mut stderr)));
            let answer = match &started {
                Ok(_) => answered.recv_timeout(time),
                Err(_) => Err(RecvTimeoutError::Disconnected),
            };
            // The child has answered, failed, or used up its time. A child that has just ended by itself keeps its own status.
            let _ = child.kill();
            let status = child.wait();
            let said = started.map_err(failed)?.join().unwrap_or_default();
            match answer {
                Ok(Ok(Answer::Code(code))) => Ok(code),
                Ok(Ok(Answer::Invalid(message))) => Err(component::invalid_as(file, &message)),
                Ok(Ok(Answer::OutOfMemory)) => Err(self.out_of_memory(file)),
                Err(RecvTimeoutError::Timeout) => Err(self.out_of_time(file)),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    Err(self.ended(file, status.map_err(failed)?, &said, threads))
                }
            }
        })
    }

    fn out_of_time(&self, file: &Path) -> LoadError {
        LoadError::CompileTime { file: file.to_owned(), limit: self.settings.time }
    }

    /// The error for too little memory. If a limit of the system is tighter than that of the manifest, the system's was met.
    fn out_of_memory(&self, file: &Path) -> LoadError {
        if let Some(limit) = SystemLimit::of_memory_below(self.settings.memory_bytes) {
            return limited(file, "the compiler ran out of memory".to_owned(), limit);
        }
        LoadError::CompileMemory { file: file.to_owned(), limit_bytes: self.settings.memory_bytes }
    }

    /// The error for a child that ended without an answer.
    fn ended(&self, file: &Path, status: ExitStatus, said: &str, threads: u64) -> LoadError {
        if status.signal() == Some(Signal::XCPU.as_raw()) {
            return self.out_of_time(file);
        }
        if is_about_threads(said) && self.settings.memory_bytes / threads.max(1) >= BYTES_PER_THREAD {
            // The manifest's memory is enough for the stacks of all threads, so another limit was met.
            let limit = SystemLimit::of_memory_below(self.settings.memory_bytes.min(BYTES_PER_THREAD * threads));
            return limited(
                file,
                "the compiler could not start its threads".to_owned(),
                limit.unwrap_or(SystemLimit::Threads),
            );
        }
        if is_about_memory(said) {
            return self.out_of_memory(file);
        }
        if let Some(message) = said.strip_prefix(PANICKED) {
            return LoadError::CompilerPanicked { file: file.to_owned(), message: message.trim().to_owned() };
        }
        let message = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        LoadError::CompilerDied { file: file.to_owned(), message }
    }
}

/// The beginning of the child's stderr, on one line.
fn last_words(stderr: &mut impl Read) -> String {
    let mut text = Vec::new();
    let _ = stderr.by_ref().take(LAST_WORDS_BYTES).read_to_end(&mut text);
    let _ = io::copy(stderr, &mut io::sink());
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number of threads that the host's own environment sets.
fn said_threads() -> Option<u64> {
    std::env::var(THREADS).ok()?.parse().ok().filter(|threads| *threads > 0)
}

/// The error for a compilation that a limit of the system ended.
fn limited(file: &Path, what: String, limit: SystemLimit) -> LoadError {
    LoadError::SystemLimit { file: file.to_owned(), what, advice: limit.advice() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_stderr_tell_why_the_compiler_ended() {
        let compiler = Compiler::new(Compilation::default());
        let ended = |raw, said| compiler.ended(Path::new("a.wasm"), ExitStatus::from_raw(raw), said, 2);
        let abort = Signal::ABORT.as_raw();
        assert!(matches!(ended(abort, "memory allocation of 64 bytes failed"), LoadError::CompileMemory { .. }));
        assert!(matches!(ended(1 << 8, "unhandled out-of-memory error"), LoadError::CompileMemory { .. }));
        assert!(matches!(ended(Signal::XCPU.as_raw(), ""), LoadError::CompileTime { .. }));
        let LoadError::CompilerDied { message, .. } = ended(abort, "index out of bounds") else { panic!("it died") };
        assert!(message.ends_with("(SIGABRT): index out of bounds"), "{message}");
        let panicked = ended(101 << 8, "the compiler panicked: no entry at src/a.rs:7:9");
        let said = panicked.to_string();
        assert!(matches!(panicked, LoadError::CompilerPanicked { .. }), "{said}");
        assert!(
            said.starts_with("the compiler panicked at `a.wasm`: no entry at src/a.rs:7:9. That is a fault"),
            "{said}"
        );
    }
}
