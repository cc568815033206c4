//! The description of a file without running it: any component, of any world.

use std::path::Path;

use crate::compile::{self, Compilation, Compiler, Purpose};
use crate::component::{self, COMPONENT_BYTES, Footprint, Interface, LoadError};
use crate::contract::SHARED;
use crate::run::sha256_hex;
use crate::{actor, mailbox};

/// The facts about a component that are known without running it.
#[derive(Debug)]
pub struct Inspection {
    /// The digest of the file, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// The optional hooks that it has.
    pub hooks: Vec<&'static str>,
    /// Whether its actor keeps state between messages, other than in a static; none when the component does not say.
    pub keeps_state: Option<bool>,
    /// The reason why it cannot run as an actor; none when it can.
    pub obstacle: Option<LoadError>,
    /// Whether it exports the interface of a mailbox plugin.
    pub is_mailbox: bool,
    /// The reason why it cannot run as a mailbox plugin; none when it can.
    pub mailbox_obstacle: Option<LoadError>,
}

impl Inspection {
    /// Whether its actors can share an instance.
    pub fn can_share(&self) -> bool {
        self.exports.iter().any(|export| export == SHARED)
    }
}

/// Inspects a component. The call blocks, and may take a second, since it compiles the component.
pub fn inspect(file: &Path, compilation: Compilation) -> Result<Inspection, LoadError> {
    let wasm = component::read_any(file, COMPONENT_BYTES)?;
    component::sniff(file, &wasm)?;
    component::check_names(file, &wasm)?;
    let invalid = |error| component::invalid(file, &error);
    let engine = compile::looking().map_err(invalid)?;
    let footprint = Footprint::of(&wasm);
    let (code, _) = Compiler::new(compilation).compile((&engine, Purpose::Look), file, &wasm)?;
    // A component that is too large for an instance of the pool can be inspected as well.
    let (component, refused) = match compile::deserialize(&engine, &code) {
        Ok(component) => (component, None),
        Err(error) => {
            let engine = compile::compiling(Purpose::Look).map_err(invalid)?;
            (compile::deserialize(&engine, &code).map_err(invalid)?, Some(error))
        }
    };
    let crowded = || {
        let counted = footprint.and_then(|footprint| footprint.check(file).err());
        counted.or_else(|| refused.as_ref().map(|error| component::invalid(file, error)))
    };
    let engine = component.engine().clone();
    let linker = actor::linker(&engine).map_err(invalid)?;
    let Interface { imports, exports, hooks } = Interface::of(&component);
    let obstacle = actor::check(file, &linker, &component).err().or_else(crowded);
    let mailbox_linker = mailbox::linker(&engine).map_err(invalid)?;
    let mailbox_obstacle = mailbox::check(file, &mailbox_linker, &component).err().or_else(crowded);
    let is_mailbox = !matches!(mailbox_obstacle, Some(LoadError::NoMailbox { .. }));
    let (sha256, keeps_state) = (sha256_hex(&wasm), component::keeps_state(&wasm));
    Ok(Inspection {
        sha256,
        size_bytes: wasm.len() as u64,
        imports,
        exports,
        hooks,
        keeps_state,
        obstacle,
        is_mailbox,
        mailbox_obstacle,
    })
}
