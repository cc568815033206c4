//! The text of a scrape: names, counts, spawned and removed actors.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use expect_test::expect_file;
use playhouse_kernel::{
    ActorMetrics, ActorSpec, ActorTotals, Address, AskMetrics, Behavior, Bounds, BoxFuture, Config, Crash, Failure,
    FamilySpec, FamilyView, Kernel, Launcher, Message, MetricNames, Metrics, NativeActor, NativeContext,
    NativeLauncher, NativeResult, OBSERVATION_BOUNDS, Observed, Overflow, OwnMetric, Plan, Resource, Resources,
    StartKind, State, Template, Turn,
};
use playhouse_observe::log::RingCounts;
use playhouse_observe::{
    COUNTED, FAMILIES, Format, GatewayFacts, GatewayRole, HostFacts, HttpFacts, LinkFacts, OBSERVED, PluginFacts,
    Process, exposition_of,
};

/// Spawns, stops and fails as a message says.
#[derive(Clone)]
struct Boss;

impl NativeActor for Boss {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8_lossy(&msg.body).into_owned();
        match text.split_once(' ') {
            Some(("spawn", number)) => {
                ctx.spawn(number, "worker", Config::default()).map_err(|e| Failure::Reject(e.to_string()))?;
                ctx.tell(number, "count orders").map_err(|e| Failure::Reject(e.to_string()))?;
            }
            Some(("stop", number)) => {
                ctx.stop_child(number).map_err(|e| Failure::Reject(e.to_string()))?;
            }
            Some(("count", name)) => {
                ctx.count(name, 1).map_err(|e| Failure::Reject(e.to_string()))?;
                ctx.observe("size", 3.0).map_err(|e| Failure::Reject(e.to_string()))?;
            }
            Some(_) => return Err(Failure::Reject(text)),
            None => {}
        }
        Ok(())
    }
}

struct Worker;

impl Template for Worker {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let metrics = MetricNames::new(["orders", "size"]).expect("good names");
        ActorSpec { metrics, ..ActorSpec::new(address, NativeLauncher::new(|| Boss)) }
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("good")
}

/// A play with these actors; the last one may spawn.
async fn play(actors: usize) -> Kernel {
    let mut specs: Vec<_> =
        (0..actors).map(|n| ActorSpec::new(address(&format!("/actor-{n:04}")), NativeLauncher::new(|| Boss))).collect();
    let boss = specs.last_mut().expect("at least one");
    boss.grants.spawns = vec!["worker".into()];
    boss.limits.max_children = 20_000;
    let mut plan = Plan { actors: specs, ..Plan::default() };
    plan.plugins.insert("worker".into(), Arc::new(Worker));
    let kernel = Kernel::start(&plan).expect("sound");
    kernel.wait_booted().await;
    kernel
}

async fn tell(kernel: &Kernel, to: &str, body: &str) {
    kernel.tell(&address(to), body.as_bytes(), Duration::from_mins(1)).await.expect("taken");
}

async fn scrape(kernel: &Kernel) -> String {
    let metrics = kernel.metrics(Duration::from_mins(1), |_| Duration::ZERO).await;
    let text = exposition_of(&metrics, &HostFacts::default(), Format::Prometheus, Vec::new());
    String::from_utf8(text).expect("text")
}

/// The names and labels of all samples.
fn series(text: &str) -> Vec<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').expect("a value").0).collect()
}

fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().expect("a number")
}

#[tokio::test]
async fn spawned_actors_add_no_series() {
    let kernel = play(1).await;
    tell(&kernel, "/actor-0000", "spawn 0").await;
    kernel.wait_idle().await;
    let before = scrape(&kernel).await;
    for number in 1..10_000 {
        tell(&kernel, "/actor-0000", &format!("spawn {number}")).await;
        // A mailbox that was full has more series.
        if number % 500 == 0 {
            kernel.wait_idle().await;
        }
    }
    kernel.wait_idle().await;
    let after = scrape(&kernel).await;
    assert_eq!(series(&after), series(&before));
    let workers = "actor=\"/actor-0000/**\",plugin=\"native:Boss\"";
    assert_eq!(value(&after, &format!("playhouse_actors{{{workers},state=\"idle\"}}")), 10_000);
    assert_eq!(value(&after, &format!("playhouse_messages_total{{{workers},outcome=\"done\"}}")), 10_000);
    assert_eq!(value(&after, &format!("playhouse_counted_orders_total{{{workers}}}")), 10_000);
    assert_eq!(value(&after, &format!("playhouse_observed_size_sum{{{workers}}}")), 30_000);
}

#[tokio::test]
async fn totals_keep_the_counts_of_removed_actors() {
    let kernel = play(1).await;
    for number in 0..10 {
        tell(&kernel, "/actor-0000", &format!("spawn {number}")).await;
    }
    kernel.wait_idle().await;
    for number in 0..10 {
        tell(&kernel, "/actor-0000", &format!("stop {number}")).await;
    }
    kernel.wait_idle().await;
    while kernel.actors().await.len() > 1 {
        tokio::task::yield_now().await;
    }
    let after = scrape(&kernel).await;
    let workers = "actor=\"/actor-0000/**\",plugin=\"native:Boss\"";
    assert_eq!(value(&after, &format!("playhouse_messages_total{{{workers},outcome=\"done\"}}")), 10);
    assert_eq!(value(&after, &format!("playhouse_incarnations_total{{{workers}}}")), 10);
    assert_eq!(value(&after, &format!("playhouse_counted_orders_total{{{workers}}}")), 10);
    assert_eq!(value(&after, &format!("playhouse_observed_size_count{{{workers}}}")), 10);
    assert!(!after.contains(&format!("playhouse_actors{{{workers}")), "no actor is left:\n{after}");
}

#[tokio::test]
async fn failures_are_counted_by_reason() {
    let kernel = play(1).await;
    tell(&kernel, "/actor-0000", "fail now").await;
    tell(&kernel, "/actor-0000", "fine").await;
    let asked = kernel.ask(&address("/actor-0000"), b"no reply", Duration::from_mins(1)).await;
    assert!(asked.is_err());
    assert!(kernel.ask(&address("/nobody"), b"", Duration::from_mins(1)).await.is_err());
    let text = scrape(&kernel).await;
    let actor = "actor=\"/actor-0000\",plugin=\"native:Boss\"";
    assert_eq!(value(&text, &format!("playhouse_dead_letters_total{{{actor},reason=\"rejected\"}}")), 2);
    assert_eq!(value(&text, &format!("playhouse_messages_total{{{actor},outcome=\"done\"}}")), 1);
    assert_eq!(value(&text, "playhouse_asks_total{result=\"rejected\"}"), 1);
    assert_eq!(value(&text, "playhouse_asks_total{result=\"unknown-address\"}"), 1);
    assert_eq!(value(&text, "playhouse_ask_seconds_count"), 1, "the ask that was sent");
    assert!(value(&text, "playhouse_turn_messages_count{plugin=\"native:Boss\"}") >= 1);
}

/// Fails each message once.
#[derive(Clone)]
struct Unsure;

impl NativeActor for Unsure {
    async fn msg_handler(&mut self, msg: Message, _: &mut NativeContext) -> NativeResult {
        if msg.envelope.attempt == 0 { Err(Failure::Retry("not yet".into())) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn retries_are_counted() {
    let spec = ActorSpec::new(address("/unsure"), NativeLauncher::new(|| Unsure));
    let kernel = Kernel::start(&Plan { actors: vec![spec], ..Plan::default() }).expect("sound");
    for _ in 0..3 {
        tell(&kernel, "/unsure", "x").await;
    }
    kernel.wait_idle().await;
    let text = scrape(&kernel).await;
    let actor = "actor=\"/unsure\",plugin=\"native:Unsure\"";
    assert_eq!(value(&text, &format!("playhouse_retries_total{{{actor}}}")), 3);
    assert_eq!(value(&text, &format!("playhouse_messages_total{{{actor},outcome=\"done\"}}")), 3);
}

#[tokio::test(start_paused = true)]
async fn refused_messages_are_counted() {
    let mut spec = ActorSpec::new(address("/unsure"), NativeLauncher::new(|| Unsure));
    spec.mailbox.capacity = 1;
    spec.mailbox.overflow = Overflow::Reject;
    spec.start = StartKind::Manual;
    let kernel = Kernel::start(&Plan { actors: vec![spec], ..Plan::default() }).expect("sound");
    tell(&kernel, "/unsure", "it fits").await;
    for _ in 0..2 {
        kernel.tell(&address("/unsure"), b"x", Duration::ZERO).await.expect_err("there is no space");
    }
    let refused = "playhouse_refused_messages_total{actor=\"/unsure\",plugin=\"native:Unsure\"}";
    assert_eq!(value(&scrape(&kernel).await, refused), 2);
}

/// Code that counts a second of CPU time and some memory in each run.
struct Busy(Arc<NativeLauncher<Boss>>);

impl Launcher for Busy {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        turn.resource_use().add_cpu_ns(1_000_000_000);
        turn.resource_use().take(Resource::Memory, 100);
        turn.resource_use().take(Resource::Open, 2);
        self.0.launch(turn)
    }

    fn plugin(&self) -> &'static str {
        "busy"
    }
}

impl Template for Busy {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        ActorSpec::new(address, Arc::new(Busy(NativeLauncher::new(|| Boss))))
    }
}

#[tokio::test]
async fn cpu_of_removed_actors_stays_and_their_memory_goes() {
    let mut boss = ActorSpec::new(address("/boss"), NativeLauncher::new(|| Boss));
    boss.grants.spawns = vec!["worker".into()];
    let mut plan = Plan { actors: vec![boss], ..Plan::default() };
    plan.plugins.insert("worker".into(), Arc::new(Busy(NativeLauncher::new(|| Boss))));
    let kernel = Kernel::start(&plan).expect("sound");
    for number in 0..3 {
        tell(&kernel, "/boss", &format!("spawn {number}")).await;
    }
    kernel.wait_idle().await;
    let workers = "{actor=\"/boss/**\",plugin=\"busy\"}";
    let of = |text: &str, family: &str| value(text, &format!("{family}{workers}"));
    let before = scrape(&kernel).await;
    assert_eq!(of(&before, "playhouse_guest_cpu_seconds_total"), 3);
    assert_eq!(of(&before, "playhouse_actor_memory_bytes"), 300);
    assert_eq!(of(&before, "playhouse_actor_open_resources"), 6);
    for number in 0..2 {
        tell(&kernel, "/boss", &format!("stop {number}")).await;
    }
    kernel.wait_idle().await;
    while kernel.actors().await.len() > 2 {
        tokio::task::yield_now().await;
    }
    let after = scrape(&kernel).await;
    assert_eq!(of(&after, "playhouse_guest_cpu_seconds_total"), 3);
    assert_eq!(of(&after, "playhouse_actor_memory_bytes"), 100);
    assert!(!after.contains("playhouse_actor_memory_bytes{actor=\"/boss\""), "native code has no memory of its own");
}

#[tokio::test(start_paused = true)]
async fn families_have_series_of_their_own() {
    let mut users = ActorSpec::new(address("/user"), Arc::new(Busy(NativeLauncher::new(|| Boss))));
    users.idle_stop = Some(Duration::from_secs(1));
    users.family = Some(Arc::new(FamilySpec::new(5, 9).created_by(Address::root(), 100)));
    let kernel = Kernel::start(&Plan { actors: vec![users], ..Plan::default() }).expect("sound");
    for member in ["/user/a", "/user/b"] {
        tell(&kernel, member, "x").await;
    }
    kernel.wait_idle().await;
    let text = scrape(&kernel).await;
    let of = |name: &str| value(&text, &format!("playhouse_family_{name}{{actor=\"/user/*\",plugin=\"busy\"}}"));
    assert_eq!(["members", "members_limit", "live_members", "live_members_limit"].map(of), [2, 9, 2, 5]);
    let handled = "playhouse_messages_total{actor=\"/user/**\",plugin=\"busy\",outcome=\"done\"}";
    assert_eq!(value(&text, handled), 2);
    assert!(
        !text.contains("actor=\"/user\"") && !text.contains("native:"),
        "nothing is sent to the family itself: {text}"
    );
    tokio::time::sleep(Duration::from_mins(1)).await;
    let text = scrape(&kernel).await;
    assert_eq!(value(&text, handled), 2, "members that left the memory count");
}

/// Counts that are all different, of an actor with a hostile plugin name and of the actors spawned below it.
fn golden() -> (Metrics, HostFacts) {
    let mut totals = ActorTotals { handled: 10, restarts: 2, incarnations: 3, ..ActorTotals::default() };
    (totals.letters[0], totals.crashes[5], totals.turns[0], totals.turns[9]) = (4, 5, 6, 7);
    (totals.retries, totals.refused, totals.cpu) = (19, 20, Duration::from_millis(2500));
    (totals.blocked, totals.blocked_for) = (8, Duration::from_millis(250));
    (totals.turn_durations.counts[3], totals.turn_durations.counts[12]) = (9, 1);
    totals.turn_durations.sum = Duration::from_secs(130);
    let mut amount = Observed { sum: 12.75, ..Observed::default() };
    (amount.counts[0], amount.counts[13], amount.counts[25]) = (1, 2, 3);
    totals.own.insert("amount".into(), OwnMetric { counted: None, observed: Some(Box::new(amount)) });
    totals.own.insert("orders".into(), OwnMetric { counted: Some(15), observed: None });
    let mut states = [0; State::ALL.len()];
    states[State::Idle.index()] = 1;
    let row = ActorMetrics {
        address: address("/shop"),
        spawned: false,
        plugin: "a\"b\\c\nd\x1b[31m".into(),
        totals,
        states,
        failed_instances: 3,
        waiting: 11,
        waiting_bytes: 12,
        capacity: 1024,
        blocked: 13,
        resources: Some(Resources { cpu: Duration::from_millis(30), memory_bytes: 15, open: 16, host_bytes: 17 }),
        oldest: Duration::from_millis(1500),
        family: None,
    };
    let mut spawned = ActorMetrics { spawned: true, plugin: "worker".into(), ..row.clone() };
    // The other way round than the actor of the manifest.
    let one = Observed { counts: [1; 26], sum: 1e300 };
    spawned.totals.own.clear();
    spawned.totals.own.insert("amount".into(), OwnMetric { counted: Some(0), observed: None });
    spawned.totals.own.insert("orders".into(), OwnMetric { counted: Some(16), observed: Some(Box::new(one)) });
    let view = FamilyView { live: 47, most_live: 48, members: 49, most_members: 50 };
    let family = ActorMetrics { address: address("/user"), plugin: "user".into(), family: Some(view), ..row.clone() };
    let metrics = Metrics {
        answered: true,
        actors: vec![row, family, spawned],
        asks: AskMetrics::default(),
        restarts: 4,
        letter_bytes: 18,
        failed_shutdowns: 14,
    };
    let facts = HostFacts {
        play: "the \"play\"\n".into(),
        version: "1.2.3",
        started: UNIX_EPOCH + Duration::from_secs(1_000_000),
        ready: true,
        memory_short: false,
        instances: Some((2, 1000)),
        guest_memory: Some((1 << 20, 1 << 30)),
        open_resources: Some((3, 512)),
        log: Some(RingCounts { bytes: 262_144, most_bytes: 64 << 20, subscribers: 2, lost: 9 }),
        plugins: Some(PluginFacts {
            compiled_fresh: 1,
            from_cache: 2,
            rebuilt: 3,
            compile_time: Duration::from_millis(4500),
            code_bytes: 21,
        }),
        lines_left_out: vec![("/shop".into(), [22, 23])],
        lines_dropped: 24,
        errors: [25, 26],
        http: vec![HttpFacts {
            gateway: "/gate/http".into(),
            connections: 33,
            accepted: 34,
            refused: 5,
            responses: vec![("POST /orders/:id".into(), 200, 35), ("unknown".into(), 404, 36)],
            websockets: vec![("GET /live".into(), 37)],
        }],
        gateways: gateways(),
        process: Process {
            cpu: Some(Duration::from_millis(27_500)),
            resident_bytes: Some(28),
            virtual_bytes: Some(29),
            open_fds: Some(30),
            max_fds: Some(31),
            threads: Some(32),
        },
    };
    (metrics, facts)
}

fn gateways() -> Vec<GatewayFacts> {
    let link = |kind, connected, disconnects| LinkFacts { kind, connected, disconnects };
    let gateway = |gateway: &str, role, events| GatewayFacts { gateway: gateway.into(), role, events };
    vec![
        gateway("/dead-letters", GatewayRole::Letters, vec![("sent", 38), ("left_out", 39)]),
        gateway("/gate/nightly", GatewayRole::Cron, vec![("run", 40), ("skipped", 41)]),
        gateway("/gate/orders", GatewayRole::Source(link("nats", Some(true), 42)), vec![("taken", 43), ("done", 44)]),
        gateway("/out/audit", GatewayRole::Sink(link("file", None, 0)), vec![]),
        gateway("/out/billing", GatewayRole::Sink(link("redis", Some(false), 45)), vec![("done", 46)]),
    ]
}

#[test]
fn scrape_has_this_text() {
    let (metrics, facts) = golden();
    for (format, file) in
        [(Format::Prometheus, expect_file!["golden.prom"]), (Format::OpenMetrics, expect_file!["golden.openmetrics"])]
    {
        let text = String::from_utf8(exposition_of(&metrics, &facts, format, Vec::new())).expect("text");
        assert!(!text.replace('\n', "").chars().any(char::is_control));
        file.assert_eq(&text);
    }
}

#[test]
fn every_family_is_in_a_scrape_once() {
    let (metrics, facts) = golden();
    let text = exposition_of(&metrics, &facts, Format::OpenMetrics, Vec::new());
    let text = String::from_utf8(text).expect("text");
    for family in FAMILIES {
        let line = format!("# TYPE {} {}\n", family.name, family.kind.name());
        assert_eq!(text.matches(&line).count(), 1, "{line}");
    }
}

/// Two actors that use a name in different ways have a family each, in both formats.
#[test]
fn own_metrics_never_share_a_family_or_a_series() {
    let (metrics, facts) = golden();
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = String::from_utf8(exposition_of(&metrics, &facts, format, Vec::new())).expect("text");
        let mut types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let mut samples = series(&text);
        for lines in [&mut types, &mut samples] {
            let all = lines.len();
            lines.sort_unstable();
            lines.dedup_by_key(|line| line.split(' ').nth(2).unwrap_or(line));
            assert_eq!(lines.len(), all, "{text}");
        }
        for end in ["counted_amount_total", "counted_orders_total", "observed_amount_sum", "observed_orders_sum"] {
            assert!(text.contains(&format!("\nplayhouse_{end}{{")), "{end}: {text}");
        }
    }
}

/// The page of all metrics is printed from the families. `UPDATE_EXPECT=1` writes it.
#[test]
fn page_of_metrics_is_up_to_date() {
    let mut page = String::from(
        "# Metrics\n\nAll metrics that `/metrics` has, printed from their definitions (`UPDATE_EXPECT=1 cargo test -p \
         playhouse-observe`). Counters end with\n`_total`, `info` with `_info`. `actor=\"/shop/**\"` are all actors with \
         one plugin that were spawned below `/shop`, or that are\nmembers of the family `/shop/*`; `actor=\"/shop/*\"` is \
         the family.\n\n| name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in FAMILIES {
        let labels = family.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        page.extend(["| `", family.name, "` | ", family.kind.name(), " | ", &labels, " | ", family.help, " |\n"]);
    }
    let _ = write!(
        page,
        "\n## Actors' own metrics\n\nAn actor counts and observes names that the manifest declares, `metrics = [\"orders\", \
         \"amount\"]` of an actor or a\nplugin ([actors.md](../actors.md)). Each name has the labels `actor` and `plugin`, and \
         appears when it is first used. A count of 0 is\na use.\n\n| name | type | from |\n|---|---|---|\n\
         | `{COUNTED}orders` | counter | `ctx.count(\"orders\", 1)` |\n\
         | `{OBSERVED}amount` | histogram | `ctx.observe(\"amount\", 12.5)` |\n\n\
         The histogram's bounds are {}.\n",
        OBSERVATION_BOUNDS.map(|bound| bound.to_string()).join(", ")
    );
    expect_file!["../../../docs/operation/metrics.md"].assert_eq(&page);
}
