//! The host's needs of the system, checked before the start, so that a limit that is too low (`ulimit`) is one error that names
//! it, and not a panic or an abort later. Above these needs, limits of memory bound the memory of guests.

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use playhouse_runtime::SystemLimit;
use playhouse_runtime::allocator;
use playhouse_runtime::system_limits::{HOST_ADDRESS_SPACE_BYTES, HOST_DATA_BYTES, KEPT_BLOCKING_THREADS, STACK_BYTES};

use crate::args::Command;
use crate::exit_codes::FAILED;

/// Address space and data besides the threads' stacks: of a command that loads plugins, and of one that talks to a host. The host
/// cannot recover when it runs out of memory itself, so that these needs are large.
const LOADING: Needs =
    Needs { address_space: HOST_ADDRESS_SPACE_BYTES, data: HOST_DATA_BYTES, files: 64, file_bytes: 0, threads: 0 };
const TALKING: Needs = Needs { address_space: 192 << 20, data: 8 << 20, files: 4, file_bytes: 0, threads: 4 };
/// Number of threads for console, clock, stdin, stdout and the host's blocking calls; before actors run, the same threads are for
/// waits for the child that compiles.
const OWN_THREADS: u64 = 8;

struct Needs {
    address_space: u64,
    data: u64,
    files: u64,
    /// Size of one file: copies of plugins' initial data are files in memory.
    file_bytes: u64,
    threads: u64,
}

impl Needs {
    fn of(command: &Command) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
        // A thread for each core loads plugins, and the child that compiles has as many; actors run after that.
        let threads = OWN_THREADS + 2 * cores;
        match command {
            Command::Run(args) => {
                let workers = args.threads.map_or(cores, u64::from);
                Self { threads: threads + workers + KEPT_BLOCKING_THREADS as u64, file_bytes: 1 << 20, ..LOADING }
            }
            Command::Check(_) | Command::Inspect(_) => Self { threads, ..LOADING },
            _ => TALKING,
        }
        .with_stacks()
    }

    fn with_stacks(mut self) -> Self {
        self.address_space += self.threads * STACK_BYTES;
        self.data += self.threads * STACK_BYTES;
        self
    }

    /// The missing need, and the way out.
    fn missing(&self) -> Option<String> {
        let bounds = [
            (SystemLimit::AddressSpace, self.address_space, "bytes of address space"),
            (SystemLimit::Data, self.data, "bytes of memory"),
            (SystemLimit::FileSize, self.file_bytes, "bytes in one file"),
            (SystemLimit::Files, self.files, "open files, sockets and folders"),
        ];
        for (limit, needed, what) in bounds {
            if limit.get().is_some_and(|most| most < needed) {
                return Some(format!("the host needs {needed} {what} to start, and {}", limit.advice()));
            }
        }
        let started = start_threads(self.threads);
        (started < self.threads).then(|| {
            format!(
                "the host needs {} threads to start, and the system lets this user have only {started} more: {}",
                self.threads,
                SystemLimit::Threads.advice()
            )
        })
    }
}

/// Starts up to `wanted` threads at a time, and returns how many of them the system allows. Other processes of the user, and
/// control groups, count for the system's limit, so that only a trial shows the number.
fn start_threads(wanted: u64) -> u64 {
    let waiting: Vec<_> = (0..wanted)
        .map_while(|_| {
            let (go, told) = mpsc::channel::<()>();
            let thread = thread::Builder::new().stack_size(64 << 10).spawn(move || told.recv().is_ok()).ok()?;
            Some((thread, go))
        })
        .collect();
    let started = waiting.len() as u64;
    for (thread, go) in waiting {
        drop(go);
        let _ = thread.join();
    }
    started
}

/// Whether the system allows what this command needs; reports a missing need. Call this before there is a second thread.
pub(crate) fn are_enough(command: &Command) -> bool {
    ignore_file_size_signal();
    end_without_threads();
    if SystemLimit::AddressSpace.get().is_some() {
        allocator::save_address_space();
    }
    // The soft limit on files is raised before the check.
    if matches!(command, Command::Run(_) | Command::Check(_) | Command::Inspect(_)) {
        playhouse_runtime::raise_descriptor_limit();
    }
    let missing = Needs::of(command).missing();
    if let Some(missing) = &missing {
        // There is no console yet, and a closed stderr cannot be reported.
        let _ = writeln!(std::io::stderr(), "playhouse: {missing}");
    }
    missing.is_none()
}

/// Ignores SIGXFSZ, so that writes beyond `RLIMIT_FSIZE` fail like those on a full disk, instead of ending the process.
#[allow(unsafe_code)]
fn ignore_file_size_signal() {
    // SAFETY: the second argument is a constant of the system, no handler that would be called.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Ends the process with an error that names the limit when a thread cannot be started later, because other processes of the user
/// use up the limit. The libraries that start threads panic in this case.
fn end_without_threads() {
    let other = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if !is_about_threads(said) {
            return other(panic);
        }
        let limit = SystemLimit::of_memory_below(LOADING.address_space * 2).unwrap_or(SystemLimit::Threads);
        let _ = writeln!(std::io::stderr(), "playhouse: the system lets no more threads start: {}", limit.advice());
        std::process::exit(i32::from(FAILED));
    }));
}

/// Whether the text is that of the standard library or of Tokio for a thread that the system refuses.
fn is_about_threads(said: &str) -> bool {
    said.starts_with("failed to spawn thread") || said.starts_with("OS can't spawn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_started_together_and_counted() {
        assert_eq!(start_threads(5), 5);
    }

    #[test]
    fn panic_for_a_missing_thread_is_recognised() {
        assert!(is_about_threads("OS can't spawn worker thread: Resource temporarily unavailable (os error 11)"));
        let panic = std::panic::catch_unwind(|| {
            std::thread::Builder::new().stack_size(1 << 60).spawn(|| ()).expect("failed to spawn thread")
        });
        let said = *panic.expect_err("no system has such a stack").downcast::<String>().expect("a text");
        assert!(is_about_threads(&said), "{said}");
        assert!(!is_about_threads("index out of bounds"));
    }

    #[test]
    fn need_beyond_a_limit_names_the_way_out() {
        let needs = Needs { files: u64::MAX, ..TALKING };
        if SystemLimit::Files.get().is_some() {
            let said = needs.missing().expect("no limit is as high");
            assert!(said.contains("RLIMIT_NOFILE is ") && said.contains("`ulimit -n`"), "{said}");
        }
    }
}
