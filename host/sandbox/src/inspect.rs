//! A look at a file without running it: any component, of any world.

use std::path::Path;

use wasmtime::component::Linker;

use crate::cache;
use crate::compiler::{Compilation, Compiler};
use crate::component::{self, Interface, LoadError};
use crate::engine::{self, Purpose};
use crate::footprint::Footprint;
use crate::plugin::sha256_hex;
use crate::sandbox::COMPONENT_BYTES;
use crate::{facts, file as files, imports, mailbox};

/// What can be said about a component without running it.
#[derive(Debug)]
pub struct Inspection {
    /// The digest of the file, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// The names of what it imports.
    pub imports: Vec<String>,
    /// The names of what it exports.
    pub exports: Vec<String>,
    /// The optional hooks that it has.
    pub hooks: Vec<&'static str>,
    /// Whether its actor keeps something between messages, a static aside; none when it does not say.
    pub keeps_state: Option<bool>,
    /// Why it cannot run as an actor; none when it can.
    pub obstacle: Option<LoadError>,
    /// Whether it exports what a mailbox plugin does.
    pub is_mailbox: bool,
    /// Why it cannot decide about a mailbox; none when it can.
    pub mailbox_obstacle: Option<LoadError>,
}

/// Looks at a component. Blocking; may take a second, for the component is compiled on the way.
pub fn inspect(file: &Path, compilation: Compilation) -> Result<Inspection, LoadError> {
    let wasm = files::read_any(file, COMPONENT_BYTES)?;
    component::sniff(file, &wasm)?;
    component::check_names(file, &wasm)?;
    let invalid = |error| component::invalid(file, &error);
    let engine = engine::looking().map_err(invalid)?;
    let footprint = Footprint::of(&wasm);
    let (code, _) = Compiler::new(compilation).compile((&engine, Purpose::Look), file, &wasm)?;
    // A component that no instance has room for can be looked at all the same.
    let (component, refused) = match cache::deserialize(&engine, &code) {
        Ok(component) => (component, None),
        Err(error) => {
            let engine = engine::compiling(Purpose::Look).map_err(invalid)?;
            (cache::deserialize(&engine, &code).map_err(invalid)?, Some(error))
        }
    };
    let crowded = || {
        let counted = footprint.and_then(|footprint| footprint.check(file).err());
        counted.or_else(|| refused.as_ref().map(|error| component::invalid(file, error)))
    };
    let engine = component.engine().clone();
    let mut linker = Linker::new(&engine);
    imports::add_to(&mut linker).map_err(invalid)?;
    let Interface { imports, exports, hooks } = Interface::of(&component);
    let obstacle = component::check(file, &linker, &component).err().or_else(crowded);
    let mut mailbox_linker = Linker::new(&engine);
    mailbox::add_to(&mut mailbox_linker).map_err(invalid)?;
    let mailbox_obstacle = mailbox::check(file, &mailbox_linker, &component).err().or_else(crowded);
    let is_mailbox = !matches!(mailbox_obstacle, Some(LoadError::NoMailbox { .. }));
    let (sha256, keeps_state) = (sha256_hex(&wasm), facts::keeps_state(&wasm));
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
