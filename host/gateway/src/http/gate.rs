//! The actor of a server: `/gate/NAME`. Its value holds the server, so that the connections end with the incarnation.

use std::sync::Arc;

use playhouse_kernel::{AboutActor, Failure, LogEvent, Message, NativeActor, NativeContext, NativeResult};

use super::events::HttpListening;
use super::serving::Server;
use super::shared::Gate;
use crate::websocket::Control;

/// The actor.
pub(super) struct HttpGate {
    gate: Arc<Gate>,
    server: Option<Server>,
}

impl HttpGate {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, server: None }
    }
}

impl NativeActor for HttpGate {
    async fn msg_handler(&mut self, message: Message, ctx: &mut NativeContext) -> NativeResult {
        if Control::handle(&message, self.gate.websockets.values(), ctx)? {
            return Ok(());
        }
        Err(Failure::Reject(format!("`{}` only takes requests in, and no messages", ctx.address())))
    }

    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        let at = self.gate.listener.address();
        let server = Server::start(self.gate.clone(), ctx);
        self.server = Some(server.map_err(|error| Failure::Retry(format!("cannot listen at {at}: {error}")))?);
        self.gate.statuses.set(ctx.address(), format!("listens at {at}"));
        let subject = AboutActor { address: ctx.address(), plugin: None };
        HttpListening { subject, listen: &at.to_string() }.log();
        Ok(())
    }

    async fn shutdown(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.gate.statuses.set(ctx.address(), "closes its connections");
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        for connections in self.gate.websockets.values() {
            connections.wait_closed().await;
        }
        self.gate.statuses.set(ctx.address(), "is closed");
        Ok(())
    }
}
