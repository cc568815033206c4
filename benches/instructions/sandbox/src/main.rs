//! The counted work of sandboxed actors. `counted-sandbox WORK TIMES PLUGINS CACHE` does the work of this name TIMES times;
//! `counted-sandbox count FILE WORK TIMES PLUGINS CACHE` does it under callgrind, which counts the instructions of [`counted`].
//!
//! This program is no part of `playhouse-instructions`, whose profile and features would need a wasmtime build of their own. Here
//! wasmtime is built as for the tests.

#[cfg(target_os = "linux")]
mod counter;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Address, Kernel, Plan, Stage, SupervisionSpec};
use playhouse_sandbox::{Limits, LineOrigin, Output, Sandbox, SandboxConfig};
use tokio::runtime::{Builder, Runtime};

/// A time limit that never ends: the clock stands still.
const PATIENCE: Duration = Duration::from_mins(1);
/// The CPU budget is measured by another clock, and a counter makes everything fifty times slower.
const CPU: Duration = Duration::from_hours(1);
const BODY: [u8; 64] = [7; 64];
/// Number of messages of a batch.
const BATCH: usize = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        #[cfg(target_os = "linux")]
        ["count", file, ref work @ ..] => {
            eprintln!("callgrind cannot run: {}", counter::exec(file, "counted_sandbox::counted*", work));
            ExitCode::FAILURE
        }
        [work, times, plugins, cache] => match (work_of(work), times.parse()) {
            (Some(work), Ok(times)) => do_it(work, times, Path::new(plugins), Path::new(cache)),
            _ => usage(),
        },
        _ => usage(),
    }
}

type Work = fn(&Scene, usize);

fn work_of(name: &str) -> Option<Work> {
    match name {
        "handler" => Some(ask),
        "turns" => Some(tell_in_batches),
        "spawn" => Some(spawn),
        _ => None,
    }
}

fn do_it(work: Work, times: usize, plugins: &Path, cache: &Path) -> ExitCode {
    let scene = Scene::open(plugins, cache);
    // The first run is not counted: it brings buffers and batches to their full size.
    work(&scene, times);
    counted(&scene, work, times);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: counted-sandbox [count FILE] handler|turns|spawn TIMES PLUGINS-FOLDER CACHE-FOLDER");
    ExitCode::from(2)
}

/// Does the work. Callgrind finds this function by its name, and counts only within it.
#[inline(never)]
fn counted(scene: &Scene, work: Work, times: usize) {
    work(scene, times);
}

/// Asks from outside, one at a time: each is a call of `handler`.
fn ask(scene: &Scene, questions: usize) {
    scene.runtime.block_on(async {
        for _ in 0..questions {
            let reply = scene.kernel.ask(&scene.echo, &BODY, PATIENCE).await;
            assert!(reply.as_deref() == Ok(&BODY[..]), "{reply:?}");
        }
    });
}

/// Tells from outside, a batch at a time: each is a call of `turns`.
fn tell_in_batches(scene: &Scene, messages: usize) {
    scene.runtime.block_on(async {
        for _ in 0..messages / BATCH {
            for _ in 0..BATCH {
                scene.kernel.tell(&scene.echo, &BODY, PATIENCE).await.expect("it has room");
            }
            scene.kernel.wait_idle().await;
        }
    });
}

/// Stops the actor, starts it again, and asks it once.
fn spawn(scene: &Scene, times: usize) {
    scene.runtime.block_on(async {
        for _ in 0..times {
            scene.kernel.halt(&scene.echo).await;
            scene.kernel.resume(&scene.echo).await;
            let reply = scene.kernel.ask(&scene.echo, &BODY, PATIENCE).await;
            assert!(reply.as_deref() == Ok(&BODY[..]), "{reply:?}");
        }
    });
}

/// One sandboxed actor, on one thread.
struct Scene {
    runtime: Runtime,
    kernel: Kernel,
    echo: Address,
}

impl Scene {
    fn open(plugins: &Path, cache: &Path) -> Self {
        let config = SandboxConfig {
            cache_dir: Some(cache.to_owned()),
            key_dir: Some(cache.to_owned()),
            max_instances: 2,
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::new(config).expect("a sandbox");
        let plugin = sandbox.load("echo", &plugins.join("echo.wasm")).expect("`cargo xtask build-guests` makes it");
        let limits = Limits { cpu: CPU, ..Limits::default() };
        let echo = Address::parse("/echo").expect("a good address");
        let actor = ActorSpec::new(echo.clone(), plugin.launcher(limits, BTreeMap::new(), Arc::new(Silent)));
        let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
        let plan = Plan { actors: vec![actor], supervision, ..Plan::default() };
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let kernel = runtime.block_on(async {
            let kernel = Kernel::start(&plan).expect("a good plan");
            let stage = kernel.wait_booted().await;
            assert!(matches!(stage, Stage::Running), "{stage:?}");
            kernel
        });
        Self { runtime, kernel, echo }
    }
}

struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}
