//! The memory in use: of the machine, of each control group of this process, and of the process itself. The kernel is told when
//! memory becomes short, and again when it is free.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{AboutHost, Kernel, LogEvent};
use tokio::time::MissedTickBehavior;

use crate::allocator;
use crate::events::{MemoryRelieved, MemoryShort, MemoryUnknown};
use crate::manifest::units::{ByteSize, MemoryMark};
use crate::printable::size;

/// Time between two measurements.
const PERIOD: Duration = Duration::from_millis(250);

/// The use of some memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Usage {
    whose: &'static str,
    used_bytes: u64,
    /// The size of this memory; for a process alone its limit.
    of_bytes: u64,
}

impl Usage {
    fn thousandths(&self) -> u128 {
        u128::from(self.used_bytes) * 1000 / u128::from(self.of_bytes.max(1))
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} uses {} of {}", self.whose, size(self.used_bytes), size(self.of_bytes))
    }
}

/// The files in which Linux shows the use of memory: those of `/`, or of a folder with the same structure.
struct Sources {
    root: PathBuf,
}

impl Sources {
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let path = path.as_ref();
        std::fs::read_to_string(self.root.join(path.strip_prefix("/").unwrap_or(path))).ok()
    }

    fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }

    /// The resident memory of this process alone. Pages that mappings share are left out: those of files, and those of a
    /// plugin's initial data that its instances only read, which all resident memory together counts once for each instance.
    /// The proportional share of such pages (`smaps_rollup`) would need a walk through all mappings, six for each instance.
    fn process(&self) -> Option<u64> {
        let status = self.text("proc/self/status")?;
        Some(field(&status, "RssAnon:")?.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    }

    /// The use of the machine's memory. Pages that can be reclaimed at once, such as those of files, do not count.
    fn machine(&self) -> Option<Usage> {
        let text = self.text("proc/meminfo")?;
        let bytes = |name| Some(field(&text, name)?.split_whitespace().next()?.parse::<u64>().ok()? << 10);
        let (total, available) = (bytes("MemTotal:")?, bytes("MemAvailable:")?);
        Some(Usage { whose: "this machine", used_bytes: total.saturating_sub(available), of_bytes: total })
    }

    /// The control groups of this process that have a limit, from its own to the outermost one.
    fn groups(&self) -> Vec<Usage> {
        let (Some(mine), Some(mounts)) = (self.text("proc/self/cgroup"), self.text("proc/self/mountinfo")) else {
            return Vec::new();
        };
        let mounts: Vec<_> = mounts.lines().filter_map(mount).collect();
        let mut found = Vec::new();
        // `0::/path` in version 2, `4:memory,hugetlb:/path` in version 1.
        for (controllers, path) in mine.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')) {
            let version = match controllers {
                "" => Version::Two,
                list if list.split(',').any(|name| name == "memory") => Version::One,
                _ => continue,
            };
            let Some(mount) = mounts.iter().find(|mount| mount.version == version) else { continue };
            let inside = Path::new(path).strip_prefix(mount.root).unwrap_or(Path::new(""));
            let inside: PathBuf =
                inside.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
            for folder in inside.ancestors() {
                found.extend(self.group(version, &Path::new(mount.at).join(folder)));
            }
        }
        found
    }

    fn group(&self, version: Version, folder: &Path) -> Option<Usage> {
        let number = |name| self.number(folder.join(name));
        let (bounds, used, reclaimable) = match version {
            // Above `memory.high` the system slows the group down very much.
            Version::Two => ([number("memory.max"), number("memory.high")], "memory.current", "inactive_file"),
            Version::One => ([number("memory.limit_in_bytes"), None], "memory.usage_in_bytes", "total_inactive_file"),
        };
        // Without a limit the file contains `max`.
        let of_bytes = bounds.into_iter().flatten().min()?;
        let stat = self.text(folder.join("memory.stat")).unwrap_or_default();
        let files = field(&stat, reclaimable).and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Some(Usage { whose: "the control group", used_bytes: number(used)?.saturating_sub(files), of_bytes })
    }

    /// The use of the system's limits of this process, `RLIMIT_AS` and `RLIMIT_DATA`.
    fn limits(&self) -> Vec<Usage> {
        let (Some(limits), Some(status)) = (self.text("proc/self/limits"), self.text("proc/self/status")) else {
            return Vec::new();
        };
        let usage = |whose, limit, used| {
            let of_bytes = field(&limits, limit)?.split_whitespace().next()?.parse().ok()?;
            let used_bytes = field(&status, used)?.split_whitespace().next()?.parse::<u64>().ok()? << 10;
            Some(Usage { whose, used_bytes, of_bytes })
        };
        let address_space = usage("the address space (RLIMIT_AS)", "Max address space", "VmSize:");
        address_space.into_iter().chain(usage("the data (RLIMIT_DATA)", "Max data size", "VmData:")).collect()
    }

    /// The memory of the machine, or the lowest limit of a control group; `None` if nothing can be read.
    fn least(&self) -> Option<u64> {
        self.groups().into_iter().chain(self.machine()).map(|usage| usage.of_bytes).min()
    }

    /// The largest use among the memories that count for this mark; `None` if nothing can be read.
    fn most_used(&self, mark: MemoryMark) -> Option<Usage> {
        match mark {
            MemoryMark::Share(_) => {
                let bounds = self.groups().into_iter().chain(self.limits());
                bounds.chain(self.machine()).max_by_key(Usage::thousandths)
            }
            MemoryMark::Size(ByteSize(of_bytes)) => {
                Some(Usage { whose: "this process", used_bytes: self.process()?, of_bytes })
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A mount of control groups.
struct Mount<'a> {
    version: Version,
    /// The group that is visible at the mount.
    root: &'a str,
    at: &'a str,
}

/// A line of `/proc/self/mountinfo`: see proc(5).
fn mount(line: &str) -> Option<Mount<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, at) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let version = match after.next()? {
        "cgroup2" => Version::Two,
        "cgroup" if after.nth(1)?.split(',').any(|option| option == "memory") => Version::One,
        _ => return None,
    };
    Some(Mount { version, root, at })
}

/// The text after this name at the beginning of a line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t'])))
}

/// The default memory of all guests together: half of the memory, so that the host and its data for guests have the other half;
/// no limit if the system does not tell its memory.
pub(crate) fn guest_memory() -> u64 {
    Sources { root: "/".into() }.least().map_or(u64::MAX, |bytes| bytes / 2)
}

/// Measures the memory, and tells the kernel.
pub(crate) struct Watch {
    mark: MemoryMark,
    sources: Sources,
    short: bool,
}

impl Watch {
    /// Measures once, before any input.
    pub(crate) fn begin(mark: MemoryMark, kernel: &Kernel) -> Self {
        Self::at("/".into(), mark, kernel)
    }

    fn at(root: PathBuf, mark: MemoryMark, kernel: &Kernel) -> Self {
        let mut watch = Self { mark, sources: Sources { root }, short: false };
        if watch.sources.most_used(mark).is_none() {
            MemoryUnknown { subject: AboutHost }.log();
        }
        watch.look(kernel);
        watch
    }

    /// Measures periodically without an end, unless the mark switches it off.
    pub(crate) async fn run(mut self, kernel: Kernel) {
        if self.mark == MemoryMark::Share(100) {
            return;
        }
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let kernel = kernel.clone();
            // The files are few and small, but reading them may block when memory is short.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(&kernel);
                self
            });
            let Ok(watch) = looked.await else { return };
            self = watch;
        }
    }

    /// Measures once.
    fn look(&mut self, kernel: &Kernel) {
        if self.short {
            allocator::give_back();
        }
        let Some(usage) = self.sources.most_used(self.mark) else { return };
        let high = match self.mark {
            MemoryMark::Share(100) => return,
            MemoryMark::Share(percent) => u128::from(percent) * 10,
            MemoryMark::Size(_) => 1000,
        };
        let now = usage.thousandths();
        // Memory is free again a tenth below the mark; between the two values the state does not change.
        let short = now >= high || self.short && now >= high * 9 / 10;
        if short {
            let why: Arc<str> = format!("{usage}, and `memory_high` in [play] is \"{}\"", self.mark).into();
            if !self.short {
                MemoryShort { subject: AboutHost, why: &why }.log();
            }
            kernel.set_memory_pressure(Some(why));
        } else if self.short {
            MemoryRelieved { subject: AboutHost, usage: &usage }.log();
            kernel.set_memory_pressure(None);
        }
        self.short = short;
    }
}

#[cfg(test)]
mod tests {
    use playhouse_kernel::Plan;
    use tempfile::TempDir;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A folder that looks like `/` on a machine of a gigabyte, half of it used.
    fn machine(cgroup: &str, mountinfo: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        write(&root, "proc/meminfo", "MemTotal:      1048576 kB\nMemFree: 1 kB\nMemAvailable:   524288 kB\n");
        write(&root, "proc/self/cgroup", cgroup);
        write(&root, "proc/self/mountinfo", mountinfo);
        root
    }

    fn write(root: &TempDir, path: &str, text: impl ToString) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.to_string()).unwrap();
    }

    fn most_used(root: &TempDir) -> Option<(&'static str, u64, u64)> {
        let usage = Sources { root: root.path().into() }.most_used(MemoryMark::Share(80))?;
        Some((usage.whose, usage.used_bytes / MIB, usage.of_bytes / MIB))
    }

    const V2: (&str, &str) =
        ("0::/user/app\n", "30 24 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");

    #[test]
    fn machine_counts_without_a_limit_of_a_control_group() {
        let root = machine(V2.0, V2.1);
        assert_eq!(most_used(&root), Some(("this machine", 512, 1024)));
        write(&root, "sys/fs/cgroup/user/app/memory.max", "max\n");
        write(&root, "sys/fs/cgroup/user/app/memory.current", 1000 * MIB);
        assert_eq!(most_used(&root), Some(("this machine", 512, 1024)));
    }

    #[test]
    fn lowest_group_limit_counts_without_reclaimable_pages() {
        let root = machine(V2.0, V2.1);
        write(&root, "sys/fs/cgroup/user/app/memory.max", 400 * MIB);
        write(&root, "sys/fs/cgroup/user/app/memory.current", 390 * MIB);
        write(&root, "sys/fs/cgroup/user/app/memory.stat", format!("anon 1\ninactive_file {}\nfile 2\n", 100 * MIB));
        assert_eq!(most_used(&root), Some(("the control group", 290, 400)));
        write(&root, "sys/fs/cgroup/user/app/memory.high", format!("{}\n", 300 * MIB));
        assert_eq!(most_used(&root), Some(("the control group", 290, 300)));
        write(&root, "sys/fs/cgroup/user/memory.max", 310 * MIB);
        write(&root, "sys/fs/cgroup/user/memory.current", 309 * MIB);
        assert_eq!(most_used(&root), Some(("the control group", 309, 310)));
    }

    #[test]
    fn control_groups_of_version_one_count_also_in_a_container() {
        let mounts = "1 0 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      2 0 0:2 /docker/5d1f /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let root = machine("5:cpu:/x\n4:hugetlb,memory:/docker/5d1f\n0::/\n", mounts);
        write(&root, "sys/fs/cgroup/memory/memory.limit_in_bytes", 200 * MIB);
        write(&root, "sys/fs/cgroup/memory/memory.usage_in_bytes", 150 * MIB);
        write(
            &root,
            "sys/fs/cgroup/memory/memory.stat",
            format!("inactive_file 0\ntotal_inactive_file {}\n", 10 * MIB),
        );
        assert_eq!(most_used(&root), Some(("the control group", 140, 200)));
        // No bound is a very large one.
        write(&root, "sys/fs/cgroup/memory/memory.limit_in_bytes", 9_223_372_036_854_771_712_u64);
        assert_eq!(most_used(&root), Some(("this machine", 512, 1024)));
    }

    #[test]
    fn group_path_with_dots_is_read_below_its_mount_only() {
        let root = machine("0::/../../x\n", V2.1);
        write(&root, "sys/fs/x/memory.max", 1);
        write(&root, "sys/fs/x/memory.current", 1);
        assert_eq!(most_used(&root), Some(("this machine", 512, 1024)));
    }

    #[test]
    fn memory_is_never_short_without_readable_files() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(most_used(&root), None);
        for garbage in ["", "\n", "0::", "MemTotal: x kB\nMemAvailable:\n", "1 2 3 - cgroup\n - - -"] {
            for file in ["proc/meminfo", "proc/self/cgroup", "proc/self/mountinfo", "proc/self/status"] {
                write(&root, file, garbage);
            }
            assert_eq!(most_used(&root), None);
            let size = MemoryMark::Size(ByteSize(MIB));
            assert_eq!(Sources { root: root.path().into() }.most_used(size), None);
        }
    }

    #[test]
    fn size_counts_no_pages_that_instances_share() {
        let root = tempfile::tempdir().unwrap();
        let status = "VmRSS:\t  338944 kB\nRssAnon:\t  102400 kB\nRssFile:\t  4096 kB\nRssShmem:\t  232448 kB\n";
        write(&root, "proc/self/status", status);
        write(&root, "proc/self/statm", "200000 84736 1024 2000 0 90000 0\n");
        let usage = Sources { root: root.path().into() }.most_used(MemoryMark::Size(ByteSize(200 * MIB))).unwrap();
        assert_eq!(usage, Usage { whose: "this process", used_bytes: 100 * MIB, of_bytes: 200 * MIB });
    }

    /// Uses this much of a machine of a gigabyte.
    fn use_mib(root: &TempDir, used: u64) {
        let available = (1024 - used) << 10;
        write(root, "proc/meminfo", format!("MemTotal: 1048576 kB\nMemAvailable: {available} kB\n"));
    }

    #[tokio::test]
    async fn memory_is_short_from_the_mark_to_a_tenth_below() {
        let kernel = Kernel::start(&Plan::default()).unwrap();
        let root = machine(V2.0, V2.1);
        let mut watch = Watch::at(root.path().into(), MemoryMark::Share(80), &kernel);
        let mut look = |used| {
            use_mib(&root, used);
            watch.look(&kernel);
            kernel.memory_pressure().is_some()
        };
        assert_eq!([800, 820, 800, 750, 730, 800, 830].map(&mut look), [false, true, true, true, false, false, true]);
        let why = "this machine uses 830.0 MiB of 1024.0 MiB, and `memory_high` in [play] is \"80%\"";
        assert_eq!(kernel.memory_pressure().as_deref(), Some(why));
    }

    #[tokio::test]
    async fn size_limits_this_process_alone() {
        let kernel = Kernel::start(&Plan::default()).unwrap();
        let _ = Watch::at("/".into(), MemoryMark::Size(ByteSize(1 << 50)), &kernel);
        assert_eq!(kernel.memory_pressure(), None);
        let _ = Watch::at("/".into(), MemoryMark::Size(ByteSize(1)), &kernel);
        assert!(kernel.memory_pressure().is_some_and(|why| why.starts_with("this process uses")));
    }

    #[tokio::test]
    async fn hundred_percent_switches_the_watch_off() {
        let kernel = Kernel::start(&Plan::default()).unwrap();
        let root = machine(V2.0, V2.1);
        use_mib(&root, 1024);
        let watch = Watch::at(root.path().into(), MemoryMark::Share(100), &kernel);
        watch.run(kernel.clone()).await;
        assert_eq!(kernel.memory_pressure(), None);
    }
}
