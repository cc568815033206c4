//! Ways into and out of a play: HTTP, WebSocket, cron, queues, files. Each gateway is a native actor, so that it has an address
//! in envelopes and dead letters, is supervised, and stops in order.
//!
//! | module | content |
//! |---|---|
//! | [`Placed`], [`Common`] | what gateways add to a plan, and what they share |
//! | [`status`] | one line for each gateway, for operators |
//! | [`source`], [`sink`] | messages from brokers and files, and to them, whatever their kind |
//! | `redis`, `nats` | streams of Redis and JetStream, where the features are on |
//! | [`file`], [`post`] | lines of files, and to files; messages to a server |
//! | [`broker`], [`traffic`], [`broker_events`] | what all kinds need: errors and pauses, counts, log events |
//! | [`http`] | servers whose requests are messages |
//! | [`cron`] | messages at times of the calendar |
//! | [`secret`] | tokens that clients present, urls with a password |
//! | [`websocket`] | connections of clients, each an actor |
//! | [`letters`] | dead letters that leave |
//! | `group`, `percent`, `digest` | actors that only hold others; percent-encoding; digests of requests |
//!
//! A gateway that takes messages in is below `/gate`, starts after the actors of the manifest and stops before them. A sink is at
//! the address of its manifest entry, starts before them and stops after them.

pub mod broker;
pub mod broker_events;
mod count;
pub mod cron;
mod digest;
pub mod events;
pub mod file;
mod group;
pub mod http;
pub mod letters;
mod link_state;
#[cfg(feature = "nats")]
pub mod nats;
mod percent;
pub mod post;
#[cfg(feature = "redis")]
pub mod redis;
pub mod secret;
pub mod sink;
pub mod source;
mod sparse;
pub mod status;
pub mod traffic;
pub mod websocket;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{ActorSpec, LetterFeed, Reserve, SupervisionSpec, Template};
use tokio::sync::watch;

pub use digest::request_digest;
pub use group::{GATES, Group, place_groups_above};
pub use secret::{Secret, SecretUrl};
pub use status::Statuses;
pub use traffic::Traffic;

/// The actors that the gateways of a play add to its plan.
#[derive(Default)]
pub struct Placed {
    /// The actors that start before those of the manifest: sinks, and the groups above them.
    pub sinks: Vec<ActorSpec>,
    /// The actors that start after those of the manifest, and stop before them: all below `/gate`.
    pub gates: Vec<ActorSpec>,
    /// The native actors that gateways spawn, such as one for each connection.
    pub templates: BTreeMap<String, Arc<dyn Template>>,
    /// The live instances that are kept for the handlers of connections.
    pub reserves: Vec<Reserve>,
    /// The feed of dead letters, for a gateway that sends them on.
    pub letter_feed: Option<LetterFeed>,
}

/// The state that all gateways of a play share. Clones share it.
#[derive(Clone)]
pub struct Common {
    /// One line for each gateway.
    pub statuses: Statuses,
    /// The counts of sources and sinks.
    pub traffic: Traffic,
    /// The time that a gateway has to stop in order.
    pub stop: Duration,
    /// Whether the play drains: it still serves, and its clients shall go elsewhere.
    pub draining: watch::Receiver<bool>,
}

impl Common {
    /// With these statuses, no counts, and the kernel's default of the time to stop.
    pub fn new(statuses: Statuses, draining: watch::Receiver<bool>) -> Self {
        Self { statuses, traffic: Traffic::default(), stop: SupervisionSpec::default().shutdown, draining }
    }
}
