//! Turns an error of wasmtime into a crash report: the typed reason, the guest's functions, its last lines of stderr.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Crash, CrashReason, Overrun};
use rustix::io::Errno;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::panic::Panic;
use super::store::{MAX_RANDOM_BYTES, hostcall_bytes};
use crate::component::Names;
use crate::contract::{BRIDGE, BadFrame};
use crate::limits::{MOST_TABLE_ELEMENTS, MemoryLimiter, Refused, SystemLimit};
use crate::output::{Lines, Unpermitted};
use crate::wasi::http::Excess;
use crate::wasi::polling::LongList;

/// Functions shown in a report.
const SHOWN_FRAMES: usize = 32;
/// Beginnings of the names of runtime functions that run between a panic and the trap; reports leave these functions out.
const MACHINERY: [&str; 16] = [
    "abort",
    PANIC_HOOK,
    MAILBOX_PANIC_HOOK,
    "core::ops::function::",
    "playhouse_sdk::bindings::",
    "__rust",
    "rust_",
    "core::panicking::",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "std::panicking::",
    "std::process::abort",
    "std::sys::",
    "std::alloc::",
    "panic_abort::",
];

/// The SDK's panic hook. The hook ends the run in a call to the host, through a few functions that only forward the call.
const PANIC_HOOK: &str = "playhouse_sdk::wasm::panic_hook::report_panic";
/// The panic hook of a mailbox plugin.
const MAILBOX_PANIC_HOOK: &str = "playhouse_sdk::mailbox::component::";
/// The most functions between the panic hook and the host.
const PASSED_ON: usize = 4;

/// The facts in a store about a run that failed.
pub(crate) trait RunFacts {
    /// Its use of memory.
    fn memory(&self) -> &MemoryLimiter;
    /// The panic that it reported before the trap.
    fn panic(&self) -> Option<&Panic>;
}

/// The crash report for the error of a call.
pub(crate) fn crash(
    error: &wasmtime::Error,
    facts: &impl RunFacts,
    names: &Names,
    cpu: Duration,
    stderr: &Lines,
) -> Crash {
    let reason = reason(error, facts, cpu);
    let backtrace = match facts.panic() {
        // The functions of an interpreter say nothing about the author's code.
        Some(panic) if matches!(reason, CrashReason::Panic { .. }) && !panic.traceback.is_empty() => {
            panic.traceback.clone()
        }
        _ => backtrace(error, names),
    };
    Crash { reason, backtrace, stderr: stderr.tail() }
}

/// The crash report for an instance that could not be made.
pub(crate) fn failed_launch(
    error: &wasmtime::Error,
    facts: &impl RunFacts,
    names: &Names,
    cpu: Duration,
    stderr: &Lines,
) -> Crash {
    let ran_code = error.is::<Trap>() || error.is::<I32Exit>();
    if ran_code || facts.memory().refused.is_some() {
        return crash(error, facts, names, cpu, stderr);
    }
    let message = if error.is::<PoolConcurrencyLimitError>() {
        format!(
            "the pool has no free place for an instance: {}; raise `max_instances` in the manifest's [play]",
            cause(error)
        )
    } else if error.downcast_ref::<Errno>() == Some(&Errno::NOMEM)
        || error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) == Some(Errno::NOMEM.raw_os_error())
    {
        let limit =
            SystemLimit::of_memory_below(u64::MAX).map_or_else(String::new, |limit| format!("; {}", limit.advice()));
        format!(
            "the system has no memory, or no memory mappings, for another instance; lower `max_instances` in the \
             manifest's [play], or raise the sysctl `vm.max_map_count`{limit}"
        )
    } else {
        let system = error.chain().find_map(|cause| {
            let known = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
            let code = known.or_else(|| cause.downcast_ref::<Errno>().map(|code| code.raw_os_error()))?;
            SystemLimit::behind(&io::Error::from_raw_os_error(code), false)
        });
        let limit = system.map_or_else(String::new, |limit| format!("; {}", limit.advice()));
        format!("cannot make an instance: {}{limit}", cause(error))
    };
    Crash { stderr: stderr.tail(), ..Crash::new(CrashReason::Start { message }) }
}

fn reason(error: &wasmtime::Error, facts: &impl RunFacts, cpu: Duration) -> CrashReason {
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::StackOverflow) => return CrashReason::Stack { limit_bytes: facts.memory().stack_bytes },
        // Only the CPU meter interrupts.
        Some(Trap::Interrupt) => return CrashReason::Cpu { budget: cpu },
        _ => {}
    }
    if let Some(&overrun) = error.downcast_ref::<Overrun>() {
        return overrun.into();
    }
    if let Some(bad) = error.downcast_ref::<BadFrame>() {
        return bad.into();
    }
    if let Some(&I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        return CrashReason::Exit { status };
    }
    if let Some(unpermitted) = error.downcast_ref::<Unpermitted>() {
        return CrashReason::Limit { more_than: unpermitted.limit() };
    }
    if let Some(excess) = error.downcast_ref::<Excess>() {
        return CrashReason::Limit { more_than: excess.more_than() };
    }
    if let Some(long) = error.downcast_ref::<LongList>() {
        return CrashReason::Limit { more_than: long.more_than() };
    }
    let text = cause(error);
    if let Some(more_than) = limit(&text, facts) {
        return CrashReason::Limit { more_than };
    }
    if let Some(panic) = facts.panic() {
        return CrashReason::Panic { message: panic.message.clone() };
    }
    match &facts.memory().refused {
        Some(Refused::Memory) => {
            let memory = facts.memory();
            return CrashReason::Memory { limit_bytes: memory.limit_bytes(), key: memory.limit_key.into() };
        }
        Some(Refused::Account(account)) => {
            return CrashReason::Memory { limit_bytes: account.most, key: account.key.clone() };
        }
        Some(Refused::Table) => {
            return CrashReason::Limit { more_than: format!("{MOST_TABLE_ELEMENTS} elements in a table") };
        }
        None => {}
    }
    let kind = text.strip_prefix("wasm trap: ").unwrap_or(&text);
    CrashReason::Trap { kind: kind.to_owned() }
}

/// The limit by which wasmtime refused a call. These errors of wasmtime have no types, so their texts are compared.
fn limit(text: &str, facts: &impl RunFacts) -> Option<String> {
    let handed_over = hostcall_bytes(facts.memory().limit_bytes());
    let resources = || format!("{} open resources at a time (limits.resources)", facts.memory().most_resources);
    let unpermitted = || "`check-write` permitted to write to a stream".to_owned();
    let limits = [
        ("resource table has no free keys", resources()),
        ("store handle limit exceeded", resources()),
        ("fuel allocated for hostcalls", format!("{handed_over} bytes passed in one call (limits.memory)")),
        ("of more than check-write permitted", unpermitted()),
        ("write exceeded budget", unpermitted()),
        ("write not permitted", unpermitted()),
        ("cannot write more zeroes than", unpermitted()),
        ("Buffer too large for blocking-write", "4096 bytes in one blocking write".to_owned()),
        ("max blocking attempts exceeded", "10 waits in one blocking call for a stream that stays as it is".to_owned()),
        ("requested len ", format!("{MAX_RANDOM_BYTES} random bytes in one call")),
    ];
    limits.into_iter().find(|(words, _)| text.contains(words)).map(|(_, more_than)| more_than)
}

/// The innermost message; the outer ones have backtraces and places in the code.
fn cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

fn backtrace(error: &wasmtime::Error, names: &Names) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let mut report = names.report();
    let names: Vec<_> = backtrace
        .frames()
        .iter()
        .filter(|frame| frame.module().name() != Some(BRIDGE))
        .map(|frame| match frame.func_name() {
            Some(mangled) => report.shown(mangled),
            None => format!("function {}", frame.func_index()).into(),
        })
        .collect();
    let machinery = |name: &Arc<str>| MACHINERY.iter().any(|start| name.trim_start_matches('<').starts_with(start));
    let is_hook = |name: &Arc<str>| name.starts_with(PANIC_HOOK) || name.starts_with(MAILBOX_PANIC_HOOK);
    let hook = names.iter().take(PASSED_ON).position(is_hook).unwrap_or(0);
    let first = names[hook..].iter().position(|name| !machinery(name)).unwrap_or(0);
    names[hook + first..].iter().take(SHOWN_FRAMES).map(ToString::to_string).collect()
}
