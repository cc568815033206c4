//! The reasons why a file cannot be loaded. Each text names the file, the fault and the way out.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::contract::{BATCH, KERNEL, MAILBOX, MAILBOX_HOST, METRICS, SDK, STATE, VERSION};

/// Bytes of a text from a component that an error shows: the component's author chose the text.
const SHOWN_BYTES: usize = 400;
/// Names of a component that an error lists.
const SHOWN_NAMES: usize = 20;

/// The reason why a file is not a plugin. `file` is the path as it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file does not exist.
    #[error("there is no file `{}`; build the actor, and put its component at this path", file.display())]
    NotFound {
        /// The file.
        file: PathBuf,
    },
    /// The file exists, and cannot be read.
    #[error("cannot read `{}`: {source}; it must be a file that this user can read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is a link out of its folder.
    #[error(
        "`{}` is a link that leads out of its folder, and a plugin is a file of the plugins folder: copy it there, or \
        set `plugins` in the manifest's [play] to the folder that it is in",
        file.display()
    )]
    Outside {
        /// The link.
        file: PathBuf,
    },
    /// It is not a regular file.
    #[error("`{}` is {found}, and a plugin is a regular file; put the component at this path", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
        /// Its kind.
        found: &'static str,
    },
    /// The file is larger than a component may be.
    #[error(
        "`{}` has more than {limit_bytes} bytes, which is all that play.limits.component allows; build the actor with \
         `--release`, or raise `component` in the manifest's [play.limits]",
        file.display()
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// `play.limits.component`.
        limit_bytes: u64,
    },
    /// The file is not WebAssembly.
    #[error(
        "`{}` is not a WebAssembly component but {found}; build the actor with `cargo build --target wasm32-wasip2`",
        file.display()
    )]
    NotWasm {
        /// The file.
        file: PathBuf,
        /// The kind of file that it looks like.
        found: String,
    },
    /// The file is a core module.
    #[error(
        "`{}` is a core WebAssembly module, not a component; build it for `wasm32-wasip2`, or turn it into a \
         component with `wasm-tools component new`",
        file.display()
    )]
    CoreModule {
        /// The file.
        file: PathBuf,
    },
    /// The file is machine code.
    #[error(
        "`{}` is precompiled machine code, which is never loaded from a file, because it cannot be checked; \
         use the `.wasm` component that it was made from",
        file.display()
    )]
    Precompiled {
        /// The file.
        file: PathBuf,
    },
    /// The file begins like a component, but is invalid, or uses a WebAssembly feature that is switched off.
    #[error("`{}` is not a valid component: {message}; build it again", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The fault, and its place.
        message: String,
    },
    /// The component takes too long to compile.
    #[error(
        "`{}` takes longer to compile than the {limit:?} that play.limits.compile_time allows; build the actor with \
         `--release`, or raise `compile_time` in the manifest's [play.limits] if you trust it",
        file.display()
    )]
    CompileTime {
        /// The file.
        file: PathBuf,
        /// `play.limits.compile_time`.
        limit: Duration,
    },
    /// The component takes too much memory to compile.
    #[error(
        "`{}` takes more memory to compile than the {limit_bytes} bytes that play.limits.compile_memory allows; build the \
         actor with `--release`, or raise `compile_memory` in the manifest's [play.limits] if you trust it",
        file.display()
    )]
    CompileMemory {
        /// The file.
        file: PathBuf,
        /// `play.limits.compile_memory`.
        limit_bytes: u64,
    },
    /// The compiler gave up with a panic.
    #[error(
        "the compiler panicked at `{}`: {message}. That is a fault of the compiler, wasmtime, and not a limit of this host; \
        build the plugin again with other options, or report the fault with the file",
        file.display()
    )]
    CompilerPanicked {
        /// The file.
        file: PathBuf,
        /// The panic's message and place.
        message: String,
    },
    /// The component has more core instances, memories, tables or elements than an instance may have.
    #[error(
    "`{}` has {found} {what}, those of the components in it included, and this host allows {most}; build it from \
    fewer parts",
        file.display()
    )]
    TooMany {
        /// The file.
        file: PathBuf,
        /// The kind of the parts that are too many.
        what: &'static str,
        /// The number.
        found: u64,
        /// The most that an instance may have.
        most: u64,
    },
    /// The process that compiled it ended without an answer.
    #[error(
        "the process that compiled `{}` ended without an answer ({message}), so the plugin is not loaded; try again, and \
        build the plugin again if that does not help",
        file.display()
    )]
    CompilerDied {
        /// The file.
        file: PathBuf,
        /// The end of that process.
        message: String,
    },
    /// A limit of the system keeps the host from compiling it.
    #[error("cannot compile `{}`: {what}; {advice}", file.display())]
    SystemLimit {
        /// The file.
        file: PathBuf,
        /// The failed step.
        what: String,
        /// The limit, its value and the way out.
        advice: String,
    },
    /// The process that compiles could not be started.
    #[error(
    "cannot compile `{}`: a process of `{}` could not be started or did not answer: {source}; this user must be able to \
    run that program, and to have one more process",
        file.display(), program.display()
    )]
    NoCompiler {
        /// The file.
        file: PathBuf,
        /// The program.
        program: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The component was built for another version of the contract.
    #[error(
        "`{}` is built for `playhouse:actor` {found}, and this host has {VERSION}: build it again with playhouse-sdk {SDK}, or \
         with wit/actor.wit of this host",
        file.display()
    )]
    OtherContract {
        /// The file.
        file: PathBuf,
        /// The version of its contract.
        found: String,
    },
    /// The component has another world.
    #[error(
        "`{}` does not export `{export}`, so it cannot handle messages; it exports {}. Build it with playhouse-sdk, \
         or for the world `actor` of wit/actor.wit",
        file.display(), listed(found)
    )]
    MissingExport {
        /// The file.
        file: PathBuf,
        /// The export that an actor must have.
        export: &'static str,
        /// The exports that it has.
        found: Vec<String>,
    },
    /// The component is not a mailbox plugin.
    #[error(
    "`{}` does not export `{MAILBOX}`, so it is not a mailbox plugin; it exports {}. Build it with \
         `export_mailbox!` of playhouse-sdk, or for the world `mailbox-plugin` of wit/actor.wit",
        file.display(), listed(found)
    )]
    NoMailbox {
        /// The file.
        file: PathBuf,
        /// The exports that it has.
        found: Vec<String>,
    },
    /// The component has an import that a mailbox plugin does not get.
    #[error(
        "`{}` imports `{import}`, which a mailbox plugin does not get: {message}. It may import \
         `{MAILBOX_HOST}` and WASI 0.2: a mailbox plugin can neither send nor ask",
        file.display()
    )]
    MailboxImport {
        /// The file.
        file: PathBuf,
        /// The import.
        import: String,
        /// The difference from the import that the host provides.
        message: String,
    },
    /// An export has the right name and another type.
    #[error(
        "`{}`: its `{item}` does not match wit/actor.wit: {message}. Build it again with this version's \
        wit/actor.wit or playhouse-sdk",
        file.display()
    )]
    WrongType {
        /// The file.
        file: PathBuf,
        /// The function.
        item: String,
        /// The difference.
        message: String,
    },
    /// The component has an import that an actor does not get.
    #[error(
        "`{}` imports `{import}`, which this host does not provide: {message}. An actor may import \
         `{KERNEL}`, `{BATCH}`, `{METRICS}`, WASI 0.2; with `hosts` granted `wasi:http/outgoing-handler`; and with \
         [actor.state] `{STATE}` and `wasi:keyvalue/store`",
        file.display()
    )]
    MissingImport {
        /// The file.
        file: PathBuf,
        /// The import.
        import: String,
        /// The difference from the import that the host provides.
        message: String,
    },
}

impl LoadError {
    /// Whether a limit of the system is the cause, and not the file or the manifest.
    pub fn is_of_the_system(&self) -> bool {
        matches!(self, Self::SystemLimit { .. })
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> = names.iter().take(SHOWN_NAMES).map(|name| format!("`{}`", cut(name))).collect();
    match names.len().saturating_sub(SHOWN_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

pub(super) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(SHOWN_BYTES)]
}

/// The error for an invalid component, with the text of wasmtime on one line.
pub(crate) fn invalid(file: &Path, error: &wasmtime::Error) -> LoadError {
    invalid_as(file, &format!("{error:#}"))
}

/// As [`invalid`], from the text of the error.
pub(crate) fn invalid_as(file: &Path, said: &str) -> LoadError {
    let text = said.strip_prefix("failed to parse WebAssembly module: ").unwrap_or(said);
    let mut message = text.split_whitespace().collect::<Vec<_>>().join(" ");
    message.truncate(message.floor_char_boundary(SHOWN_BYTES));
    LoadError::Invalid { file: file.to_owned(), message }
}
