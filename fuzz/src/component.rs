//! Any bytes, loaded as a plugin: unchanged, made into a valid component, or as a list of damages to a good component.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use playhouse_sandbox::{Sandbox, SandboxConfig};

/// The smallest actor: it takes a message and replies nothing.
const ACTOR: &str = r#"(component
  (core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "handle") (param i32 i32) (result i32) (i32.const 0))
    (func (export "init") (result i32) (i32.const 0)))
  (core instance $i (instantiate $main))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (type $failure (variant (case "reject" string) (case "retry" string)))
  (export $failure' "failure" (type $failure))
  (func $handle (param "body" (list u8)) (result (result (option (list u8)) (error $failure')))
    (canon lift (core func $i "handle") (memory $memory) (realloc $realloc)))
  (func $init (result (result (error string)))
    (canon lift (core func $i "init") (memory $memory) (realloc $realloc)))
  (instance $handler (export "msg-handler" (func $handle)))
  (instance $lifecycle (export "init" (func $init)) (export "shutdown" (func $init)))
  (export "playhouse:actor/handler@0.2.0" (instance $handler))
  (export "playhouse:actor/lifecycle@0.2.0" (instance $lifecycle)))"#;

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| wat::parse_str(ACTOR).expect("our own text"));

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    let config = SandboxConfig { max_instances: 1, ..SandboxConfig::default() };
    Sandbox::new(config).expect("wasmtime runs wherever this is tested")
});

/// A file is a plugin, or it is refused in words that name it and fit into one line.
///
/// The first byte is the kind of the others: the file itself (0), the input from which wasm-smith makes a component (1), or a
/// list of damages to a good component (2). The rule calls no code of the component, so that it does not check whether the
/// component could run.
pub fn component(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return load(bytes) };
    match kind % 3 {
        0 => load(rest),
        1 => load(&made_up(rest).unwrap_or_default()),
        _ => load(&damaged(rest)),
    }
}

fn load(wasm: &[u8]) {
    match SANDBOX.load_bytes("plugins/fuzzed.wasm", wasm) {
        Ok(plugin) => {
            let info = plugin.info();
            assert_eq!((info.sha256.len(), info.size_bytes), (64, wasm.len() as u64));
            assert!(info.exports.iter().any(|name| name == "playhouse:actor/handler@0.2.0"));
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("`plugins/fuzzed.wasm`"), "{said:?}");
        }
    }
}

/// A valid component with the proposals that the bytes choose, nearly always of another world.
fn made_up(bytes: &[u8]) -> arbitrary::Result<Vec<u8>> {
    let mut bytes = Unstructured::new(bytes);
    let mut config = wasm_smith::Config::arbitrary(&mut bytes)?;
    // Compile time is not tested here: a few functions of each kind are enough.
    config.max_funcs = 10;
    config.max_components = 3;
    config.max_modules = 3;
    Ok(wasm_smith::Component::new(config, &mut bytes)?.to_bytes())
}

/// The good component with damages. Each three bytes are a distance from the place before, and a new byte for that place. Of the
/// bytes that remain, the first is the number of bytes to cut off at the end.
fn damaged(bytes: &[u8]) -> Vec<u8> {
    let mut wasm = GOOD.clone();
    let mut at = 0;
    let damages = bytes.chunks_exact(3);
    if let [cut, ..] = damages.remainder() {
        wasm.truncate(wasm.len() - usize::from(*cut).min(wasm.len()));
    }
    for damage in damages {
        at += usize::from(u16::from_le_bytes([damage[0], damage[1]]));
        if wasm.is_empty() {
            break;
        }
        at %= wasm.len();
        wasm[at] = damage[2];
    }
    wasm
}

#[cfg(test)]
mod tests {
    #[test]
    fn good_component_is_a_plugin() {
        assert!(super::SANDBOX.load_bytes("good", &super::damaged(&[])).is_ok());
    }
}
