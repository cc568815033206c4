//! Limits that the system sets to this process (`ulimit`): their names, their values, and the way out of each. An error that
//! comes from one of them says so, instead of blaming a plugin or a key of the manifest.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// A limit of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemLimit {
    /// `RLIMIT_AS`: address space.
    AddressSpace,
    /// `RLIMIT_DATA`: the allocations of the process.
    Data,
    /// `RLIMIT_FSIZE`: the size of a file that it writes.
    FileSize,
    /// `RLIMIT_NOFILE`: open files, sockets and folders.
    Files,
    /// `RLIMIT_NPROC`: processes and threads of the user.
    Threads,
}

impl SystemLimit {
    /// The soft limit, which is the effective one; none for no limit.
    pub fn get(self) -> Option<u64> {
        getrlimit(match self {
            Self::AddressSpace => Resource::As,
            Self::Data => Resource::Data,
            Self::FileSize => Resource::Fsize,
            Self::Files => Resource::Nofile,
            Self::Threads => Resource::Nproc,
        })
        .current
    }

    /// Its name, its value, and the way to raise it.
    pub fn advice(self) -> String {
        let (name, flag, unit, systemd) = match self {
            Self::AddressSpace => ("RLIMIT_AS", "-v", " bytes", "LimitAS"),
            Self::Data => ("RLIMIT_DATA", "-d", " bytes", "LimitDATA"),
            Self::FileSize => ("RLIMIT_FSIZE", "-f", " bytes", "LimitFSIZE"),
            Self::Files => ("RLIMIT_NOFILE", "-n", "", "LimitNOFILE"),
            Self::Threads => ("RLIMIT_NPROC", "-u", "", "LimitNPROC"),
        };
        let value = self.get().map_or_else(|| "no limit".to_owned(), |value| format!("{value}{unit}"));
        let group = match self {
            Self::Threads => "; the control group's `pids.max` (`TasksMax=`) counts as well",
            _ => "",
        };
        format!("{name} is {value}: raise it with `ulimit {flag}`, or with `{systemd}=` of systemd{group}")
    }

    /// The tightest limit that holds the memory of this process, or of a child of it, below `bytes`.
    pub fn of_memory_below(bytes: u64) -> Option<Self> {
        let set = [Self::AddressSpace, Self::Data].into_iter().filter_map(|limit| Some((limit.get()?, limit)));
        set.filter(|(most, _)| *most < bytes).min_by_key(|(most, _)| *most).map(|(_, limit)| limit)
    }

    /// The limit behind an error of the system; none for an error that has another cause. `starting`: whether the error is from
    /// the start of a process or a thread.
    pub fn behind(error: &io::Error, starting: bool) -> Option<Self> {
        let code = Errno::from_raw_os_error(error.raw_os_error()?);
        match code {
            Errno::FBIG => Some(Self::FileSize),
            Errno::MFILE => Some(Self::Files),
            Errno::NOMEM => Self::of_memory_below(u64::MAX),
            // Also the error for a thread when there is no memory for its stack.
            Errno::AGAIN if starting => Some(Self::of_memory_below(TIGHT_BYTES).unwrap_or(Self::Threads)),
            _ => None,
        }
    }

    /// An error of the system, with the limit that is behind it.
    pub fn explained(error: &io::Error) -> String {
        Self::behind(error, false).map_or_else(|| error.to_string(), |limit| format!("{error}; {}", limit.advice()))
    }
}

/// With a limit above this, there is memory for the stack of one more thread.
const TIGHT_BYTES: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_name_the_limit_behind_them() {
        let behind = |code: Errno, starting| SystemLimit::behind(&io::Error::from(code), starting);
        assert_eq!(behind(Errno::FBIG, false), Some(SystemLimit::FileSize));
        assert_eq!(behind(Errno::MFILE, false), Some(SystemLimit::Files));
        assert_eq!(behind(Errno::AGAIN, false), None);
        assert!(behind(Errno::AGAIN, true).is_some());
        assert_eq!(behind(Errno::NOENT, true), None);
        let said = SystemLimit::explained(&Errno::FBIG.into());
        assert!(said.contains("; RLIMIT_FSIZE is ") && said.contains("`LimitFSIZE=` of systemd"), "{said}");
    }
}
