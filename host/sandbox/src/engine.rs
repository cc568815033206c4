//! How wasmtime is set up. All that changes the compiled code is in `compiled_for`; the rest decides where instances live.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::footprint::{MOST_CORE_INSTANCES, MOST_MEMORIES, MOST_TABLE_ELEMENTS, MOST_TABLES};

/// Stack for a guest's own calls, by default.
pub(crate) const WASM_STACK_BYTES: usize = 512 << 10;
/// Beside it, for the host functions that a guest calls.
const HOST_STACK_BYTES: usize = 512 << 10;
/// Stacks come in pages.
const PAGE_BYTES: usize = 4096;
/// Frames collected for a crash report, before the machinery of panics is cut off.
pub(crate) const MAX_FRAMES: usize = 64;
/// A memory's slot: 4 GiB and a guard, so that the compiled code needs no bounds checks.
const MEMORY_SLOT_BYTES: u64 = (4 << 30) + (32 << 20);
/// Of the 2^47 bytes of address space that a process has, the pool takes no more than three quarters.
const MAX_MEMORIES: u64 = (1 << 47) / 4 * 3 / MEMORY_SLOT_BYTES;

/// A stack takes two of the memory mappings that Linux gives a process, a live instance of a std component four more.
const MAPPINGS_EACH: u32 = 6;
/// Mappings for the rest of the process, which must not run out of them: without, not even a thread starts. With Linux's
/// own limit of 65,530 this leaves room for 10,000 instances and some.
const MAPPINGS_KEPT: u32 = 5000;
/// Of a slot's memory and tables, what stays in RAM after its instance is gone, for the next one: at most this much.
const KEPT_MEMORY_BYTES: usize = 64 << 10;
const KEPT_TABLE_BYTES: usize = 16 << 10;
/// The same of a stack. Without a bound each would keep as much as the deepest recursion ever used of it.
const KEPT_STACK_BYTES: usize = 16 << 10;

/// As many instances as this machine has memory mappings for.
pub(crate) fn most_instances() -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| text.trim().parse().ok());
    limit.map_or(u32::MAX, |limit: u32| limit.saturating_sub(MAPPINGS_KEPT) / MAPPINGS_EACH).max(1)
}

/// What an engine is for, which decides what code fits it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    /// It runs instances in a pool.
    Pool { stack_bytes: usize },
    /// It runs instances that are allocated one by one.
    OnDemand { stack_bytes: usize },
    /// It only looks at components, and therefore compiles them fast and badly.
    Look,
}

/// An engine that admits `max_instances` components at a time, each with so much stack, and where it keeps them, in words.
pub(crate) fn running(max_instances: u32, stack_bytes: usize) -> wasmtime::Result<(Engine, Purpose, String)> {
    let mut refused = None;
    // Most components have one memory; a composed one has several. Where address space is short, the smallest pool has no room
    // for the component with the most memories.
    let each = |memories: u64| u64::from(max_instances).saturating_mul(memories).min(MAX_MEMORIES) as u32;
    for memories in [each(2).max(MOST_MEMORIES), each(2), each(1)] {
        let purpose = Purpose::Pool { stack_bytes };
        let mut config = compiled_for(purpose);
        config.allocation_strategy(pool(max_instances, memories));
        match Engine::new(&config) {
            Ok(engine) => {
                return Ok((engine, purpose, format!("a pool of {max_instances} instances and {memories} memories")));
            }
            Err(error) => refused = Some(error),
        }
    }
    let purpose = Purpose::OnDemand { stack_bytes };
    let why = refused.map(|error| error.root_cause().to_string()).unwrap_or_default();
    let allocation = format!("on demand, and slower: no address space for a pool ({why})");
    Ok((compiling(purpose)?, purpose, allocation))
}

/// An engine for a look at components, which refuses what a pool refuses. Without the address space for a pool it refuses less.
pub(crate) fn looking() -> wasmtime::Result<Engine> {
    let mut config = compiled_for(Purpose::Look);
    config.allocation_strategy(pool(1, MOST_MEMORIES));
    Engine::new(&config).or_else(|_| compiling(Purpose::Look))
}

/// An engine that compiles for others; one that is not for a pool can also be used.
pub(crate) fn compiling(purpose: Purpose) -> wasmtime::Result<Engine> {
    Engine::new(&compiled_for(purpose))
}

/// All that the compiled code depends on.
fn compiled_for(purpose: Purpose) -> Config {
    match purpose {
        Purpose::Pool { stack_bytes } => base(stack_bytes),
        Purpose::OnDemand { stack_bytes } => {
            let mut config = base(stack_bytes);
            // Without the address space for a pool there is none for slots of 4 GiB either: small memories that move.
            config.memory_reservation(0).memory_reservation_for_growth(4 << 20).memory_guard_size(64 << 10);
            config
        }
        Purpose::Look => {
            let mut config = base(WASM_STACK_BYTES);
            config.cranelift_opt_level(wasmtime::OptLevel::None);
            config
        }
    }
}

fn base(stack_bytes: usize) -> Config {
    let stack_bytes = stack_bytes.next_multiple_of(PAGE_BYTES);
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes + HOST_STACK_BYTES)
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(MAX_FRAMES))
        // Else an environment variable has the host read a guest's debug information for each crash.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .memory_init_cow(true)
        // What compilers for actors use stays on: SIMD, bulk memory, multi-value, reference types, tail calls.
        .shared_memory(false)
        .wasm_memory64(false)
        // Adapters between the parts of a composed component copy from one memory to another.
        .wasm_multi_memory(true)
        .wasm_relaxed_simd(false);
    config
}

fn pool(max_instances: u32, memories: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_instances)
        // A std component is four or five core instances: the program, and shims that tie it to its imports.
        .total_core_instances(max_instances.saturating_mul(16).max(MOST_CORE_INSTANCES))
        .max_core_instances_per_component(MOST_CORE_INSTANCES)
        .total_memories(memories)
        .max_memories_per_component(MOST_MEMORIES)
        .max_memories_per_module(MOST_MEMORIES)
        .total_tables(max_instances.saturating_mul(4).max(MOST_TABLES))
        .max_tables_per_component(MOST_TABLES)
        .max_tables_per_module(MOST_TABLES)
        .table_elements(MOST_TABLE_ELEMENTS)
        .total_stacks(max_instances)
        .async_stack_keep_resident(KEPT_STACK_BYTES)
        .max_memory_size(4 << 30)
        // Slots that were used keep some mappings, of which Linux gives a process 65,530 in all.
        .max_unused_warm_slots(max_instances.min(100));
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // The next instance in a slot finds the pages that the last one used, made new: no fault for each of them.
        // Only where Linux can say which pages those are; else pages that nobody ever used would be made resident.
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
            .table_keep_resident(KEPT_TABLE_BYTES);
    }
    pool
}
