//! A panic that a guest reports before its run ends: a message, and the traceback of the guest's own language.

use wasmtime::StoreContextMut;
use wasmtime::component::{WasmList, WasmStr};

/// Bytes of the message that are kept.
const MESSAGE_BYTES: usize = 4 << 10;
/// Lines of the traceback that are kept: as many as a report has functions.
const LINES: usize = 32;
/// Bytes of each line that are kept.
const LINE_BYTES: usize = 512;

/// The report of a panic, cut to its bounds.
pub(crate) struct Panic {
    pub(crate) message: String,
    /// The innermost call first; empty when the guest gave none.
    pub(crate) traceback: Vec<String>,
}

impl Panic {
    /// Reads the arguments of `panicked`. Only the kept part of them is read, whatever the guest passed.
    pub(crate) fn read<T: 'static>(
        store: &mut StoreContextMut<'_, T>,
        message: &WasmStr,
        traceback: &WasmList<WasmStr>,
    ) -> wasmtime::Result<Self> {
        let message = cut(&message.to_str(&*store)?, MESSAGE_BYTES);
        let mut lines = Vec::new();
        for index in 0..traceback.len().min(LINES) {
            let Some(line) = traceback.get(&mut *store, index) else { break };
            lines.push(cut(&line?.to_str(&*store)?, LINE_BYTES));
        }
        Ok(Self { message, traceback: lines })
    }
}

impl Panic {
    /// As `read`, for arguments that are in the guest's memory.
    pub(crate) fn of<'a>(
        message: &str,
        traceback: impl Iterator<Item = wasmtime::Result<&'a str>>,
    ) -> wasmtime::Result<Self> {
        let lines = traceback.take(LINES).map(|line| Ok(cut(line?, LINE_BYTES)));
        Ok(Self { message: cut(message, MESSAGE_BYTES), traceback: lines.collect::<wasmtime::Result<_>>()? })
    }
}

fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}
