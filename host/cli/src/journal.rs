//! Stderr as the journal of systemd: each line begins with its priority, as in `<4>`, which the journal takes off again. See
//! sd-daemon(3).

use rustix::fs::fstat;
use tracing::Level;

/// Whether stderr goes to the journal: systemd gives the device and the inode of its stream in `JOURNAL_STREAM`. A stderr that
/// was redirected since is another file.
pub(crate) fn is_stderr() -> bool {
    let stderr = || fstat(std::io::stderr()).ok();
    std::env::var("JOURNAL_STREAM")
        .is_ok_and(|named| stderr().is_some_and(|stat| is_file(&named, stat.st_dev, stat.st_ino)))
}

fn is_file(named: &str, device: u64, inode: u64) -> bool {
    named
        .split_once(':')
        .is_some_and(|(of_device, of_inode)| of_device.parse() == Ok(device) && of_inode.parse() == Ok(inode))
}

/// The text with the priority of its level before each of its lines.
pub(crate) fn with_priority(level: Level, text: &str) -> String {
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    text.lines().map(|line| format!("<{priority}>{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_begins_with_its_priority() {
        assert_eq!(with_priority(Level::ERROR, "a\n    at b\n"), "<3>a\n<3>    at b");
        let levels = [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(|level| with_priority(level, "x")), ["<4>x", "<6>x", "<7>x", "<7>x"]);
    }

    #[test]
    fn stream_is_named_by_device_and_inode() {
        assert!(is_file("9:12345", 9, 12345));
        for other in ["9:12346", "8:12345", "9", "", ":", "9:12345:1", "x:12345"] {
            assert!(!is_file(other, 9, 12345), "{other}");
        }
    }
}
