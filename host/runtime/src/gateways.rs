//! The gateways of a play: from the settings of the manifest to actors of the plan.

#[cfg(feature = "nats")]
use playhouse_gateway::nats;
#[cfg(feature = "redis")]
use playhouse_gateway::redis;
use playhouse_gateway::{Common, Placed, Statuses, Traffic, cron, place_groups_above, sink, source};
use playhouse_kernel::{ActorSpec, Address};
use tokio::sync::watch;

use crate::manifest::{PlaySettings, PlaySink, PlaySource, SinkTarget, SourceOrigin};

/// The plugin of a group, as operators see it.
const GROUP: &str = "native:Group";

/// The gateways of a running play.
#[derive(Default)]
pub(crate) struct Gateways {
    /// One line for each gateway.
    pub(crate) statuses: Statuses,
    /// The counts of sources and sinks.
    pub(crate) traffic: Traffic,
    /// Tells the gateways that the play drains.
    pub(crate) draining: watch::Sender<bool>,
}

impl Gateways {
    /// The gateways of a play, and what they add to its plan.
    pub(crate) fn place(settings: &PlaySettings) -> (Self, Placed) {
        let (draining, drains) = watch::channel(false);
        let common = Common { stop: settings.supervision.shutdown, ..Common::new(Statuses::default(), drains) };
        let mut placed = Placed::default();
        cron::place(&settings.cron, &common, &mut placed);
        settings.sources.iter().for_each(|source| place_source(source, &common, &mut placed));
        settings.sinks.iter().for_each(|sink| place_sink(sink, &common, &mut placed));
        with_groups(&mut placed.sinks, settings);
        with_groups(&mut placed.gates, settings);
        (Self { statuses: common.statuses, traffic: common.traffic, draining }, placed)
    }
}

/// Adds the groups above actors, in front of them. The groups give each actor the time to stop that the play gives.
fn with_groups(actors: &mut Vec<ActorSpec>, settings: &PlaySettings) {
    let is_placed = |address: &Address| settings.actors.iter().any(|actor| actor.address == *address);
    let mut groups = Vec::new();
    for actor in &*actors {
        place_groups_above(
            &actor.address,
            |above| is_placed(above) || actors.iter().any(|other| other.address == *above),
            &mut groups,
        );
    }
    actors.splice(..0, groups);
    for group in actors.iter_mut().filter(|actor| actor.code.plugin() == GROUP) {
        group.supervision.shutdown = settings.supervision.shutdown;
    }
}

fn place_source(settings: &PlaySource, common: &Common, placed: &mut Placed) {
    let supply = match settings.from.clone() {
        #[cfg(feature = "redis")]
        SourceOrigin::Redis(stream) => redis::supply(stream, settings.settings.address.clone()),
        #[cfg(feature = "nats")]
        SourceOrigin::Nats(consumer) => nats::supply(consumer),
    };
    source::place(settings.settings.clone(), supply, common, placed);
}

fn place_sink(settings: &PlaySink, common: &Common, placed: &mut Placed) {
    let outlet = match settings.to.clone() {
        #[cfg(feature = "redis")]
        SinkTarget::Redis(stream) => redis::outlet(stream),
        #[cfg(feature = "nats")]
        SinkTarget::Nats(subject) => nats::outlet(subject),
    };
    sink::place(settings.settings.clone(), outlet, common, placed);
}
