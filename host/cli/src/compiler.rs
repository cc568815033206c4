//! The child process in which the host compiles a component: this very program, with one argument.

use std::ffi::OsString;

use playhouse_runtime::CompilePlace;

/// The only argument of the child process. It is no command: help, suggestions and usage do not know it.
const COMPILE_FOR_PARENT: &str = "compile-for-parent";

/// Whether this process is that child, which only compiles.
pub fn is_compiler(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.nth(1).is_some_and(|argument| argument == COMPILE_FOR_PARENT) && arguments.next().is_none()
}

/// The place of all compilations.
pub(crate) fn place() -> CompilePlace {
    // On Linux this path leads to the running file, even when another file has its name by now. A system that does not tell the
    // file gives an empty name: the next compilation is then an error.
    let itself = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    CompilePlace::Child { program: itself.unwrap_or_default(), arguments: vec![COMPILE_FOR_PARENT.to_owned()] }
}
