//! Programs made of any bytes, run both ways: through their component, and without it (`SandboxConfig::direct`). The program calls
//! functions of the host with the pointers that the bytes choose, good and bad, and its allocator may be a bad one, too.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Behavior, BoxFuture, Config, Crash, CrashReason, Kernel, Launcher, MetricNames, Outcome, Plan,
    Turn,
};
use playhouse_sandbox::{Limits, LineOrigin, Output, Sandbox, SandboxConfig};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// A function of the host: interface, name, the types of its parameters, and that of its result.
type Function = (&'static str, &'static str, &'static str, &'static str);

const KERNEL: &str = "playhouse:actor/kernel@0.2.0";
const STATE: &str = "playhouse:actor/state@0.2.0";
const METRICS: &str = "playhouse:actor/metrics@0.2.0";

/// The functions that programs call: each kind of parameter and of result.
const FUNCTIONS: [Function; 25] = [
    (KERNEL, "tell", "i32 i32 i32 i32 i32", ""),
    (KERNEL, "tell-with", "i32 i32 i32 i32 i32 i32 i32", ""),
    (KERNEL, "address", "i32", ""),
    (KERNEL, "incarnation", "", "i64"),
    (KERNEL, "config", "i32 i32 i32", ""),
    (KERNEL, "message", "i32", ""),
    (KERNEL, "tell-all", "i32 i32 i32 i32 i32", ""),
    (KERNEL, "ask", "i32 i32 i32 i32 i64 i32", ""),
    (KERNEL, "ask-with", "i32 i32 i32 i32 i32 i32 i64 i32", ""),
    (KERNEL, "reply-metadata", "i32 i32 i32", ""),
    (KERNEL, "spawn", "i32 i32 i32 i32 i32 i32 i32", ""),
    (KERNEL, "stop", "i32 i32 i32", ""),
    (KERNEL, "children", "i32", ""),
    (KERNEL, "lookup", "i32 i32 i32", ""),
    (KERNEL, "status", "i32 i32 i32", ""),
    (KERNEL, "tell-after", "i32 i32 i32 i32 i64 i32", ""),
    (KERNEL, "cancel", "i64", ""),
    (KERNEL, "watch", "i32 i32 i32", ""),
    (KERNEL, "panicked", "i32 i32 i32 i32", ""),
    (STATE, "get", "i32 i32 i32", ""),
    (STATE, "set", "i32 i32 i32 i32 i32", ""),
    (STATE, "keys", "i32 i32 i32 i32 i32 i32 i32", ""),
    (METRICS, "resolve", "i32 i32 i32", ""),
    (METRICS, "count", "i32 i64 i32", ""),
    (METRICS, "observe", "i32 f64 i32", ""),
];

const HANDLER: &str = "playhouse:actor/handler@0.2.0#msg-handler";
/// Most calls of one program.
const MOST_CALLS: usize = 12;
/// Texts and lists at known places, so that some calls are good: an address, a name, a list of pairs of them.
const TEXTS: &str = r#"(data (i32.const 1024) "/log") (data (i32.const 1032) "/a") (data (i32.const 1040) "key")
  (data (i32.const 1048) "\00\04\00\00\04\00\00\00\10\04\00\00\03\00\00\00")"#;

static CONTRACT: LazyLock<(Resolve, WorldId)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let actor = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/actor.wit");
    let contract = std::fs::read_to_string(actor).expect("the contract is in the repository");
    resolve.push_str(actor, &contract).expect("the contract is valid");
    let world = "package fuzz:programs; world program {
        import playhouse:actor/kernel@0.2.0; import playhouse:actor/state@0.2.0; import playhouse:actor/metrics@0.2.0;
        export playhouse:actor/handler@0.2.0; }";
    let package = resolve.push_str("program.wit", world).expect("our own text");
    let world = resolve.select_world(&[package], None).expect("it has one world");
    (resolve, world)
});

static SANDBOXES: LazyLock<[Sandbox; 2]> = LazyLock::new(|| {
    [true, false].map(|direct| {
        let config = SandboxConfig { max_instances: 4, direct, ..SandboxConfig::default() };
        Sandbox::new(config).expect("wasmtime runs wherever this is tested")
    })
});

/// A program does the same both ways: its answer, its effects, and its crash with reason and backtrace.
pub fn direct(bytes: &[u8]) {
    let wasm = component(bytes);
    let [direct, component] = &*SANDBOXES;
    let (seen, wanted) = (run(direct, true, &wasm), run(component, false, &wasm));
    assert_eq!(seen, wanted, "{}", text(bytes));
}

/// The bytes that are left, read one by one; zeros after the last.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A pointer or a length: a place in the first pages, a small number, or one beyond the memory.
    fn number(&mut self) -> u32 {
        let (kind, value) = (self.next(), u32::from(self.next()));
        match kind % 8 {
            0 | 1 => 1024 + value % 64 * 8,
            2 | 3 => value % 5,
            4 => value * 4,
            5 => 65_536 - value,
            6 => u32::MAX - value,
            _ => value << 8,
        }
    }

    fn argument(&mut self, ty: &str) -> String {
        match ty {
            "i64" => format!("(i64.const {})", u64::from(self.next()) << (self.next() % 32)),
            "f64" => format!("(f64.const {})", f64::from(self.next()) / 4.0),
            _ => format!("(i32.const {})", self.number().cast_signed()),
        }
    }
}

/// The component of the program that the bytes describe, as the tools write it.
fn component(bytes: &[u8]) -> Vec<u8> {
    let text = text(bytes);
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("our own text: {error}\n{text}"));
    let (resolve, world) = &*CONTRACT;
    embed_component_metadata(&mut module, resolve, *world, StringEncoding::UTF8).expect("the world is in the contract");
    let encoder = ComponentEncoder::default().module(&module).expect("the module fits the world");
    encoder.validate(true).encode().expect("the module fits the world")
}

/// The program that the bytes describe.
fn text(bytes: &[u8]) -> String {
    let mut bytes = Bytes(bytes);
    let (mut imports, mut calls) = (String::new(), String::new());
    for (number, (interface, name, params, result)) in FUNCTIONS.iter().enumerate() {
        let params = if params.is_empty() { String::new() } else { format!("(param {params})") };
        let result = if result.is_empty() { String::new() } else { format!("(result {result})") };
        let _ = write!(imports, r#"(import "{interface}" "{name}" (func $f{number} {params} {result}))"#);
    }
    let allocator = match bytes.next() % 12 {
        0 => "(i32.add (global.get $free) (i32.const 1))",
        1 => "(i32.const -16)",
        2 => "(call $f16 (i64.const 1)) (global.get $free)",
        3 => "(unreachable)",
        4 => "(drop (memory.grow (i32.const 1))) (global.get $free)",
        _ => "(global.get $free)",
    };
    let frees = match bytes.next() % 8 {
        0 => format!(r#"(func (export "cabi_post_{HANDLER}") (param i32) (call $f16 (i64.const 1)))"#),
        1 => format!(r#"(func (export "cabi_post_{HANDLER}") (param i32) (unreachable))"#),
        2 | 3 => String::new(),
        _ => format!(r#"(func (export "cabi_post_{HANDLER}") (param i32))"#),
    };
    for _ in 0..usize::from(bytes.next()) % MOST_CALLS {
        let number = usize::from(bytes.next()) % FUNCTIONS.len();
        let (.., params, result) = FUNCTIONS[number];
        let arguments: String = params.split_whitespace().map(|ty| bytes.argument(ty)).collect();
        let call = format!("(call $f{number} {arguments})");
        let _ = if result.is_empty() { write!(calls, "{call}") } else { write!(calls, "(drop {call})") };
    }
    let answer = bytes.argument("i32");
    let memory = bytes.0.iter().take(1024).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    });
    format!(
        r#"(module {imports}
          (memory (export "memory") 1)
          (global $free (mut i32) (i32.const 4096))
          (data (i32.const 0) "{memory}") {TEXTS}
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
            {allocator}
            (global.set $free (i32.add (global.get $free) (local.get 3))))
          (func (export "{HANDLER}") (param i32 i32) (result i32) {calls} {answer})
          {frees})"#
    )
}

struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

/// An actor that keeps what it gets.
struct Recorder(Arc<Mutex<Vec<Vec<u8>>>>);

struct Recording(Turn, Arc<Mutex<Vec<Vec<u8>>>>);

impl Launcher for Recorder {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async { Ok(Box::new(Recording(turn, self.0.clone())) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &'static str {
        "recorder"
    }
}

impl Behavior for Recording {
    fn turn(&mut self) -> &mut Turn {
        &mut self.0
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            while self.0.current().is_some() {
                self.1.lock().expect("no test panics with it").push(self.0.body().to_vec());
                self.0.finish(Outcome::Done(None));
            }
            Ok(())
        })
    }
}

/// The reason of a crash, and its backtrace.
type SeenCrash = (String, Vec<String>);

/// The answer, the messages that other actors got, and the crash, of a program that is asked once.
fn run(sandbox: &Sandbox, direct: bool, wasm: &[u8]) -> (String, Vec<Vec<u8>>, Option<SeenCrash>) {
    let plugin = sandbox.load_bytes("program", wasm).expect("it is an actor");
    assert_eq!(plugin.info().direct, direct, "the tools write programs of this shape");
    let got = Arc::default();
    let address = |text| Address::parse(text).expect("an address");
    let mut program =
        ActorSpec::new(address("/a"), plugin.launcher(Limits::default(), Config::new(), Arc::new(Silent)));
    program.grants.sends_to = vec![address("/log")];
    program.metrics = MetricNames::new(["key"]).expect("a name");
    program.restart.attempts = 1;
    let log = ActorSpec::new(address("/log"), Arc::new(Recorder(Arc::clone(&got))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let kernel = Kernel::start(&Plan { actors: vec![program, log], ..Plan::default() }).expect("a small play");
        kernel.wait_booted().await;
        let answer = kernel.ask(&address("/a"), b"body", Duration::from_secs(5)).await;
        kernel.wait_idle().await;
        let crash = kernel.actors().await.into_iter().find_map(|actor| actor.last_crash);
        let crash = crash.map(|report| {
            // A bad pointer is told in other words.
            let reason = match &report.crash.reason {
                CrashReason::Trap { .. } => "trap".to_owned(),
                reason => reason.to_string(),
            };
            // A component's own trampolines have the numbers of the program's imports, which are in no backtrace.
            let is_import = |name: &&String| (0..FUNCTIONS.len()).any(|number| **name == format!("function {number}"));
            (reason, report.crash.backtrace.iter().filter(|name| !is_import(name)).cloned().collect())
        });
        let answer = match answer {
            Err(_) if crash.is_some() => "crashed".to_owned(),
            answer => format!("{answer:?}"),
        };
        kernel.shut_down();
        kernel.wait_stopped().await;
        let got = std::mem::take(&mut *got.lock().expect("no actor panics with it"));
        (answer, got, crash)
    })
}

#[cfg(test)]
mod tests {
    /// Programs that are tried in each run of the tests.
    const PROGRAMS: u64 = 400;

    #[test]
    fn made_up_programs_do_the_same_both_ways() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..PROGRAMS {
            let bytes: Vec<u8> = (0..96)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[3]
                })
                .collect();
            super::direct(&bytes);
        }
    }
}
