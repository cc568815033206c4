//! The statements of a component about its actor beside its interface: a custom section of its core module, written when the
//! actor was compiled. The host uses them for advice only, and never acts on them.

use wasmparser::Payload;

use super::sections::sections;

/// The name of the section that `export_actor!` of the SDK writes.
const SECTION: &str = "playhouse-actor";

/// Whether the actor keeps state between messages; none when the component does not say, as one that was made without the
/// SDK. State that an actor keeps in a static is not seen.
pub(crate) fn keeps_state(wasm: &[u8]) -> Option<bool> {
    let said = sections(wasm).map_while(Result::ok).filter_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == SECTION => match section.data() {
            b"state=none" => Some(false),
            b"state=some" => Some(true),
            _ => None,
        },
        _ => None,
    });
    said.last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_section(name: &str, data: &str) -> Vec<u8> {
        let text = format!("(component (core module (func) (@custom \"{name}\" \"{data}\")))");
        wat::parse_str(text).expect("a component")
    }

    #[test]
    fn component_says_whether_its_actor_keeps_state() {
        assert_eq!(keeps_state(&with_section(SECTION, "state=none")), Some(false));
        assert_eq!(keeps_state(&with_section(SECTION, "state=some")), Some(true));
        assert_eq!(keeps_state(&with_section(SECTION, "state=perhaps")), None);
        assert_eq!(keeps_state(&with_section("other", "state=none")), None);
        assert_eq!(keeps_state(b"\0asm\x0d\0\x01\0 and then nonsense"), None);
    }
}
