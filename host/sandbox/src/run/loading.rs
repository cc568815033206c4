//! From the bytes of a file to a compiled component: its kind, its footprint and its names are checked, and its machine code comes
//! from the cache or from the compiler.

use std::path::Path;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::compilations::Compiled;
use super::shared::Shared;
use crate::compile::{self, Cached, Key};
use crate::component::{self, Footprint, Interface, LoadError};

/// The facts about a plugin that are known before it runs.
#[derive(Debug, Clone)]
pub struct PluginInfo {
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
    /// Bytes of all its memories and tables when it is instantiated, as [`Limits::memory_bytes`](crate::Limits::memory_bytes) counts them; none when that
    /// cannot be read from the file.
    pub initial_bytes: Option<u64>,
    /// Whether its program is called without the component around it: see [`SandboxConfig::direct`](crate::SandboxConfig::direct).
    pub direct: bool,
    /// The origin of its machine code.
    pub compiled: Compiled,
}

/// Checks and compiles a component; `with_addition`: the same with an addition of the host, where it has one.
pub(crate) fn load(
    sandbox: &Shared,
    file: &Path,
    wasm: &[u8],
    with_addition: Option<&[u8]>,
) -> Result<(Component, PluginInfo), LoadError> {
    component::sniff(file, wasm)?;
    let footprint = Footprint::of(wasm);
    footprint.map_or(Ok(()), |footprint| footprint.check(file))?;
    component::check_names(file, wasm)?;
    let sha256 = sha256_hex(wasm);
    let with_addition = with_addition.map(|wasm| compile(sandbox, file, wasm, &sha256_hex(wasm)));
    let (component, compiled) = match with_addition {
        // The error is about the component itself, and says the same without the addition.
        None | Some(Err(LoadError::Invalid { .. })) => compile(sandbox, file, wasm, &sha256)?,
        Some(compiled) => compiled?,
    };
    let code = component.image_range();
    sandbox.compilations.add(&compiled, code.end.addr().saturating_sub(code.start.addr()) as u64);
    let Interface { imports, exports, hooks } = Interface::of(&component);
    let info = PluginInfo {
        sha256,
        size_bytes: wasm.len() as u64,
        imports,
        exports,
        hooks,
        keeps_state: component::keeps_state(wasm),
        initial_bytes: footprint.map(|footprint| footprint.bytes),
        direct: false,
        compiled,
    };
    Ok((component, info))
}

fn compile(sandbox: &Shared, file: &Path, wasm: &[u8], sha256: &str) -> Result<(Component, Compiled), LoadError> {
    let cached = sandbox.cache.as_ref().map(|cache| (cache, Key::new(&sandbox.engine, sha256)));
    let damage = match cached.as_ref().map(|(cache, key)| cache.get(&sandbox.engine, key)) {
        Some(Cached::Found(component)) => return Ok((component, Compiled::FromCache)),
        Some(Cached::Missing) | None => None,
        Some(Cached::Damaged(why)) => Some(why),
    };
    let (code, took) = sandbox.compiler.compile((&sandbox.engine, sandbox.purpose), file, wasm)?;
    let component = compile::deserialize(&sandbox.engine, &code).map_err(|error| component::invalid(file, &error))?;
    if let Some((cache, key)) = cached {
        cache.put(&key, &code);
    }
    Ok((component, damage.map_or(Compiled::Fresh(took), |why| Compiled::Rebuilt { why, took })))
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
