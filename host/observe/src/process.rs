//! The host's own process, by the names that Prometheus's client libraries use.

use std::time::Duration;

/// The use of the system by the host's process; a value that the system does not tell is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// CPU time of all threads.
    pub cpu: Option<Duration>,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Address space.
    pub virtual_bytes: Option<u64>,
    /// Open files.
    pub open_fds: Option<u64>,
    /// Maximum number of open files.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Reads the values of this process. The files exist on Linux alone.
    pub fn read() -> Self {
        let text = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = Duration::new(cpu.tv_sec.unsigned_abs(), u32::try_from(cpu.tv_nsec).unwrap_or_default());
        let pages = |index: usize, statm: &str| {
            let pages: u64 = statm.split_whitespace().nth(index)?.parse().ok()?;
            Some(pages * rustix::param::page_size() as u64)
        };
        let statm = text("statm");
        Self {
            cpu: Some(cpu),
            virtual_bytes: pages(0, &statm),
            resident_bytes: pages(1, &statm),
            // The folder itself is open while it is read.
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|fds| (fds.count() as u64).saturating_sub(1)),
            max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            threads: threads(&text("stat")),
        }
    }
}

/// The number of threads in a text of `/proc/PID/stat`: its twentieth field. The second one is a name in brackets, which may
/// have spaces and brackets of its own.
fn threads(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(17)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_read_behind_any_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 7 0 100 200 300";
        assert_eq!(threads(stat), Some(7));
        assert_eq!(threads("12 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn process_tells_all_of_itself() {
        let process = Process::read();
        let Process { cpu, resident_bytes, virtual_bytes, open_fds, max_fds, threads } = process;
        assert!(cpu.is_some_and(|cpu| cpu > Duration::ZERO));
        assert!(resident_bytes > Some(1 << 16) && virtual_bytes >= resident_bytes, "{process:?}");
        assert!(open_fds >= Some(3) && max_fds.is_none_or(|most| Some(most) >= open_fds), "{process:?}");
        assert!(threads >= Some(1), "{process:?}");
    }
}
