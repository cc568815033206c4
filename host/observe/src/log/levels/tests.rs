//! The rules of levels by actor, through a subscriber of `tracing`.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::super::LogLine;
use super::*;

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
    let layer = kept.clone().with_filter(levels.filter(LevelFilter::INFO));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    let texts = kept.0.lock().clone();
    texts
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
    levels.set(actors.iter().map(|(at, level)| (address(at), *level)), spawnable.iter().copied());
    levels
}

#[test]
fn level_of_an_actor_overrides_the_hosts_both_ways() {
    let levels = of_manifest(&[("/loud", Some(Level::DEBUG)), ("/quiet", Some(Level::ERROR)), ("/plain", None)], &[]);
    for (actor, wanted) in [("/loud", "debug"), ("/quiet", "error"), ("/plain", "info"), ("/loudest", "info")] {
        assert_eq!(lowest(&levels, actor).as_deref(), Some(wanted), "{actor}");
    }
    assert_eq!(lowest(&LogLevels::default(), "/loud").as_deref(), Some("info"));
}

#[test]
fn spawned_actor_has_the_level_of_its_plugin_or_parent() {
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
fn level_of_a_removed_actor_leaves_its_successors() {
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
    let levels = of_manifest(&[("/a", Some(Level::TRACE))], &[]);
    let texts = shown(&levels, || {
        tracing::debug!(target: "playhouse", "about no actor");
        tracing::debug!(target: "hyper", address = "/a", "of a library");
        tracing::debug!(target: "playhouse", address = None::<&str>, "about an actor at times");
        tracing::info!(target: "playhouse", "about the host");
    });
    assert_eq!(texts, ["about the host"]);
}
