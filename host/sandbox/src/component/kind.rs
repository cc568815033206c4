//! The kind of a file, by its first bytes, and the checks that need no compiler.

use std::path::Path;

use wasmtime::{Engine, Precompiled};

use super::error::LoadError;
use super::names;

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
