//! The play in which a hostile guest acts, and the conditions that must hold for the host and the other actors.
//!
//! `/pen` is a parent in plain Rust: it spawns the guest, gets the directive request for its failure, and stops it. `/neighbour`
//! is a guest that answers. Guests act one at a time, because the test measures the memory of the process.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use playhouse_kernel::{
    ActorSpec, Address, Answer, Bounds, Config, CrashReason, DeadLetterSpec, DeadReason, Kernel, LetterFilter,
    MetricNames, Plan, Stage, State, SubtreeSpec, SupervisionSpec, Template,
};
use playhouse_sandbox::{
    Descriptors, Folder, Grants, Limits, LoadError, Plugin, Sandbox, SandboxConfig, SubtreeLimits,
};
use playhouse_tests::{built, cargo, root};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::meters::{Counted, PATIENCE, eventually, lateness, rss_kb};
use crate::pen::{Pen, Silent};
use crate::template;

/// Time that the neighbour may take for an answer, besides the time in which this process got no CPU.
const A_SECOND: Duration = Duration::from_secs(1);
/// Number of acts before the first measurement of memory, and between two measurements.
const WARM_UP: usize = 2;
const ACTS: usize = 6;
/// Maximum growth of memory from one measurement to the next: less than the memory of a guest, so that a guest that was not
/// freed exceeds it.
const MOST_GROWTH_KB: u64 = 8 << 10;
/// Maximum number of measurements. The heap keeps a limited amount of freed memory; a leak grows between any two measurements.
const LOOKS: usize = 4;
/// Maximum memory above that before an act, at any time.
const MOST_ABOVE_IDLE_KB: u64 = 64 << 10;
const MEMORY_BYTES: u64 = 16 << 20;
const SUBTREE: SubtreeSpec = SubtreeSpec { actors: Some(12), instances: Some(6) };
/// Number of names in the large folder.
const LARGE: u32 = 10_000;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile"));
        Sandbox::new(SandboxConfig {
            key_dir: cache_dir.clone(),
            cache_dir,
            max_instances: 64,
            ..SandboxConfig::default()
        })
        .unwrap()
    });
    &SANDBOX
}

pub fn load(name: &str, wasm: &[u8]) -> Result<Plugin, LoadError> {
    sandbox().load_bytes(name, wasm)
}

/// The component of a file in `wat`. The file is a whole component, or the code for the template.
pub fn wasm(name: &str) -> Vec<u8> {
    let code = std::fs::read_to_string(root().join("tests/hostile/wat").join(name).with_extension("wat")).unwrap();
    if code.contains("\n(component") {
        return wat::parse_str(code).unwrap();
    }
    if code.contains("\"turns\"") { template::actor_with_turns(&code) } else { template::actor(&code) }
}

fn hostile() -> Plugin {
    static BUILT: LazyLock<Plugin> = LazyLock::new(|| {
        cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "hostile"]);
        sandbox().load("hostile", &built().join("../wasm32-wasip2/guest/hostile.wasm")).unwrap()
    });
    BUILT.clone()
}

/// Folders for guests that misuse them: `/shared` with a FIFO and a folder with many names, and `/mine`, which may grow by a
/// mebibyte.
fn folders(top: &Path) -> Grants {
    let (shared, mine) = (top.join("shared"), top.join("mine"));
    std::fs::create_dir_all(shared.join("large")).unwrap();
    std::fs::create_dir_all(&mine).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(shared.join("fifo")).status().unwrap().success());
    for n in 0..LARGE {
        std::fs::write(shared.join(format!("large/{n:0200}")), "").unwrap();
    }
    let mine = Folder::open(&mine, "/mine", true).unwrap().growing_by(1 << 20);
    Grants { dirs: vec![Folder::open(&shared, "/shared", true).unwrap(), mine], ..Grants::default() }
}

/// A hostile guest with its limits.
pub struct Guest {
    plugin: Plugin,
    grants: Grants,
    /// The parent of the guest's folders.
    top: Option<TempDir>,
    config: Config,
    cpu: Duration,
    timeout: Duration,
    start: Duration,
    resources: usize,
    subtree_bytes: Option<u64>,
}

/// The guest of the act with this name.
pub fn rust(act: &str) -> Guest {
    Guest::new(hostile(), [("act".to_owned(), act.to_owned())].into())
}

/// The guest of the file with this name.
pub fn wat(name: &str) -> Guest {
    Guest::new(load(name, &wasm(name)).unwrap(), Config::new())
}

/// The end of the guest.
#[derive(Debug)]
pub enum Ending {
    Crash(CrashReason),
    Answer(Answer),
}

#[derive(Clone, Copy)]
enum Provoked {
    NotAtAll,
    Told(usize),
    Asked,
    Stopped,
    LeftAlone(usize),
}

impl Guest {
    /// A guest whose limits are so wide that it exceeds only the one under test, also on a busy machine.
    fn new(plugin: Plugin, config: Config) -> Self {
        let (grants, cpu, resources) = (Grants::default(), Duration::from_mins(1), 100);
        let (timeout, start) = (PATIENCE, PATIENCE);
        Self { plugin, grants, top: None, config, cpu, timeout, start, resources, subtree_bytes: None }
    }

    /// Limits the guest and all actors below it together: to `mib` of memory, and to `SUBTREE`.
    pub fn subtree_mib(mut self, mib: u64) -> Self {
        self.subtree_bytes = Some(mib << 20);
        self
    }

    pub fn with_folders(mut self, granted: bool) -> Self {
        if granted {
            let top = tempfile::tempdir().unwrap();
            self.grants = folders(top.path());
            self.top = Some(top);
        }
        self
    }

    pub fn resources(mut self, resources: usize) -> Self {
        self.resources = resources;
        self
    }

    /// Call this after [`Guest::with_folders`], which replaces the grants.
    pub fn descriptors(mut self, most: u64) -> Self {
        self.grants.descriptors = Descriptors::new(most);
        self
    }

    pub fn cpu_ms(mut self, ms: u64) -> Self {
        self.cpu = Duration::from_millis(ms);
        self
    }

    pub fn timeout_ms(mut self, ms: u64) -> Self {
        self.timeout = Duration::from_millis(ms);
        self
    }

    pub fn start_ms(mut self, ms: u64) -> Self {
        self.start = Duration::from_millis(ms);
        self
    }

    pub fn starts(self, check: impl Fn(&Ending)) {
        self.acts(Provoked::NotAtAll, |ending| check(ending.expect("it ended")));
    }

    pub fn gets(self, messages: usize, check: impl Fn(&Ending)) {
        self.acts(Provoked::Told(messages), |ending| check(ending.expect("it ended")));
    }

    pub fn answers(self, check: impl Fn(&Ending)) {
        self.acts(Provoked::Asked, |ending| check(ending.expect("it ended")));
    }

    pub fn stops(self, check: impl Fn(&Ending)) {
        self.acts(Provoked::Stopped, |ending| check(ending.expect("it ended")));
    }

    /// The guest gets `messages` messages, and does not crash while the neighbour answers a hundred times.
    pub fn lives(self, messages: usize) {
        self.acts(Provoked::LeftAlone(messages), |ending| assert!(ending.is_none(), "{ending:?}"));
    }

    fn acts(self, provoked: Provoked, check: impl Fn(Option<&Ending>)) {
        in_house(self, async |house, times| house.acts(times, provoked, &check).await);
    }
}

/// Calls `happens` in this process several times, while the neighbour continues to answer.
pub fn beside_the_neighbour(happens: impl Fn() + Send + Sync + 'static) {
    let happens = Arc::new(happens);
    in_house(wat("trap"), async |house, times| {
        for _ in 0..times {
            let over = Arc::new(AtomicBool::new(false));
            let answers = tokio::spawn(answers(house.kernel.clone(), over.clone()));
            let happens = happens.clone();
            tokio::task::spawn_blocking(move || happens()).await.expect("the call returns without a panic");
            over.store(true, Relaxed);
            answers.await.expect("the neighbour answered in time");
        }
    });
}

/// Keeps other tests waiting: each looks at the memory of the whole process, in which a guest that another test compiles counts
/// as well.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Repeats the act until a leak would show in the memory of the process. The test must be [`alone`].
fn in_house(guest: Guest, act: impl AsyncFn(&mut House, usize)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut house = House::open(guest).await;
        act(&mut house, WARM_UP).await;
        let mut looks = vec![rss_kb()];
        while looks.len() < 2 || looks[looks.len() - 1] > looks[looks.len() - 2] + MOST_GROWTH_KB {
            assert!(looks.len() <= LOOKS, "memory grows with each act; in KiB after each {ACTS} acts: {looks:?}");
            act(&mut house, ACTS).await;
            looks.push(rss_kb());
        }
        house.close().await;
    });
}

struct House {
    kernel: Kernel,
    failures: mpsc::UnboundedReceiver<CrashReason>,
    output: Arc<Counted>,
    /// The start of the last act.
    began: Instant,
}

impl House {
    async fn open(guest: Guest) -> Self {
        let output = Arc::new(Counted::default());
        let (tell, failures) = mpsc::unbounded_channel();
        let granted = || vec![address("/neighbour"), address("/silent")];
        let mut pen = ActorSpec::new(address("/pen"), Arc::new(Pen(tell)));
        (pen.grants.sends_to, pen.grants.spawns) = (granted(), vec!["hostile".to_owned(), "recursive".to_owned()]);
        (pen.limits.max_depth, pen.limits.timeout, pen.limits.start_timeout) = (5, PATIENCE, PATIENCE);
        let echo = load("neighbour", &template::actor(template::ECHO)).unwrap();
        let echo = echo.launcher(Limits { cpu: PATIENCE, ..Limits::default() }, Config::new(), output.clone());
        let mut neighbour = ActorSpec::new(address("/neighbour"), echo);
        neighbour.limits.timeout = PATIENCE;
        let silent = |at: &str| {
            let mut spec = ActorSpec::new(address(at), Arc::new(Silent));
            spec.limits.timeout = PATIENCE;
            spec
        };
        let guest = Arc::new(guest);
        let template = |name: &str| {
            let acts = Acts { guest: guest.clone(), recursive: name == "recursive", output: output.clone() };
            (name.to_owned(), Arc::new(acts) as Arc<dyn Template>)
        };
        let plan = Plan {
            actors: vec![neighbour, silent("/silent"), silent("/black-hole"), pen],
            plugins: ["hostile", "recursive"].map(template).into(),
            // A silent actor does not stop by itself either.
            supervision: SupervisionSpec { shutdown: Duration::from_millis(200), ..SupervisionSpec::default() },
            dead_letters: DeadLetterSpec { capacity: 20, ..DeadLetterSpec::default() },
            ..Plan::default()
        };
        let kernel = Kernel::start(&plan).unwrap();
        assert!(matches!(kernel.wait_booted().await, Stage::Running));
        Self { kernel, failures, output, began: Instant::now() }
    }

    async fn acts(&mut self, times: usize, provoked: Provoked, check: impl Fn(Option<&Ending>)) {
        for _ in 0..times {
            check(self.act(provoked).await.as_ref());
            self.clear().await;
        }
    }

    /// Lets the guest act while the neighbour continues to answer.
    async fn act(&mut self, provoked: Provoked) -> Option<Ending> {
        self.began = Instant::now();
        let idle_kb = rss_kb();
        let over = Arc::new(AtomicBool::new(false));
        let answers = tokio::spawn(answers(self.kernel.clone(), over.clone()));
        let messages = match provoked {
            Provoked::Told(messages) | Provoked::LeftAlone(messages) => messages,
            Provoked::NotAtAll => 1,
            _ => 0,
        };
        self.pen(&format!("begin {messages}")).await;
        let guest = address("/pen/guest");
        let ending = match provoked {
            Provoked::NotAtAll => Some(Ending::Crash(self.failed_start().await)),
            Provoked::Told(_) => Some(Ending::Crash(self.failure().await)),
            Provoked::Asked => Some(Ending::Answer(self.kernel.ask(&guest, b"go", PATIENCE).await)),
            Provoked::Stopped => {
                // A guest that is stopped before its start does not start.
                eventually("the guest is up", || async {
                    let actors = self.kernel.actors().await;
                    actors.iter().any(|actor| actor.address == guest && actor.state == State::Idle)
                })
                .await;
                self.kernel.halt(&guest).await;
                let mut reason = None;
                while reason.is_none() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    let actors = self.kernel.actors().await;
                    let guest =
                        actors.into_iter().find(|actor| actor.address == guest).expect("the guest is only stopped");
                    reason = guest.last_crash.filter(|_| matches!(guest.state, State::Stopped));
                }
                reason.map(|report| Ending::Crash(report.crash.reason.clone()))
            }
            Provoked::LeftAlone(_) => {
                for _ in 0..100 {
                    let answer = self.kernel.ask(&address("/neighbour"), b"alive", PATIENCE).await;
                    assert_eq!(answer.as_deref(), Ok(&b"alive"[..]));
                }
                self.failures.try_recv().ok().map(Ending::Crash)
            }
        };
        over.store(true, Relaxed);
        let most_kb = answers.await.expect("the neighbour answered in time");
        assert!(most_kb <= idle_kb + MOST_ABOVE_IDLE_KB, "{most_kb} KiB of memory, and {idle_kb} KiB before");
        ending
    }

    async fn failure(&mut self) -> CrashReason {
        tokio::time::timeout(PATIENCE, self.failures.recv())
            .await
            .expect("the guest ends by itself")
            .expect("the pen lives")
    }

    /// The reason of a failed start. A child whose first start fails is gone: the letters of its messages have the reason.
    async fn failed_start(&self) -> CrashReason {
        let mut reason = None;
        eventually("the start fails", || {
            reason = self.kernel.dead_letters().iter().find_map(|letter| match &letter.reason {
                DeadReason::FailedStart(report) => Some(report.crash.reason.clone()),
                _ => None,
            });
            std::future::ready(reason.is_some())
        })
        .await;
        self.kernel.drop_letters(&LetterFilter::default()).await;
        reason.expect("a letter has the reason")
    }

    async fn pen(&self, order: &str) {
        let done = self.kernel.ask(&address("/pen"), order.as_bytes(), PATIENCE).await;
        assert_eq!(done.as_deref(), Ok(&b"done"[..]), "{order}");
    }

    /// Removes the guest and checks that nothing of it is left, and that the limits on its log lines held.
    async fn clear(&mut self) {
        self.pen("end").await;
        eventually("nothing of the guest is left", || async {
            let actors = self.kernel.actors().await;
            actors.iter().all(|actor| !actor.dynamic) && sandbox().instances() == 1
        })
        .await;
        while self.failures.try_recv().is_ok() {}
        let most_lines = (self.began.elapsed().as_secs() + 2) * Limits::default().log_lines;
        let lines = self.output.lines.swap(0, Relaxed);
        assert!(lines <= most_lines, "{lines} lines on stderr, and {most_lines} are allowed");
    }

    async fn close(self) {
        self.kernel.shut_down();
        assert!(matches!(self.kernel.wait_stopped().await, Stage::Stopped));
        eventually("no instance is left", || async { sandbox().instances() == 0 }).await;
    }
}

/// Asks the neighbour until `over`. The time in which this process got no CPU does not count for its answers.
///
/// Returns the largest resident memory of the process in this time.
async fn answers(kernel: Kernel, over: Arc<AtomicBool>) -> u64 {
    let mut most_kb = 0;
    loop {
        most_kb = most_kb.max(rss_kb());
        let (began, late) = (Instant::now(), lateness());
        let answer = kernel.ask(&address("/neighbour"), b"alive", PATIENCE).await;
        assert_eq!(answer.as_deref(), Ok(&b"alive"[..]));
        let took = began.elapsed();
        if took > A_SECOND {
            let allowed = A_SECOND + lateness().saturating_sub(late);
            assert!(took <= allowed, "the neighbour took {took:?}, and {allowed:?} are allowed");
        }
        if over.load(Relaxed) {
            return most_kb;
        }
        tokio::task::yield_now().await;
    }
}

/// The template from which the hostile guest is spawned.
struct Acts {
    guest: Arc<Guest>,
    recursive: bool,
    output: Arc<Counted>,
}

impl Template for Acts {
    fn spec(&self, at: Address, config: Config, within: Bounds) -> ActorSpec {
        let guest = &self.guest;
        // With a limit on the subtree, the limit of the guest alone is out of reach.
        let memory_bytes = guest.subtree_bytes.map_or(MEMORY_BYTES, |_| 1 << 30);
        let limits = Limits { memory_bytes, cpu: guest.cpu, resources: guest.resources, ..Limits::default() };
        let mut whole = guest.config.clone();
        whole.extend(config);
        let subtree_bytes = guest.subtree_bytes.filter(|_| at == address("/pen/guest"));
        let accounts =
            guest.plugin.accounts(&within, &at, SubtreeLimits { memory_bytes: subtree_bytes, descriptors: None });
        let launcher = guest.plugin.launcher_in(
            accounts,
            guest.grants.clone(),
            limits.bounded(&within),
            whole,
            self.output.clone(),
        );
        let mut spec = ActorSpec::new(at.clone(), launcher);
        spec.restart.attempts = 1;
        spec.limits.subtree = subtree_bytes.map(|_| Box::new(SUBTREE));
        spec.grants.sends_to = vec![address("/neighbour"), address("/silent"), at];
        spec.grants.spawns = vec!["recursive".to_owned(), "hostile".to_owned()];
        (spec.limits.timeout, spec.limits.start_timeout) = (guest.timeout, guest.start);
        (spec.limits.max_children, spec.limits.max_timers, spec.limits.max_watches, spec.limits.max_depth) =
            (8, 8, 8, 4);
        (spec.limits.max_effects, spec.limits.max_effect_bytes) = (65_536, 4 << 20);
        spec.metrics = MetricNames::new(["orders", "amount"]).unwrap();
        spec
    }

    fn recursive(&self) -> bool {
        self.recursive
    }
}
