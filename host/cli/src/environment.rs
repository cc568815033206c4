//! The environment variables that have secrets, taken out of this process. This file has unsafe code: no other thread may read
//! the environment while it changes.

use std::collections::BTreeMap;

use playhouse_runtime::secrets::Variables;

/// Takes the variables out of the environment, so that neither this process's children nor `/proc/PID/environ` have their values.
/// `None` if this process has other threads, which could read the environment at the same time: then nothing changes.
#[cfg(target_os = "linux")]
pub(crate) fn take(names: &[&str]) -> Option<Variables> {
    if names.is_empty() {
        return Some(Variables::new());
    }
    if !is_alone() {
        return None;
    }
    let mut taken = BTreeMap::new();
    for name in names {
        if let Some(value) = std::env::var_os(name) {
            taken.insert((*name).to_owned(), value);
            remove(name);
        }
    }
    Some(taken)
}

/// Other systems do not tell whether there are other threads: the values are read, and stay in the environment.
#[cfg(not(target_os = "linux"))]
pub(crate) fn take(names: &[&str]) -> Option<Variables> {
    let value = |name: &&str| Some(((*name).to_owned(), std::env::var_os(name)?));
    Some(names.iter().filter_map(value).collect())
}

/// Whether this process has one thread. The system may still list threads for a moment after they were joined.
#[cfg(target_os = "linux")]
fn is_alone() -> bool {
    use std::time::{Duration, Instant};

    /// Far longer than the system needs.
    const PATIENCE: Duration = Duration::from_secs(1);
    let until = Instant::now() + PATIENCE;
    loop {
        match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
            Ok(1) => return true,
            Ok(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            _ => return false,
        }
    }
}

/// Overwrites the value of a variable where the system put it, which is what `/proc/PID/environ` shows, and removes the variable.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn remove(name: &str) {
    use std::ffi::{CStr, c_char};

    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    // SAFETY: this is the only thread, so that nothing reads or changes the environment meanwhile, and the standard library keeps
    // no reference into it. `environ` is null, or a list of texts with a null at its end. Each text lies in writable memory: that
    // of the process's start, or of the allocator. Only bytes before the end of a text are overwritten.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = CStr::from_ptr(*entry).to_bytes();
            let value = text.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(bytes) = value.map(<[u8]>::len) {
                let start = text.len() - bytes;
                (*entry).add(start).write_bytes(0, bytes);
            }
            entry = entry.add(1);
        }
        std::env::remove_var(name);
    }
}
