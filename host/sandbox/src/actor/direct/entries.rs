//! The functions that an actor exports, as the bridge calls them.

use crate::contract::{CALLBACK, CHILDREN, GATE, HANDLER, LIFECYCLE, SHARED, SUPERVISOR, TURNS, WATCHER};

/// An exported function.
pub(super) struct Entry {
    interface: &'static str,
    name: &'static str,
    /// Whether its argument is one list of bytes, which takes a way of its own.
    pub(super) body: bool,
    /// Whether its arguments are more than a call can have, so that they are in memory.
    pub(super) root: bool,
    /// Its arguments, in the fixed part of their image.
    pub(super) params: &'static [Flat],
    /// The function of the host that gets the result; none for a function without one.
    pub(super) take: Option<&'static str>,
}

/// An argument: its type in the core module, and its place in the image.
#[derive(Clone, Copy)]
pub(super) enum Flat {
    I32(i32),
    I64(i32),
}

impl Flat {
    pub(super) fn ty(self) -> wasm_encoder::ValType {
        match self {
            Self::I32(_) => wasm_encoder::ValType::I32,
            Self::I64(_) => wasm_encoder::ValType::I64,
        }
    }
}

impl Entry {
    /// The interface and the name.
    pub(super) fn key(&self) -> (&'static str, &'static str) {
        (self.interface, self.name)
    }

    const fn new(interface: &'static str, name: &'static str, take: Option<&'static str>) -> Self {
        Self { interface, name, body: false, root: false, params: &[], take }
    }
}

/// The numbers of entries.
pub(super) const HANDLE: usize = 0;
pub(super) const HANDLE_BATCH: usize = 1;
pub(super) const INIT: usize = 2;
pub(super) const PREPARE_CHILDREN: usize = 3;
pub(super) const SHUTDOWN: usize = 4;
pub(super) const DECIDE_TO_START: usize = 5;
pub(super) const CHILD_FAILED: usize = 6;
pub(super) const NOTICED: usize = 7;
pub(super) const TASK_DONE: usize = 8;
pub(super) const FORGET: usize = 9;

/// A list of two numbers: its address and its length.
const LIST: &[Flat] = &[Flat::I32(0), Flat::I32(4)];
/// A notice: watch, address, incarnation, and the change with the values of its largest case.
const NOTICE: &[Flat] = &[
    Flat::I64(0),
    Flat::I32(8),
    Flat::I32(12),
    Flat::I64(16),
    Flat::I32(24),
    Flat::I32(28),
    Flat::I32(32),
    Flat::I32(36),
    Flat::I32(40),
];

/// All entries, by their numbers.
pub(super) const ENTRIES: [Entry; 10] = [
    Entry { body: true, ..Entry::new(HANDLER, "msg-handler", Some("take-reply")) },
    Entry { body: true, ..Entry::new(TURNS, "handle", Some("take-frame")) },
    Entry::new(LIFECYCLE, "init", Some("take-hook")),
    Entry::new(CHILDREN, "prepare-children", Some("take-hook")),
    Entry::new(LIFECYCLE, "shutdown", Some("take-hook")),
    Entry::new(GATE, "decide-to-start", Some("take-decision")),
    Entry { root: true, params: LIST, ..Entry::new(SUPERVISOR, "child-failed", Some("take-directive")) },
    Entry { params: NOTICE, ..Entry::new(WATCHER, "noticed", Some("take-noticed")) },
    Entry { params: LIST, ..Entry::new(CALLBACK, "task-done", None) },
    Entry { params: &[Flat::I32(0)], ..Entry::new(SHARED, "forget", None) },
];

/// The number of an entry or of a slot, as code has it. There are ten entries.
pub(super) fn constant(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
