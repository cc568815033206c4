//! Times the hot paths, one after another, five rounds interleaved; prints the median and the spread of each.
//! What is timed is checked: counts and sums of what arrived. `cargo xtask bench --quick` for a fast look.

#![allow(missing_docs, clippy::unwrap_used)]

mod raw;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use playhouse_kernel::{ActorSpec, Address, AskError, Backoff, Kernel, Plan, SupervisionSpec};
use playhouse_sandbox::{Limits, Output, Plugin, Sandbox, SandboxConfig};

const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_mins(1);

/// One figure of one round.
struct Figure {
    name: &'static str,
    /// Wall time for each unit of work.
    each: Duration,
    /// User and system time of the whole process for each unit, where that says something.
    cpu: Option<Duration>,
}

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bench = Bench::new(quick)?;
    let mut rounds: BTreeMap<&'static str, Vec<Figure>> = BTreeMap::new();
    for round in 1..=if quick { 1 } else { ROUNDS } {
        eprintln!("round {round} of {ROUNDS}");
        for figure in runtime.block_on(bench.round())? {
            rounds.entry(figure.name).or_default().push(figure);
        }
    }
    println!("{:<42} {:>12} {:>25} {:>12}", "path", "median", "spread", "CPU");
    for (name, mut figures) in rounds {
        figures.sort_by_key(|figure| figure.each);
        let [first, middle, last] = [0, figures.len() / 2, figures.len() - 1].map(|i| figures[i].each);
        let cpu = figures[figures.len() / 2].cpu.map(|cpu| format!("{} ns", cpu.as_nanos())).unwrap_or_default();
        let spread = format!("{} to {} ns", first.as_nanos(), last.as_nanos());
        println!("{name:<42} {:>9} ns {spread:>25} {cpu:>12}", middle.as_nanos());
    }
    Ok(())
}

struct Bench {
    driver: Plugin,
    echo: Plugin,
    raw: raw::Echo,
    /// Divides the amounts of work.
    less: u32,
}

impl Bench {
    fn new(quick: bool) -> Result<Self> {
        let sandbox = Sandbox::new(SandboxConfig::default())?;
        let load = |name: &str, file: PathBuf| {
            sandbox.load(name, &file).with_context(|| format!("{}: run `cargo xtask bench`", file.display()))
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches lie in the workspace");
        let echo_file = root.join("plugins/echo.wasm");
        Ok(Self {
            driver: load("bench-driver", root.join("plugins/bench-driver.wasm"))?,
            echo: load("echo", echo_file.clone())?,
            raw: raw::Echo::new(&echo_file)?,
            less: if quick { 100 } else { 1 },
        })
    }

    async fn round(&self) -> Result<Vec<Figure>> {
        Ok(vec![
            self.raw_call().await?,
            self.tell("tell, actor to actor, 64 B", 2_000_000, 64).await?,
            self.tell("tell, actor to actor, 1 KiB", 500_000, 1024).await?,
            self.ask_one().await?,
            self.ask_many().await?,
            self.spawn().await?,
            self.crash().await?,
        ])
    }

    async fn raw_call(&self) -> Result<Figure> {
        let mut echo = self.raw.instance().await?;
        let calls = 200_000 / self.less;
        let began = Clock::start();
        for _ in 0..calls {
            let reply = echo.call(&[1; 64]).await?;
            ensure!(reply.len() == 64);
        }
        Ok(began.figure("raw wasmtime call_async, 64 B", calls))
    }

    async fn tell(&self, name: &'static str, count: u32, bytes: usize) -> Result<Figure> {
        let count = count / self.less;
        let sink = actor(&self.driver, "/sink", &[]);
        let mut source = actor(&self.driver, "/source", &[("to", "/sink")]);
        source.sends_to = vec![address("/sink"), address("/source")];
        let kernel = start(vec![sink, source], SupervisionSpec::default()).await?;
        let began = Clock::start();
        kernel.tell(&address("/source"), format!("go {count} {bytes}").as_bytes(), PATIENCE).await?;
        kernel.idle().await;
        let figure = began.figure(name, count);
        let sum = kernel.ask(&address("/sink"), b"sum", PATIENCE).await?;
        let expected = format!("{count} {}", u64::from(count) * bytes as u64);
        ensure!(sum == expected.as_bytes(), "{name}: {} instead of {expected}", String::from_utf8_lossy(&sum));
        stop(kernel).await;
        Ok(figure)
    }

    async fn ask_one(&self) -> Result<Figure> {
        let kernel = start(vec![actor(&self.echo, "/echo", &[])], SupervisionSpec::default()).await?;
        let asks = 50_000 / self.less;
        let began = Clock::start();
        for _ in 0..asks {
            let reply = kernel.ask(&address("/echo"), &[1; 64], PATIENCE).await?;
            ensure!(reply.len() == 64);
        }
        let figure = began.figure("ask from outside, one at a time", asks);
        stop(kernel).await;
        Ok(figure)
    }

    async fn ask_many(&self) -> Result<Figure> {
        let kernel = start(vec![actor(&self.echo, "/echo", &[])], SupervisionSpec::default()).await?;
        let each = 5_000 / self.less;
        let began = Clock::start();
        let askers: Vec<_> = (0..64)
            .map(|_| {
                let kernel = kernel.clone();
                tokio::spawn(async move {
                    for _ in 0..each {
                        let reply = kernel.ask(&address("/echo"), &[1; 64], PATIENCE).await?;
                        ensure!(reply.len() == 64);
                    }
                    Ok(())
                })
            })
            .collect();
        for asker in askers {
            asker.await??;
        }
        let figure = began.figure("ask from outside, 64 at a time", each * 64);
        stop(kernel).await;
        Ok(figure)
    }

    /// From the kernel's start to all actors up, by the actor, and their stop.
    async fn spawn(&self) -> Result<Figure> {
        let count = 900 / self.less.min(9);
        let actors = (0..count).map(|n| actor(&self.echo, &format!("/a{n}"), &[])).collect();
        let began = Clock::start();
        let kernel = start(actors, SupervisionSpec::default()).await?;
        stop(kernel).await;
        Ok(began.figure("spawn and stop of an actor", count))
    }

    /// From the message that crashes the actor to its next answer, backoff off.
    async fn crash(&self) -> Result<Figure> {
        let mut fragile = actor(&self.driver, "/fragile", &[]);
        fragile.restart.backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
        let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
        let kernel = start(vec![fragile], supervision).await?;
        let crashes = 500 / self.less;
        let began = Clock::start();
        for _ in 0..crashes {
            let crashed = kernel.ask(&address("/fragile"), b"crash", PATIENCE).await;
            ensure!(matches!(crashed, Err(AskError::Crashed(_))), "{crashed:?}");
            ensure!(kernel.ask(&address("/fragile"), b"sum", PATIENCE).await? == b"0 0");
        }
        let figure = began.figure("crash to next answer", crashes);
        stop(kernel).await;
        Ok(figure)
    }
}

fn actor(plugin: &Plugin, at: &str, config: &[(&str, &str)]) -> ActorSpec {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ActorSpec::new(address(at), plugin.launcher(Limits::default(), config, Arc::new(Silent)))
}

/// What the guests print is not what is measured.
struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &Address, _: &[u8], _: bool) {}
    fn stderr(&self, _: &Address, _: &[u8]) {}
}

/// Wall and CPU time since its start.
struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    fn figure(&self, name: &'static str, units: u32) -> Figure {
        let (wall, cpu) = (self.wall.elapsed(), cpu_time().saturating_sub(self.cpu));
        Figure { name, each: wall / units.max(1), cpu: Some(cpu / units.max(1)) }
    }
}

/// User and system time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("benches use good addresses")
}

async fn start(actors: Vec<ActorSpec>, supervision: SupervisionSpec) -> Result<Kernel> {
    let kernel = Kernel::start(&Plan { actors, supervision, ..Plan::default() })?;
    let stage = kernel.booted().await;
    ensure!(matches!(stage, playhouse_kernel::Stage::Running), "{stage:?}");
    Ok(kernel)
}

async fn stop(kernel: Kernel) {
    kernel.shut_down();
    kernel.over().await;
}
