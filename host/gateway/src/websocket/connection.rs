//! The actor of one connection, `/gate/NAME/N`. A message to it is one to its client.

use std::sync::Arc;

use playhouse_kernel::{
    Address, Change, ChildFailed, Directive, Failure, Message, NativeActor, NativeContext, NativeResult, Notice,
};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::connections::{Arrived, Connections, Permit, say_closed};
use super::link::{BINARY, FRAME, TEXT, Task, ToHandler, converse};
use super::outgoing::{Close, Outgoing};

/// The name of the child that handles the messages of the client.
const HANDLER: &str = "handler";

/// The actor of a connection.
pub(super) struct WebSocket {
    connections: Arc<Connections>,
    arrived: Option<Arrived>,
    outgoing: Arc<Outgoing>,
    link: Option<Task>,
    /// Counts the connection until its socket is closed.
    permit: Option<Permit>,
}

impl WebSocket {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        let outgoing = Arc::new(Outgoing::new(connections.settings().queue_bytes));
        Self { connections, arrived: None, outgoing, link: None, permit: None }
    }
}

impl NativeActor for WebSocket {
    const SUPERVISES: bool = true;
    const WATCHES: bool = true;

    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.outgoing.belongs_to(ctx.address());
        let number = ctx.address().name().parse().ok();
        self.arrived = number.and_then(|number| self.connections.take(number));
        if self.arrived.is_none() {
            return Err(Failure::Reject("the connection is gone".to_owned()));
        }
        Ok(())
    }

    async fn prepare_children(&mut self, ctx: &mut NativeContext) -> NativeResult {
        let Some(Arrived { socket, permit, config }) = self.arrived.take() else { return Ok(()) };
        self.permit = Some(permit);
        ctx.spawn(HANDLER, &self.connections.settings().plugin, config)?;
        ctx.watch(HANDLER)?;
        let ingress = Arc::new(ctx.ingress());
        let to = ToHandler { ingress: ingress.clone(), handler: ctx.address().child(HANDLER)? };
        let gate = ctx.address().parent().unwrap_or_else(Address::root);
        let (connections, outgoing) = (self.connections.clone(), self.outgoing.clone());
        self.link = Some(Task(tokio::spawn(ctx.task(async move {
            converse(socket, outgoing, to, connections.settings()).await;
            say_closed(&ingress, &gate).await;
        }))));
        Ok(())
    }

    async fn msg_handler(&mut self, message: Message, _: &mut NativeContext) -> NativeResult {
        let frame = frame(message, self.outgoing.client_sends_text())?;
        self.outgoing.push(frame);
        Ok(())
    }

    async fn child_failed(&mut self, _: &ChildFailed, _: &mut NativeContext) -> Directive {
        self.outgoing.close(Close::FAILED);
        Directive::Stop
    }

    async fn noticed(&mut self, notice: Notice, _: &mut NativeContext) -> NativeResult {
        match notice.change {
            // A handler that does not start finds no free instance, or fails by itself.
            Change::Crashed(kind, _) if kind == "start" => self.outgoing.close(Close::BUSY),
            Change::Crashed(..) => self.outgoing.close(Close::FAILED),
            Change::Started | Change::Stopped { .. } | Change::Ended | Change::Gone => {}
        }
        Ok(())
    }

    async fn shutdown(&mut self, _: &mut NativeContext) -> NativeResult {
        self.end();
        Ok(())
    }
}

impl WebSocket {
    /// Ends the connection without waiting for its client: a server stops its connections one after another, and a client may be slow.
    fn end(&mut self) {
        self.outgoing.close(Close::GOING_AWAY);
        if let (Some(link), Some(permit)) = (self.link.take(), self.permit.take()) {
            self.connections.close_later(link, permit);
        }
    }
}

/// A connection whose actor crashed, or was killed, ends as well.
impl Drop for WebSocket {
    fn drop(&mut self) {
        self.end();
    }
}

/// The frame of a message: of the kind that its metadata says, otherwise a text if it is one and the client sends texts.
fn frame(message: Message, client_sends_text: bool) -> Result<Frame, Failure> {
    let wanted = match message.metadata().get(FRAME) {
        None => None,
        Some(TEXT) => Some(true),
        Some(BINARY) => Some(false),
        Some(other) => {
            let other: String = other.chars().take(32).collect();
            return Err(Failure::Reject(format!(
                "`{FRAME}` is `{TEXT}` or `{BINARY}`, not `{}`",
                other.escape_debug()
            )));
        }
    };
    if !wanted.unwrap_or(client_sends_text) {
        return Ok(Frame::binary(message.body));
    }
    match String::from_utf8(message.body) {
        Ok(text) => Ok(Frame::text(text)),
        Err(_) if wanted == Some(true) => Err(Failure::Reject("a text frame is UTF-8, and the body is not".to_owned())),
        Err(error) => Ok(Frame::binary(error.into_bytes())),
    }
}
