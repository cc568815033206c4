//! The bounds on the parts of an instance. The pool of instances is made for them, and a component that needs more is not loaded.

/// Core instances of one component, those of the components in it included. A std component has four or five.
pub(crate) const MOST_CORE_INSTANCES: u32 = 64;
/// Memories of all core instances of one component.
pub(crate) const MOST_MEMORIES: u32 = 16;
/// Tables of all core instances of one component.
pub(crate) const MOST_TABLES: u32 = 64;
/// Elements of one table. The function table of a Rust program has about a hundredth of them; those of interpreters fit as well.
pub(crate) const MOST_TABLE_ELEMENTS: usize = 65_536;
/// Bytes of one table element, as wasmtime stores it.
pub(crate) const ELEMENT_BYTES: u64 = 8;
