//! The memory that the allocator keeps for later, and when it goes back to the system. With the signal in `system_limits`, the unsafe code of this crate.

/// Has glibc keep up to 32 MiB of what is freed at the end of each arena, and no block below that be a mapping of its own.
///
/// By default it learns from what is freed how much to keep: the buffers of large messages, which come and go by the mebibyte, then
/// leave the process and come back as pages that the system must clear each time. `give_back` is for when memory is short.
///
/// Does nothing once there is a second thread, which might be reading what is set here.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn keep_freed() {
    const BYTES: libc::c_int = 32 << 20;
    let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if alone {
        // SAFETY: it takes no pointer. mallopt(3) says MT-Unsafe, and no other thread is there to call the allocator, or to start one.
        // What it refuses, it leaves as it was.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, BYTES);
        }
    }
}

/// Has glibc make no more than two arenas: each takes 64 MiB of address space, which is too much where a limit bounds that.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn save_address_space() {
    let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    if alone {
        // SAFETY: as in `keep_freed`.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }
}

/// glibc keeps what was freed in the middle of its arenas: after a flood the process would look as if it still had it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    // SAFETY: it takes no pointer, and any thread may call it at any time: malloc_trim(3) says MT-Safe. Memory in use is not
    // touched.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators have no such habits, or cannot be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed() {}

/// Other allocators take address space as they need it.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn save_address_space() {}

/// Other allocators do it by themselves, or cannot be told to.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
