//! The gateway's part: it spawns the actor of each connection, and stops it when the client is gone.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorLimits, ActorSpec, Address, Bounds, Config, Failure, Message, NativeContext, NativeLauncher, RestartKind,
    Template,
};

use super::connection::WebSocket;
use super::connections::{CLOSED, CONTROL, Connections, OPEN};

/// The largest message that an actor may have for a client.
const MOST_MESSAGE: usize = 1 << 30;

/// The name and the template for the actors of these connections. The gateway needs the name in its `spawns`.
pub fn template(connections: &Arc<Connections>) -> (String, Arc<dyn Template>) {
    (connections.template.clone(), Arc::new(ConnectionTemplate(connections.clone())))
}

/// Widens the limits of a gateway, so that its connections and their handlers have their own.
pub fn widen(connections: &Connections, gate: &mut ActorSpec) {
    gate.limits.max_children = gate.limits.max_children.saturating_add(connections.settings.connections);
    let ActorLimits { message_bytes, timeout, start_timeout, .. } = wide();
    gate.limits = ActorLimits { message_bytes, timeout, start_timeout, ..gate.limits.clone() };
    gate.limits.max_timers = usize::MAX;
    gate.limits.max_watches = usize::MAX;
    gate.limits.max_effects = usize::MAX;
    gate.limits.max_effect_bytes = usize::MAX;
    gate.grants.spawns.push(connections.template.clone());
    let root = Address::root();
    if !gate.grants.sends_below.contains(&root) {
        gate.grants.sends_below.push(root);
    }
}

/// The messages between a gateway and its connections, in the gateway's mailbox.
#[derive(Debug)]
pub struct Control;

impl Control {
    /// Handles a message to the gateway, if it is such a message; false for any other one.
    pub fn handle<'c>(
        message: &Message,
        routes: impl IntoIterator<Item = &'c Arc<Connections>>,
        ctx: &mut NativeContext,
    ) -> Result<bool, Failure> {
        let Some(sender) = ctx.sender() else { return Ok(false) };
        match message.metadata().get(CONTROL) {
            Some(OPEN) if sender == *ctx.address() => {
                let text = std::str::from_utf8(&message.body).unwrap_or_default();
                let Some((template, number)) = text.split_once(' ') else { return Ok(false) };
                let Some(connections) = routes.into_iter().find(|route| route.template == template) else {
                    return Ok(false);
                };
                if let Err(error) = ctx.spawn(number, template, Config::new()) {
                    let (connections, number) = (connections.clone(), number.parse().unwrap_or_default());
                    tokio::spawn(async move { connections.refuse(number).await });
                    return Err(Failure::Reject(format!("the connection {number} has no actor: {error}")));
                }
                Ok(true)
            }
            Some(CLOSED) if sender.parent().as_ref() == Some(ctx.address()) => {
                // It may have been stopped by someone else meanwhile.
                let _ = ctx.stop_child(sender.as_str());
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// Limits that narrow nothing for the handler.
fn wide() -> ActorLimits {
    const LONG: Duration = Duration::from_hours(24);
    ActorLimits {
        timeout: LONG,
        start_timeout: LONG,
        message_bytes: MOST_MESSAGE,
        max_children: usize::MAX,
        max_timers: usize::MAX,
        max_watches: usize::MAX,
        max_effects: usize::MAX,
        max_effect_bytes: usize::MAX,
        ..ActorLimits::default()
    }
}

/// The template of the actors of connections.
struct ConnectionTemplate(Arc<Connections>);

impl Template for ConnectionTemplate {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let connections = self.0.clone();
        let mut spec = ActorSpec::new(address, NativeLauncher::new(move || WebSocket::new(connections.clone())));
        spec.limits = wide();
        spec.grants.spawns = vec![self.0.settings.plugin.clone()];
        spec.grants.sends_below = vec![Address::root()];
        // A client whose connection broke comes again.
        spec.restart.kind = RestartKind::Temporary;
        spec.drops_at_end = true;
        spec
    }
}
