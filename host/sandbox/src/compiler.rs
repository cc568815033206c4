//! Compiles components: in a child process whose time and memory are bounded, or in this one where the host names no program
//! for it. `child` is the other end.
//!
//! A component is a program for the compiler as well, and some make it run for hours or take all memory. Nothing within a process
//! can end that; the end of a process does.

mod child;

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wasmtime::Engine;

use crate::component::{self, LoadError};
use crate::engine::Purpose;

pub use child::compile_for_parent;
use child::{Answer, Order, PANICKED, is_about_memory};

/// A thread of the compiler has a stack and a heap of its own; with less than this for each there are fewer of them.
const BYTES_PER_THREAD: u64 = 32 << 20;
/// The code may be so much of the memory that compiling it may take: the host holds it for a moment, and maps a copy.
const CODE_SHARE: u64 = 4;
/// How many threads the compiler's library starts, unless whoever started the host has said so.
const THREADS: &str = "RAYON_NUM_THREADS";
/// Of what the child says on stderr: the beginning is about the cause.
const LAST_WORDS_BYTES: u64 = 400;

/// How components are compiled, and what one of them may cost.
#[derive(Debug, Clone)]
pub struct Compilation {
    /// Where. Default: in this process.
    pub place: CompilePlace,
    /// Wall-clock time for one component, in a child process. Default: 1 minute.
    pub time: Duration,
    /// Bytes of memory for one component, in a child process: what it allocates, its threads' stacks included, as Linux counts for
    /// `RLIMIT_DATA`; its code may be a quarter of that. Other systems may not enforce it. Default: 1 GiB.
    pub memory_bytes: u64,
}

impl Default for Compilation {
    fn default() -> Self {
        Self { place: CompilePlace::Here, time: Duration::from_mins(1), memory_bytes: 1 << 30 }
    }
}

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum CompilePlace {
    /// In this process. Nothing bounds the time and the memory of it but the size of the component.
    Here,
    /// In a child process, one at a time, which is killed when it takes too long.
    Child {
        /// A program of the same build of this crate.
        program: PathBuf,
        /// What makes it call [`compile_for_parent`], and do nothing else.
        arguments: Vec<String>,
    },
}

/// Compiles one component after the other.
pub(crate) struct Compiler {
    settings: Compilation,
    /// Each compilation uses all cores, and has the memory of one.
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
        // A second bound, for when this process dies before it can kill the child.
        let cpu_seconds = time.as_secs().saturating_add(1).saturating_mul(threads);
        let parent = u64::from(std::process::id());
        let order = Order { purpose, memory_bytes, cpu_seconds, parent, wasm_bytes: wasm.len() as u64 };
        let failed = |source| LoadError::NoCompiler { file: file.to_owned(), program: program.to_owned(), source };
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
            // Who dies before it has read all says on the other end why.
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
            // It has nothing more to say, or no more time to. One that ends by itself just now has its status already.
            let _ = child.kill();
            let status = child.wait();
            let said = started.map_err(failed)?.join().unwrap_or_default();
            match answer {
                Ok(Ok(Answer::Code(code))) => Ok(code),
                Ok(Ok(Answer::Invalid(message))) => Err(component::invalid_as(file, &message)),
                Ok(Ok(Answer::OutOfMemory)) => Err(self.out_of_memory(file)),
                Err(RecvTimeoutError::Timeout) => Err(self.out_of_time(file)),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    Err(self.ended(file, status.map_err(failed)?, &said))
                }
            }
        })
    }

    fn out_of_time(&self, file: &Path) -> LoadError {
        LoadError::CompileTime { file: file.to_owned(), limit: self.settings.time }
    }

    fn out_of_memory(&self, file: &Path) -> LoadError {
        LoadError::CompileMemory { file: file.to_owned(), limit_bytes: self.settings.memory_bytes }
    }

    /// Why it ended without an answer.
    fn ended(&self, file: &Path, status: ExitStatus, said: &str) -> LoadError {
        if status.signal() == Some(Signal::XCPU.as_raw()) {
            return self.out_of_time(file);
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

/// The beginning of what the child says on stderr.
fn last_words(stderr: &mut impl Read) -> String {
    let mut text = Vec::new();
    let _ = stderr.by_ref().take(LAST_WORDS_BYTES).read_to_end(&mut text);
    let _ = io::copy(stderr, &mut io::sink());
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number that whoever started the host wants.
fn said_threads() -> Option<u64> {
    std::env::var(THREADS).ok()?.parse().ok().filter(|threads| *threads > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_compiler_ended_is_told_by_its_status_and_its_last_words() {
        let compiler = Compiler::new(Compilation::default());
        let ended = |raw, said| compiler.ended(Path::new("a.wasm"), ExitStatus::from_raw(raw), said);
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
