//! The gateways of a play: from the settings of the manifest to actors of the plan.

use std::sync::Arc;

use playhouse_gateway::file::{FileOutlet, FileSupply};
use playhouse_gateway::http::HttpListener;
#[cfg(feature = "nats")]
use playhouse_gateway::nats;
use playhouse_gateway::post::{PostOutlet, PostSettings};
#[cfg(feature = "redis")]
use playhouse_gateway::redis;
use playhouse_gateway::sink::Outlet;
use playhouse_gateway::source::Supply;
use playhouse_gateway::{Common, Placed, Statuses, Traffic, cron, letters, place_groups_above, sink, source};
use playhouse_kernel::{ActorSpec, Address, DeadLetter};
use tokio::sync::watch;

use crate::control::letter_views::Letter;
use crate::http_feed::{HttpFault, HttpFeed};
use crate::manifest::{HttpTarget, PlaySettings, PlaySink, PlaySource, SinkTarget, SourceOrigin};
use crate::secrets::Secrets;

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
    /// The HTTP servers.
    pub(crate) http: Vec<HttpFeed>,
}

impl Gateways {
    /// The gateways of a play, and what they add to its plan. `ports` are those of the HTTP servers.
    pub(crate) fn place(
        settings: &PlaySettings,
        secrets: &Secrets,
        ports: Vec<HttpListener>,
    ) -> Result<(Self, Placed), HttpFault> {
        let (draining, drains) = watch::channel(false);
        let common = Common { stop: settings.supervision.shutdown, ..Common::new(Statuses::default(), drains) };
        let mut placed = Placed::default();
        cron::place(&settings.cron, &common, &mut placed);
        settings.sources.iter().for_each(|source| place_source(source, secrets, &common, &mut placed));
        settings.sinks.iter().for_each(|sink| place_sink(sink, secrets, &common, &mut placed));
        let (servers, reserved) = (settings.http.iter().zip(ports), settings.reserved());
        let http =
            servers.map(|(server, port)| HttpFeed::place(server, &reserved, port, secrets, &common, &mut placed));
        let http = http.collect::<Result<_, _>>()?;
        // The last sink to start: it stops before all other sinks, and after all actors.
        if let Some(settings) = &settings.dead_letters_to {
            letters::place(settings, Arc::new(encoded), &common, &mut placed);
        }
        with_groups(&mut placed.sinks, settings);
        with_groups(&mut placed.gates, settings);
        Ok((Self { statuses: common.statuses, traffic: common.traffic, draining, http }, placed))
    }
}

/// A dead letter as `playhouse dead-letters show --json` prints it.
fn encoded(letter: &DeadLetter, with_body: bool) -> Vec<u8> {
    // Only a map whose keys are no texts cannot become JSON.
    serde_json::to_vec(&Letter::new(letter, with_body)).unwrap_or_default()
}

/// Adds the groups above actors, in front of them. The groups give each actor the time to stop that the play gives.
fn with_groups(actors: &mut Vec<ActorSpec>, settings: &PlaySettings) {
    let is_placed = |address: &Address| settings.actors.iter().any(|actor| actor.address == *address);
    let mut groups = Vec::new();
    for actor in &*actors {
        let has = |above: &Address| is_placed(above) || actors.iter().any(|other| other.address == *above);
        place_groups_above(&actor.address, has, &mut groups);
    }
    actors.splice(..0, groups);
    for group in actors.iter_mut().filter(|actor| actor.code.plugin() == GROUP) {
        group.supervision.shutdown = group.supervision.shutdown.max(settings.supervision.shutdown);
    }
}

#[cfg_attr(not(any(feature = "nats", feature = "redis")), expect(unused_variables, reason = "a file has no secret"))]
fn place_source(settings: &PlaySource, secrets: &Secrets, common: &Common, placed: &mut Placed) {
    let supply: Arc<dyn Supply> = match settings.from.clone() {
        #[cfg(feature = "redis")]
        SourceOrigin::Redis(url, stream) => redis::supply(secrets.url(&url), stream, settings.settings.address.clone()),
        #[cfg(feature = "nats")]
        SourceOrigin::Nats(url, consumer) => nats::supply(secrets.url(&url), consumer),
        SourceOrigin::File(file) => Arc::new(FileSupply::new(file)),
    };
    source::place(settings.settings.clone(), supply, common, placed);
}

fn place_sink(settings: &PlaySink, secrets: &Secrets, common: &Common, placed: &mut Placed) {
    let outlet: Arc<dyn Outlet> = match settings.to.clone() {
        #[cfg(feature = "redis")]
        SinkTarget::Redis(url, stream) => redis::outlet(secrets.url(&url), stream),
        #[cfg(feature = "nats")]
        SinkTarget::Nats(url, subject) => nats::outlet(secrets.url(&url), subject),
        SinkTarget::File(file) => Arc::new(FileOutlet::new(file)),
        SinkTarget::Http(HttpTarget { url, timeout, bearer }) => {
            let bearer = bearer.map(|id| secrets.get(id).clone());
            Arc::new(PostOutlet::new(&PostSettings { url: secrets.url(&url), timeout, bearer }))
        }
    };
    sink::place(settings.settings.clone(), outlet, common, placed);
}
