//! The memory that the allocator keeps for later, and its return to the system. This file is the only unsafe
//! code of this crate.

/// Makes glibc keep up to 32 MiB of freed memory at the end of each arena, and make no mapping for a block below that size.
///
/// By default glibc adapts the amount to the freed blocks: the buffers of large messages then leave the process and come back as
/// pages that the system must clear each time. `give_back` returns the memory when memory is short.
///
/// Does nothing once there is a second thread, which might read the settings at the same time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn keep_freed() {
    const BYTES: libc::c_int = 32 << 20;
    let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if alone {
        // SAFETY: the call takes no pointer. mallopt(3) is marked MT-Unsafe, and no other thread exists that could call the
        // allocator or start a thread. A refused setting changes nothing.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, BYTES);
        }
    }
}

/// Makes glibc use at most two arenas: each takes 64 MiB of address space, too much under a limit on address space.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn save_address_space() {
    let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if alone {
        // SAFETY: as in `keep_freed`.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }
}

/// Returns freed memory to the system. glibc keeps freed memory in the middle of its arenas, so that after a flood the process
/// would still count as using it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    // SAFETY: the call takes no pointer, and any thread may call it at any time: malloc_trim(3) is marked MT-Safe. Memory in use
    // is not touched.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators need no such setting, or have none.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed() {}

/// Other allocators take address space as they need it.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn save_address_space() {}

/// Other allocators return memory by themselves, or have no such call.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
