//! The kind of a file, and whether the component in it can run as an actor. Each refusal is a [`LoadError`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower};
use wasmtime::{Engine, Precompiled};

use crate::contract::{
    CALLBACK, CHILDREN, ChildFailedParams, ChildFailedResults, GATE, GateResults, HANDLER, HandlerParams,
    HandlerResults, HookResults, LIFECYCLE, NoticedParams, NoticedResults, SDK, SUPERVISOR, TURNS, TaskDoneParams,
    TurnsParams, TurnsResults, VERSION, WATCHER,
};
use crate::imports::Room;
use crate::mailbox::MAILBOX;
use crate::names;

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
         `playhouse:actor/mailbox-host@0.2.0` and WASI 0.2: a mailbox plugin can neither send nor ask",
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
         `playhouse:actor/kernel@0.2.0`, `playhouse:actor/batch@0.2.0`, WASI 0.2 and, with `hosts` granted, \
         `wasi:http/outgoing-handler`",
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

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(SHOWN_BYTES)]
}

/// Refuses bytes that do not begin like a component. The error says what they look like.
pub(crate) fn sniff(file: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let file = file.to_owned();
    if let Some(header) = bytes.strip_prefix(b"\0asm") {
        return match header.first_chunk::<4>() {
            Some([1, 0, 0, 0]) => Err(LoadError::CoreModule { file }),
            Some([0x0d, 0, 1, 0]) => Ok(()),
            Some(version) => {
                let message = format!("its version {version:02x?} is unknown here; 0d 00 01 00 was expected");
                Err(LoadError::Invalid { file, message })
            }
            None => Err(LoadError::Invalid { file, message: "it ends within its first bytes".to_owned() }),
        };
    }
    if let Some(Precompiled::Component | Precompiled::Module) = Engine::detect_precompiled(bytes) {
        return Err(LoadError::Precompiled { file });
    }
    Err(LoadError::NotWasm { file, found: what_it_looks_like(bytes) })
}

/// Refuses function names that would make each crash report expensive.
pub(crate) fn check_names(file: &Path, wasm: &[u8]) -> Result<(), LoadError> {
    match names::problem(wasm) {
        None => Ok(()),
        Some(message) => Err(LoadError::Invalid { file: file.to_owned(), message }),
    }
}

fn what_it_looks_like(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(512)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        // The 512 bytes end within a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&start[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        _ if bytes.is_empty() => "an empty file".to_owned(),
        Some(text) if text.trim_start().starts_with("(module") || text.trim_start().starts_with("(component") => {
            "WebAssembly text".to_owned()
        }
        Some(text) if !text.contains('\0') => "a text file".to_owned(),
        _ if start.starts_with(b"\x7fELF") => "a program for this machine (ELF)".to_owned(),
        _ => {
            let shown: Vec<_> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("a file that begins with the bytes {}", shown.join(" "))
        }
    }
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

/// The names of a component's imports and exports, and the hooks among the exports.
pub(crate) struct Interface {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) hooks: Vec<&'static str>,
}

impl Interface {
    pub(crate) fn of(component: &Component) -> Self {
        let (ty, engine) = (component.component_type(), component.engine());
        let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let exports = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
        let has = |interface| component.get_export_index(None, interface).is_some();
        let mut hooks = Vec::new();
        if has(GATE) {
            hooks.push("decide-to-start");
        }
        if has(LIFECYCLE) {
            hooks.extend(["init", "shutdown"]);
        }
        if has(CHILDREN) {
            hooks.push("prepare-children");
        }
        if has(SUPERVISOR) {
            hooks.push("child-failed");
        }
        if has(CALLBACK) {
            hooks.push("task-done");
        }
        if has(WATCHER) {
            hooks.push("noticed");
        }
        Self { imports, exports, hooks }
    }
}

/// A component that can run as an actor: its imports are provided, its exports have the right types.
pub(crate) struct Checked {
    pub(crate) pre: InstancePre<Room>,
    pub(crate) handler: ComponentExportIndex,
    pub(crate) turns: Option<ComponentExportIndex>,
    pub(crate) gate: Option<ComponentExportIndex>,
    pub(crate) init: Option<ComponentExportIndex>,
    pub(crate) prepare_children: Option<ComponentExportIndex>,
    pub(crate) shutdown: Option<ComponentExportIndex>,
    pub(crate) child_failed: Option<ComponentExportIndex>,
    pub(crate) noticed: Option<ComponentExportIndex>,
    pub(crate) task_done: Option<ComponentExportIndex>,
}

/// The error for a component that exports `wanted` in another version of the contract; none when it does not export it at all.
pub(crate) fn other_contract(file: &Path, exports: &[String], wanted: &str) -> Option<LoadError> {
    let (interface, _) = wanted.split_once('@')?;
    let found = exports.iter().find_map(|export| export.strip_prefix(interface)?.strip_prefix('@'))?;
    Some(LoadError::OtherContract { file: file.to_owned(), found: cut(found).to_owned() })
}

/// Checks a component as far as possible before it runs.
pub(crate) fn check(file: &Path, linker: &Linker<Room>, component: &Component) -> Result<Checked, LoadError> {
    let Some(handler) = component.get_export_index(None, HANDLER) else {
        let found = Interface::of(component).exports;
        return Err(other_contract(file, &found, HANDLER).unwrap_or_else(|| LoadError::MissingExport {
            file: file.to_owned(),
            export: HANDLER,
            found,
        }));
    };
    let handler = function::<HandlerParams, HandlerResults>(file, component, &handler, HANDLER, "msg-handler")?;
    let turns = component
        .get_export_index(None, TURNS)
        .map(|turns| function::<TurnsParams, TurnsResults>(file, component, &turns, TURNS, "handle"))
        .transpose()?;
    let hook = |interface, name| {
        let find = |instance| function::<(), HookResults>(file, component, &instance, interface, name);
        component.get_export_index(None, interface).map(find).transpose()
    };
    let gate = component
        .get_export_index(None, GATE)
        .map(|instance| function::<(), GateResults>(file, component, &instance, GATE, "decide-to-start"))
        .transpose()?;
    let (init, shutdown) = (hook(LIFECYCLE, "init")?, hook(LIFECYCLE, "shutdown")?);
    let prepare_children = hook(CHILDREN, "prepare-children")?;
    let child_failed = component
        .get_export_index(None, SUPERVISOR)
        .map(|instance| {
            let name = "child-failed";
            function::<ChildFailedParams, ChildFailedResults>(file, component, &instance, SUPERVISOR, name)
        })
        .transpose()?;
    let noticed = component
        .get_export_index(None, WATCHER)
        .map(|instance| function::<NoticedParams, NoticedResults>(file, component, &instance, WATCHER, "noticed"))
        .transpose()?;
    let task_done = component
        .get_export_index(None, CALLBACK)
        .map(|instance| function::<TaskDoneParams, ()>(file, component, &instance, CALLBACK, "task-done"))
        .transpose()?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        let (import, message) = missing_import(component, &error);
        LoadError::MissingImport { file: file.to_owned(), import, message }
    })?;
    Ok(Checked { pre, handler, turns, gate, init, prepare_children, shutdown, child_failed, noticed, task_done })
}

/// The import that the linker lacks, and its difference from the one that the host provides.
pub(crate) fn missing_import(component: &Component, error: &wasmtime::Error) -> (String, String) {
    let summary = error.to_string();
    let imports = Interface::of(component).imports;
    let import = imports.into_iter().find(|name| summary.contains(&format!("`{name}`"))).unwrap_or(summary);
    let chain: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    (cut(&import).to_owned(), cut(&plainly(&chain.join(": "))).to_owned())
}

/// Wasmtime's message for an import that does not fit, in plain words.
fn plainly(message: &str) -> String {
    match message.strip_prefix("instance export ").and_then(|rest| rest.split_once(" has the wrong type: ")) {
        Some((item, problem)) if problem.ends_with("implementation is missing") => format!("its {item} is missing"),
        Some((item, problem)) => format!("its {item} has another type: {problem}"),
        None => message.to_owned(),
    }
}

/// Finds a function of an exported interface, and checks its type.
pub(crate) fn function<P: ComponentNamedList + Lower, R: ComponentNamedList + Lift>(
    file: &Path,
    component: &Component,
    instance: &ComponentExportIndex,
    interface: &str,
    name: &str,
) -> Result<ComponentExportIndex, LoadError> {
    let wrong = |message| LoadError::WrongType { file: file.to_owned(), item: format!("{interface}#{name}"), message };
    match component.get_export(Some(instance), name) {
        Some((ComponentItem::ComponentFunc(function), index)) => {
            let ty = component.component_type();
            function.typecheck::<P, R>(&ty.instance_type()).map_err(|error| wrong(format!("{error:#}")))?;
            Ok(index)
        }
        Some(_) => Err(wrong("it is not a function".to_owned())),
        None => Err(wrong("it is missing".to_owned())),
    }
}
