//! The resources that the limits of the system (`ulimit`) leave to guests. Limits of memory bound the memory of guests; the
//! host's own needs come first.

use playhouse_sandbox::SystemLimit;

/// Address space of the host itself, besides the stacks of its threads. The host cannot recover when it runs out of memory, so
/// that this need is large.
pub const HOST_ADDRESS_SPACE_BYTES: u64 = 896 << 20;
/// Data of the host itself, besides the stacks of its threads.
pub const HOST_DATA_BYTES: u64 = 96 << 20;
/// A thread's stack.
pub const STACK_BYTES: u64 = 2 << 20;
/// Number of threads that a play keeps for blocking calls of actors when the user may have only few threads.
pub const KEPT_BLOCKING_THREADS: usize = 8;
/// Number of threads for blocking calls of the host itself: measuring the memory, and waits for the last output.
pub const HOST_BLOCKING_THREADS: usize = 3;
/// Address space of one instance besides the bytes of its memory: stack, guards, and space to grow.
const INSTANCE_BYTES: u64 = 6 << 20;

/// Whether a limit of the system may keep a play from having `wanted` threads for blocking calls.
pub(crate) fn are_few_threads(wanted: usize) -> bool {
    let enforced = SystemLimit::Threads.get().is_some_and(|most| most < wanted as u64 + PLENTY_OF_THREADS);
    enforced || guest_share().is_some()
}

/// Number of threads that other processes of the user may have.
const PLENTY_OF_THREADS: u64 = 1024;

/// The resources that the lowest limit of memory leaves to guests.
pub(crate) struct GuestShare {
    /// The limit, for errors.
    pub(crate) limit: SystemLimit,
    /// Memories and tables of all guests together.
    pub(crate) memory_bytes: u64,
    /// Live instances.
    pub(crate) instances: u32,
    /// Threads for blocking calls.
    pub(crate) blocking_threads: usize,
}

/// The resources of guests under a limit of address space or data; `None` without such a limit.
pub(crate) fn guest_share() -> Option<GuestShare> {
    let left = |limit: SystemLimit, own: u64| Some((limit.get()?.saturating_sub(own), limit));
    let limits = [left(SystemLimit::AddressSpace, HOST_ADDRESS_SPACE_BYTES), left(SystemLimit::Data, HOST_DATA_BYTES)];
    let (left, limit) = limits.into_iter().flatten().min_by_key(|(left, _)| *left)?;
    Some(GuestShare::of(left, limit))
}

impl GuestShare {
    /// Divides the space that is left: a third for memories, which move when they grow, a quarter for instances, and a quarter
    /// for the host.
    fn of(left: u64, limit: SystemLimit) -> Self {
        let at_most = |count: u64, most: u64| count.clamp(1, most);
        Self {
            limit,
            memory_bytes: left / 3,
            instances: at_most(left / 4 / INSTANCE_BYTES, u64::from(u32::MAX)) as u32,
            blocking_threads: KEPT_BLOCKING_THREADS + (left / 16 / STACK_BYTES) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_get_a_share_of_limited_memory() {
        let none = GuestShare::of(0, SystemLimit::Data);
        assert_eq!((none.memory_bytes, none.instances, none.blocking_threads), (0, 1, 8));
        let some = GuestShare::of(12 << 30, SystemLimit::Data);
        assert_eq!((some.memory_bytes, some.instances, some.blocking_threads), (4 << 30, 512, 8 + 384));
    }
}
