//! The rules of levels by actor, through a subscriber of `tracing`.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::super::LogLine;
use super::filter::LogFilter;
use super::*;

/// Held by each test. A change of levels makes `tracing` ask the filters again, and while there is one subscriber, it asks that of
/// the changing thread alone: a program has one for all its threads, and these tests have one each.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Keeps the texts of events.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.lock().push(LogLine::of(event).text);
    }
}

/// Runs `act` in a subscriber whose host-wide level is `info`, and returns the texts that it lets through.
fn shown(levels: &LogLevels, act: impl FnOnce()) -> Vec<String> {
    let kept = Kept::default();
    let layer = kept.clone().with_filter(LogFilter::new(levels.clone(), LevelFilter::INFO));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    std::mem::take(&mut *kept.0.lock())
}

/// Reports an event of each level about an actor, from one place in the code for each level.
fn report(actor: &str) {
    tracing::error!(target: "playhouse", address = actor, "{actor} error");
    tracing::warn!(target: "playhouse", address = %actor, "{actor} warn");
    tracing::info!(target: "playhouse::guest", address = %actor, "{actor} info");
    tracing::debug!(target: "playhouse", address = %actor, "{actor} debug");
    tracing::trace!(target: "playhouse::guest", address = %actor, "{actor} trace");
}

/// The least severe level of an actor that is shown.
fn lowest(levels: &LogLevels, actor: &str) -> Option<String> {
    shown(levels, || report(actor)).pop().map(|text| text.split_once(' ').expect("two words").1.to_owned())
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn of_manifest(actors: &[(&str, Option<Level>)], spawnable: &[Level]) -> LogLevels {
    let levels = LogLevels::default();
    let spawnable = spawnable.iter().map(|level| ("worker".to_owned(), *level));
    levels.set(actors.iter().map(|(at, level)| (address(at), *level)), spawnable);
    levels
}

#[test]
fn level_of_an_actor_overrides_the_hosts_both_ways() {
    let _alone = ALONE.blocking_lock();
    let levels = of_manifest(&[("/loud", Some(Level::DEBUG)), ("/quiet", Some(Level::ERROR)), ("/plain", None)], &[]);
    for (actor, wanted) in [("/loud", "debug"), ("/quiet", "error"), ("/plain", "info"), ("/loudest", "info")] {
        assert_eq!(lowest(&levels, actor).as_deref(), Some(wanted), "{actor}");
    }
    assert_eq!(lowest(&LogLevels::default(), "/loud").as_deref(), Some("info"));
}

#[test]
fn spawned_actor_has_the_level_of_its_plugin_or_parent() {
    let _alone = ALONE.blocking_lock();
    let levels = of_manifest(&[("/a", Some(Level::DEBUG)), ("/a/b", None)], &[Level::TRACE]);
    assert_eq!(lowest(&levels, "/a/spawned").as_deref(), Some("debug"));
    assert_eq!(lowest(&levels, "/a/spawned/its").as_deref(), Some("debug"));
    assert_eq!(lowest(&levels, "/a/b/spawned").as_deref(), Some("info"), "`/a/b` has the level of the host");
    let own = levels.spawned(&address("/a/b/spawned"), Level::TRACE);
    assert_eq!(lowest(&levels, "/a/b/spawned/its").as_deref(), Some("trace"));
    drop(own);
    assert_eq!(lowest(&levels, "/a/b/spawned").as_deref(), Some("info"));
}

#[test]
fn actor_of_the_play_before_removes_no_level_of_the_next() {
    let _alone = ALONE.blocking_lock();
    let levels = of_manifest(&[("/a", None)], &[Level::WARN]);
    let before = levels.spawned(&address("/a/x"), Level::WARN);
    levels.set([(address("/a"), None)], [("worker".to_owned(), Level::DEBUG)]);
    let _next = levels.spawned(&address("/a/x"), Level::DEBUG);
    drop(before);
    assert_eq!(levels.level_of("/a/x"), Some(Level::DEBUG));
}

#[test]
fn level_of_a_removed_actor_leaves_its_successors() {
    let _alone = ALONE.blocking_lock();
    let levels = of_manifest(&[("/a", None)], &[Level::WARN, Level::DEBUG]);
    let first = levels.spawned(&address("/a/x"), Level::WARN);
    let second = levels.spawned(&address("/a/x"), Level::DEBUG);
    drop(first);
    assert_eq!(lowest(&levels, "/a/x").as_deref(), Some("debug"));
    drop(second);
    assert_eq!(levels.level_of("/a/x"), None);
}

#[test]
fn levels_reach_places_that_were_hidden_before() {
    let _alone = ALONE.blocking_lock();
    let levels = LogLevels::default();
    let texts = shown(&levels, || {
        report("/a");
        levels.set([(address("/a"), Some(Level::TRACE))], []);
        report("/a");
        levels.set([], []);
        report("/a");
    });
    let lowest: Vec<_> = texts.iter().filter(|text| text.ends_with("debug") || text.ends_with("trace")).collect();
    assert_eq!(lowest, ["/a debug", "/a trace"]);
    assert_eq!(texts.len(), 3 + 5 + 3);
}

#[test]
fn other_events_have_the_level_of_the_host() {
    let _alone = ALONE.blocking_lock();
    let levels = of_manifest(&[("/a", Some(Level::TRACE))], &[]);
    let texts = shown(&levels, || {
        tracing::debug!(target: "playhouse", "about no actor");
        tracing::debug!(target: "hyper", address = "/a", "of a library");
        tracing::debug!(target: "playhouse", address = None::<&str>, "about an actor at times");
        tracing::info!(target: "playhouse", "about the host");
    });
    assert_eq!(texts, ["about the host"]);
}

fn pattern(text: &str) -> AddressPattern {
    text.parse().expect("a pattern")
}

fn operator() -> String {
    "user 0".to_owned()
}

#[test]
fn operators_level_goes_before_the_manifests() {
    let _alone = ALONE.blocking_lock();
    let levels = of_manifest(&[("/a", Some(Level::ERROR)), ("/b", None)], &[]);
    levels.override_level(pattern("/**"), Level::WARN, None, operator()).expect("there is space");
    levels.override_level(pattern("/a"), Level::TRACE, None, operator()).expect("there is space");
    levels.override_level(pattern("/b/**"), Level::DEBUG, None, operator()).expect("there is space");
    for (actor, wanted) in [("/a", "trace"), ("/a/c", "warn"), ("/b", "warn"), ("/b/c/d", "debug"), ("/later", "warn")]
    {
        assert_eq!(lowest(&levels, actor).as_deref(), Some(wanted), "{actor}");
    }
    let ended = levels.reset(&pattern("/a")).expect("it was set");
    assert_eq!((ended.level, levels.reset(&pattern("/a"))), (Level::TRACE, None));
    assert_eq!(lowest(&levels, "/a").as_deref(), Some("warn"), "`/**` still holds");
    levels.reset(&pattern("/**"));
    assert_eq!(lowest(&levels, "/a").as_deref(), Some("error"), "the manifest's is back");
}

#[test]
fn pattern_that_says_most_goes_before_others() {
    let _alone = ALONE.blocking_lock();
    let levels = LogLevels::default();
    let by_precision = [("/**", Level::ERROR), ("/a/**", Level::WARN), ("/a/*", Level::INFO), ("/a/b", Level::DEBUG)];
    for (text, level) in by_precision {
        levels.override_level(pattern(text), level, None, operator()).expect("there is space");
        assert_eq!(levels.level_of("/a/b"), Some(level), "{text}");
    }
    for (text, level) in by_precision {
        levels.override_level(pattern(text), level, None, operator()).expect("it replaces itself");
    }
    assert_eq!(levels.level_of("/a/b"), Some(Level::DEBUG), "in any order");
    assert_eq!((levels.level_of("/a/x"), levels.level_of("/a/x/y")), (Some(Level::INFO), Some(Level::WARN)));
    assert_eq!(levels.level_of("/a"), Some(Level::ERROR), "`/a/**` is below `/a`");
}

#[tokio::test(start_paused = true)]
async fn override_ends_after_its_time() {
    let _alone = ALONE.lock().await;
    let levels = LogLevels::default();
    let set = |text: &str, seconds| {
        let lasts = Some(Duration::from_secs(seconds));
        levels.override_level(pattern(text), Level::DEBUG, lasts, operator()).expect("there is space")
    };
    let began = Instant::now();
    let next = async {
        let ended = levels.wait_ended().await;
        (ended.into_iter().map(|ended| ended.pattern.to_string()).collect::<Vec<_>>(), began.elapsed().as_secs())
    };
    let (ended, ()) = tokio::join!(next, async {
        tokio::task::yield_now().await;
        set("/a", 600);
        set("/b", 5);
        assert_eq!(set("/b", 60).map(|replaced| replaced.lasts), Some(Some(Duration::from_secs(5))));
        levels.override_level(pattern("/c"), Level::DEBUG, None, operator()).expect("there is space");
    });
    assert_eq!(ended, (vec!["/b".to_owned()], 60), "a replaced level has the time of the last one");
    assert_eq!((levels.level_of("/b"), levels.level_of("/a")), (None, Some(Level::DEBUG)));
    assert_eq!(levels.wait_ended().await[0].pattern, pattern("/a"));
    assert_eq!(began.elapsed().as_secs(), 600);
    assert!(tokio::time::timeout(Duration::from_hours(1000), levels.wait_ended()).await.is_err(), "`/c` has no end");
}

#[tokio::test(start_paused = true)]
async fn operators_set_no_more_levels_than_the_limit() {
    let _alone = ALONE.lock().await;
    let levels = LogLevels::default();
    let set = |n| levels.override_level(pattern(&format!("/a{n}")), Level::DEBUG, Some(Duration::MAX), operator());
    assert!((0..MOST_OVERRIDES).all(|n| set(n) == Ok(None)));
    assert_eq!(set(MOST_OVERRIDES), Err(TooManyOverrides));
    assert!(set(7).is_ok_and(|replaced| replaced.is_some()), "one is replaced");
    levels.reset(&pattern("/a7"));
    assert_eq!(set(MOST_OVERRIDES), Ok(None));
    assert_eq!(levels.in_force().overrides.len(), MOST_OVERRIDES);
}
