//! The settings of wasmtime. All settings that change the compiled code are in `compiled_for`; the others decide where instances
//! are allocated.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::limits::{MOST_CORE_INSTANCES, MOST_MEMORIES, MOST_TABLE_ELEMENTS, MOST_TABLES};

/// Stack for a guest's own calls, by default.
pub(crate) const WASM_STACK_BYTES: usize = 512 << 10;
/// Additional stack for the host functions that a guest calls.
const HOST_STACK_BYTES: usize = 512 << 10;
/// The size of a stack is a multiple of this.
const PAGE_BYTES: usize = 4096;
/// Frames collected for a crash report, before those of the panic runtime are removed.
pub(crate) const MAX_FRAMES: usize = 64;
/// A memory's slot: 4 GiB and a guard, so that the compiled code needs no bounds checks.
const MEMORY_SLOT_BYTES: u64 = (4 << 30) + (32 << 20);
/// Of the 2^47 bytes of address space that a process has, the pool takes no more than three quarters.
const MAX_MEMORIES: u64 = (1 << 47) / 4 * 3 / MEMORY_SLOT_BYTES;

/// A stack takes two of the memory mappings that Linux gives a process, a live instance of a std component four more.
const MAPPINGS_EACH: u32 = 6;
/// Mappings kept for the other parts of the process: without a mapping, not even a thread starts. Under Linux's
/// default limit of 65,530 there can be a little more than 10,000 instances.
const MAPPINGS_KEPT: u32 = 5000;
/// Bytes of a slot's memory that stay in RAM for the next instance, at most; the constant after it is for the tables.
const KEPT_MEMORY_BYTES: usize = 64 << 10;
const KEPT_TABLE_BYTES: usize = 16 << 10;
/// Bytes of a stack that stay in RAM, at most. Without this bound, each stack would keep the bytes of its deepest recursion.
const KEPT_STACK_BYTES: usize = 8 << 10;

/// The number of instances for which this machine has memory mappings.
pub(crate) fn most_instances() -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| text.trim().parse().ok());
    limit.map_or(u32::MAX, |limit: u32| limit.saturating_sub(MAPPINGS_KEPT) / MAPPINGS_EACH).max(1)
}

/// The purpose of an engine, which decides which compiled code fits it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    /// The engine runs instances in a pool.
    Pool { stack_bytes: usize },
    /// The engine runs instances that are allocated one by one.
    OnDemand { stack_bytes: usize },
    /// The engine only inspects components, and therefore compiles them fast, without optimisation.
    Look,
}

/// An engine that admits `max_instances` components at a time, each with a stack of `stack_bytes`, and a description of its
/// allocation for logs.
pub(crate) fn running(max_instances: u32, stack_bytes: usize) -> wasmtime::Result<(Engine, Purpose, String)> {
    let mut refused = None;
    // Most components have one memory; a composed one has several. Where address space is short, the smallest pool cannot
    // hold the component with the most memories.
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

/// An engine to inspect components, which refuses the same components as a pool. Without the address space for a pool, the
/// engine refuses fewer.
pub(crate) fn looking() -> wasmtime::Result<Engine> {
    let mut config = compiled_for(Purpose::Look);
    config.allocation_strategy(pool(1, MOST_MEMORIES));
    Engine::new(&config).or_else(|_| compiling(Purpose::Look))
}

/// An engine that compiles for another engine. For a purpose other than a pool, it can also run instances.
pub(crate) fn compiling(purpose: Purpose) -> wasmtime::Result<Engine> {
    Engine::new(&compiled_for(purpose))
}

/// The settings that the compiled code depends on.
fn compiled_for(purpose: Purpose) -> Config {
    match purpose {
        Purpose::Pool { stack_bytes } => base(stack_bytes),
        Purpose::OnDemand { stack_bytes } => {
            let mut config = base(stack_bytes);
            // Without the address space for a pool there is none for slots of 4 GiB either: memories begin small and
            // may move.
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
        // Otherwise an environment variable could make the host read a guest's debug information at each crash.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .memory_init_cow(true)
        // Features that compilers for actors use stay on: SIMD, bulk memory, multi-value, reference types, tail calls.
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
        // A std component has four or five core instances: the program, and shims that connect it to its imports.
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
        // Used slots keep some memory mappings, of which Linux gives a process 65,530 in all.
        .max_unused_warm_slots(max_instances.min(100));
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // The next instance in a slot finds the pages that the last one used, reset: they cost no page fault.
        // This needs Linux to tell which pages were used; otherwise pages that were never used would become resident.
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
            .table_keep_resident(KEPT_TABLE_BYTES);
    }
    pool
}
