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
    /// These limits, none of them wider than that of `parent`.
    #[must_use]
    pub fn within(self, parent: &Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.min(parent.memory_bytes),
            cpu: self.cpu.min(parent.cpu),
            resources: self.resources.min(parent.resources),
            log_lines: self.log_lines.min(parent.log_lines),
            log_bytes: self.log_bytes.min(parent.log_bytes),
            request_head_bytes: self.request_head_bytes.min(parent.request_head_bytes),
        }
    }

    /// As [`Limits::within`] with the limits in these bounds of the parent; without a parent the limits stay as they are.
    #[must_use]
    pub fn bounded(self, within: &Bounds) -> Self {
        match &within.limits {
            None => self,
            // Bounds of another type cannot be understood here, so they permit no memory.
            Some(above) => above.downcast_ref().map_or(Self { memory_bytes: 0, ..self }, |above| self.within(above)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn limits_within_bounds_are_the_narrower_of_both() {
        let ms = Duration::from_millis;
        let limits =
            Limits { memory_bytes: 10, cpu: ms(10), resources: 5, log_lines: 7, log_bytes: 8, request_head_bytes: 4 };
        let parent =
            Limits { memory_bytes: 5, cpu: ms(20), resources: 6, log_lines: 1, log_bytes: 9, request_head_bytes: 3 };
        let both = Limits { memory_bytes: 5, log_lines: 1, request_head_bytes: 3, ..limits };
        let bounds = Bounds { limits: Some(Arc::new(parent)), ..Bounds::NONE };
        assert_eq!((limits.within(&parent), limits.bounded(&bounds)), (both, both));
        assert_eq!(limits.bounded(&Bounds::NONE), limits);
    }

    #[test]
    fn unknown_bounds_permit_no_memory() {
        let bounds = Bounds { limits: Some(Arc::new("another sandbox's")), ..Bounds::NONE };
        assert_eq!(Limits::default().bounded(&bounds).memory_bytes, 0);
    }
}
