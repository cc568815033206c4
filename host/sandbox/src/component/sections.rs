//! The sections of a component and of all components and modules in it, in the order of its binary form. The host reads them
//! before the child process that bounds the compiler starts, so each reader takes time and memory at most in proportion to the
//! file.

use wasmparser::{Parser, Payload};

/// The deepest nesting of components, as they are written and as they are instantiated. The parser keeps state for each level,
/// and a level takes only a dozen bytes of the file.
pub(crate) const MOST_LEVELS: usize = 100;

/// The most sections and bodies of functions in one file. A section may have only three bytes, and each takes time.
pub(crate) const MOST_SECTIONS: usize = 1 << 20;

/// The reason why the reading of a file ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The file is not a component, or uses a feature that this host does not know.
    Invalid,
    /// The file has more than [`MOST_LEVELS`].
    Deep,
    /// The file has more than [`MOST_SECTIONS`].
    Many,
}

/// The sections in their order. Items after the first error have no meaning.
pub(crate) fn sections(wasm: &[u8]) -> impl Iterator<Item = Result<Payload<'_>, Unreadable>> {
    let mut levels = 0_usize;
    Parser::new(0).parse_all(wasm).enumerate().map(move |(before, payload)| {
        let payload = payload.map_err(|_| Unreadable::Invalid)?;
        if before >= MOST_SECTIONS {
            return Err(Unreadable::Many);
        }
        match payload {
            Payload::Version { .. } => levels += 1,
            Payload::End(_) => levels = levels.saturating_sub(1),
            _ => {}
        }
        if levels > MOST_LEVELS { Err(Unreadable::Deep) } else { Ok(payload) }
    })
}

/// Components within components on this many levels.
#[cfg(test)]
pub(crate) fn nested(levels: usize) -> Vec<u8> {
    const COMPONENT_SECTION: u8 = 4;
    let header = b"\0asm\x0d\0\x01\0";
    let mut wasm = header.to_vec();
    for _ in 1..levels {
        let size = u32::try_from(wasm.len()).expect("it is small");
        let size = [7, 14, 21, 28].iter().fold(vec![size as u8 | 0x80], |mut size_bytes, shift| {
            size_bytes.push((size >> shift) as u8 & 0x7f | if *shift < 28 { 0x80 } else { 0 });
            size_bytes
        });
        wasm = [&header[..], &[COMPONENT_SECTION], &size, &wasm].concat();
    }
    wasm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_too_many_levels_are_not_read() {
        assert_eq!(sections(&nested(MOST_LEVELS)).find_map(Result::err), None);
        let deep = nested(MOST_LEVELS + 1);
        assert_eq!(sections(&deep).find_map(Result::err), Some(Unreadable::Deep));
        assert_eq!(sections(&deep[..deep.len() / 2]).find_map(Result::err), Some(Unreadable::Invalid));
    }

    #[test]
    fn sections_without_end_are_not_read() {
        let empty = [0, 1, 0];
        let component = |count| [&b"\0asm\x0d\0\x01\0"[..], &empty.repeat(count)].concat();
        assert_eq!(sections(&component(1000)).find_map(Result::err), None);
        assert_eq!(sections(&component(MOST_SECTIONS)).find_map(Result::err), Some(Unreadable::Many));
    }
}
