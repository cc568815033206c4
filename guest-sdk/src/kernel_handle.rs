//! The type of the kernel that a context holds.

/// The kernel that a context calls. A component has one kernel type, known to the compiler, so functions that the actor never
/// calls are not imported: each import makes the start of an instance slower.
#[cfg(target_family = "wasm")]
pub(crate) type KernelHandle = crate::wasm::ComponentKernel;
/// The kernel that a context calls.
#[cfg(not(target_family = "wasm"))]
pub(crate) type KernelHandle = Box<dyn crate::kernel::Kernel>;
