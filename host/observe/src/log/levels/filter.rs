//! The filter of a subscriber's layer that applies the levels by actor.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use super::LogLevels;

/// The field of an event with the address of the actor that the event is about.
const ADDRESS: &str = "address";

/// Applies levels by actor to events of the host and of guests, and another filter to all others.
#[derive(Debug)]
pub struct LogFilter<F> {
    levels: LogLevels,
    host: F,
}

impl<F> LogFilter<F> {
    /// A filter for a layer of a subscriber: `host` decides for all events that are about no actor with a level of its own.
    pub fn new(levels: LogLevels, host: F) -> Self {
        levels.put_in_use();
        Self { levels, host }
    }

    /// The level of the actor that the event is about; `None` without one of its own.
    fn level_for(&self, event: &Event<'_>) -> Option<Level> {
        if self.levels.most_verbose() == LevelFilter::OFF {
            return None;
        }
        let mut actor = Actor(String::new());
        event.record(&mut actor);
        self.levels.level_of(&actor.0)
    }

    /// Whether a level of an actor may let the event through.
    fn may_admit(&self, metadata: &Metadata<'_>) -> bool {
        is_about_actor(metadata) && *metadata.level() <= self.levels.most_verbose()
    }
}

/// Whether events of this kind may be about an actor.
fn is_about_actor(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("playhouse") && metadata.fields().field(ADDRESS).is_some()
}

impl<S, F: Filter<S>> Filter<S> for LogFilter<F> {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.may_admit(metadata) || self.host.enabled(metadata, context)
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if !is_about_actor(metadata) {
            return self.host.event_enabled(event, context);
        }
        match self.level_for(event) {
            Some(level) => *metadata.level() <= level,
            None => self.host.enabled(metadata, context) && self.host.event_enabled(event, context),
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = self.host.callsite_enabled(metadata);
        let is_never = interest.is_never() && !self.may_admit(metadata);
        // `tracing` must ask `enabled` before each event that `event_enabled` may refuse.
        if is_about_actor(metadata) && !is_never { Interest::sometimes() } else { interest }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.host.max_level_hint()?.max(self.levels.most_verbose()))
    }
}

/// The address of the actor that an event is about.
struct Actor(String);

impl Visit for Actor {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == ADDRESS {
            let _ = write!(self.0, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == ADDRESS {
            self.0.push_str(value);
        }
    }
}
