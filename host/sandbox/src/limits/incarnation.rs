//! The limits of one incarnation, as the manifest sets them.

use std::time::Duration;

use playhouse_kernel::Bounds;

/// The limits of one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its memories and tables together. Default: 64 MiB.
    pub memory_bytes: u64,
    /// CPU time for one message, or for one hook; a call with several messages has this time for each of them. A call may
    /// exceed the limit by up to 10 ms. Default: 100 ms.
    pub cpu: Duration,
    /// Open resources: streams, files, pollables, errors. Default: 1024.
    pub resources: usize,
    /// Lines on its standard error, each second, over all its incarnations. Default: 1000.
    pub log_lines: u64,
    /// Bytes on its standard error, each second, over all its incarnations. Default: 1 MiB.
    pub log_bytes: u64,
    /// Bytes that the host keeps of an HTTP request without its body: method, scheme, authority, path with query, fields and
    /// trailers. All requests and fields at a time may have 64 times as many bytes. Default: 64 KiB.
    pub request_head_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu: Duration::from_millis(100),
            resources: 1024,
            log_lines: 1000,
            log_bytes: 1 << 20,
            request_head_bytes: 64 << 10,
        }
    }
}

impl Limits {
    /// The smaller of both values, for each limit.
    #[must_use]
    pub fn within(self, bounds: &Bounds) -> Self {
        Self {
            memory_bytes: self.memory_bytes.min(bounds.memory_bytes),
            cpu: self.cpu.min(bounds.cpu),
            resources: self.resources.min(bounds.resources),
            log_lines: self.log_lines.min(bounds.log_lines),
            log_bytes: self.log_bytes.min(bounds.log_bytes),
            request_head_bytes: self.request_head_bytes.min(bounds.request_head_bytes),
        }
    }

    /// The bounds of the actors that it spawns.
    pub(crate) fn bounds(self) -> Bounds {
        let Self { memory_bytes, cpu, resources, log_lines, log_bytes, request_head_bytes } = self;
        Bounds { memory_bytes, cpu, resources, log_lines, log_bytes, request_head_bytes, ..Bounds::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_within_bounds_are_the_narrower_of_both() {
        let ms = Duration::from_millis;
        let limits =
            Limits { memory_bytes: 10, cpu: ms(10), resources: 5, log_lines: 7, log_bytes: 8, request_head_bytes: 4 };
        let bounds = Bounds {
            memory_bytes: 5,
            cpu: ms(20),
            resources: 6,
            log_lines: 1,
            log_bytes: 9,
            request_head_bytes: 3,
            ..Bounds::NONE
        };
        let both = Limits { memory_bytes: 5, log_lines: 1, request_head_bytes: 3, ..limits };
        assert_eq!(limits.within(&bounds), both);
        assert_eq!(limits.within(&Bounds::NONE), limits);
        assert_eq!(Limits::default().within(&both.bounds()), both);
    }
}
