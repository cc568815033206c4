//! What the allocator keeps for later, given back to the system. The only unsafe code of this crate.

/// glibc keeps what was freed in the middle of its arenas: after a flood the process would look as if it still had it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(super) fn give_back() {
    // SAFETY: it takes no pointer, and any thread may call it at any time: malloc_trim(3) says MT-Safe. Memory in use is not
    // touched.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do it by themselves, or cannot be told to.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}
