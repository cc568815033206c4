//! The code of a sink: it delivers the messages of a turn as one batch.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    AboutActor, AboutMessage, Behavior, BoxFuture, Code, Crash, Failure, HostWait, Launcher, LogEvent, Message,
    MessageId, Outcome, Turn,
};

use super::outlet::{Delivered, Delivery, Outgoing, Outlet, SinkSettings, Trouble};
use crate::broker::{BrokerError, Pauses};
use crate::broker_events::{BrokerConnected, BrokerLost, SinkRefused, SinkRepeated};
use crate::status::Statuses;
use crate::traffic::Counts;

/// The plugin of a sink, as operators see it.
const PLUGIN: &str = "native:Sink";
/// The time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The code of a sink.
pub(super) fn code(settings: &SinkSettings, outlet: Arc<dyn Outlet>, statuses: &Statuses, counts: Arc<Counts>) -> Code {
    let shared = Shared { settings: settings.clone(), outlet, statuses: statuses.clone(), counts };
    Code::from(Arc::new(SinkLauncher(Arc::new(shared))))
}

/// The parts that all incarnations of a sink share.
struct Shared {
    settings: SinkSettings,
    outlet: Arc<dyn Outlet>,
    statuses: Statuses,
    counts: Arc<Counts>,
}

struct SinkLauncher(Arc<Shared>);

impl Launcher for SinkLauncher {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let shared = self.0.clone();
        Box::pin(async move {
            shared.say("no message yet, so no connection");
            let reconnects = Pauses::of_connections();
            let retries = Pauses::new(shared.settings.backoff);
            let host = turn.host_wait("the broker");
            Ok(Box::new(Sink {
                shared,
                turn,
                host,
                delivery: None,
                reconnects,
                retries,
                refused: None,
                next_refused: None,
            }) as Box<dyn Behavior>)
        })
    }

    fn plugin(&self) -> &str {
        PLUGIN
    }

    /// The bounds on live instances are made for the memory of components.
    fn takes_slot(&self) -> bool {
        false
    }
}

impl Shared {
    fn subject(&self) -> AboutActor<'_> {
        AboutActor { address: &self.settings.address, plugin: PLUGIN }
    }

    fn say(&self, line: &str) {
        let lost = self.counts.disconnects.get();
        let lost = if lost == 0 { String::new() } else { format!(", connection lost {lost} times") };
        self.statuses.set(&self.settings.address, format!("{}: {line}{lost}", self.outlet.kind()));
    }
}

/// One incarnation of a sink.
struct Sink {
    shared: Arc<Shared>,
    turn: Turn,
    /// Waits for the broker are not billed to the sink.
    host: HostWait,
    delivery: Option<Box<dyn Delivery>>,
    reconnects: Pauses,
    retries: Pauses,
    /// The message that was refused last, and how often.
    refused: Option<(MessageId, u32)>,
    /// The refusal of a message behind others that were accepted: it is the first one of the next call.
    next_refused: Option<(MessageId, Trouble)>,
}

impl Behavior for Sink {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let rest: Vec<_> = self.turn.rest().collect();
            let asked: Vec<_> = rest.iter().map(|message| message.envelope.reply.is_ask()).collect();
            let messages: Vec<_> = rest.into_iter().map(outgoing).collect();
            // With every trouble, what was accepted is committed first: the next call goes on with the rest.
            let accepted = self.deliver(&messages).await;
            for is_asked in asked.into_iter().take(accepted) {
                // An asker waits until the broker has the message, and needs no other answer.
                self.turn.finish(Outcome::Done(is_asked.then(Vec::new)));
            }
            Ok(())
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            self.shared.counts.connected.clear();
            self.shared.statuses.remove(&self.shared.settings.address);
            Ok(())
        })
    }
}

fn outgoing(message: Message) -> Outgoing {
    let metadata = message.metadata().into();
    let playhouse_kernel::Envelope { id, flow, hops, .. } = message.envelope;
    Outgoing { id, flow, hops, metadata, body: message.body }
}

impl Sink {
    /// Delivers messages, and returns how many of them were accepted: at least one, unless the first one was failed.
    async fn deliver(&mut self, messages: &[Outgoing]) -> usize {
        if let Some(message) = messages.first()
            && let Some((id, trouble)) = self.next_refused.take()
            && id == message.id
            && self.refuse(message, trouble).await
        {
            return 0;
        }
        loop {
            let connected = match self.delivery.take() {
                Some(delivery) => Ok(delivery),
                None => self.connect().await,
            };
            let error = match connected {
                Err(error) => error,
                Ok(mut delivery) => {
                    let Delivered { accepted, repeated, trouble } = self.host.wait(delivery.deliver(messages)).await;
                    self.count(accepted, repeated);
                    if matches!(trouble, Some(Trouble::Broken(_))) {
                        self.shared.counts.disconnects.add(1);
                    }
                    match trouble {
                        None => {
                            self.delivery = Some(delivery);
                            return accepted;
                        }
                        Some(Trouble::Broken(error) | Trouble::NotReady(error)) => {
                            if accepted > 0 {
                                self.lost(&error);
                                return accepted;
                            }
                            error
                        }
                        Some(trouble @ (Trouble::Refused(_) | Trouble::Never(_))) => {
                            self.delivery = Some(delivery);
                            if accepted > 0 {
                                self.next_refused = messages.get(accepted).map(|message| (message.id, trouble));
                                return accepted;
                            }
                            let Some(message) = messages.first() else { return 0 };
                            if self.refuse(message, trouble).await {
                                return 0;
                            }
                            continue;
                        }
                    }
                }
            };
            let pause = self.lost(&error);
            self.host.wait(tokio::time::sleep(pause)).await;
        }
    }

    fn count(&mut self, accepted: usize, repeated: usize) {
        let counts = &self.shared.counts;
        counts.messages.add(accepted);
        counts.done.add(accepted);
        if repeated > 0 {
            counts.repeated.add(repeated);
            SinkRepeated { subject: self.shared.subject(), messages: repeated }.log();
        }
        if accepted > 0 {
            self.reconnects.succeeded();
            self.retries.succeeded();
            self.refused = None;
        }
    }

    async fn connect(&mut self) -> Result<Box<dyn Delivery>, BrokerError> {
        self.shared.say("connects");
        let connected = self.host.wait(tokio::time::timeout(CONNECT_TIME, self.shared.outlet.connect())).await;
        let late = || BrokerError::plain(format!("no answer within {}s", CONNECT_TIME.as_secs()));
        let delivery = connected.unwrap_or_else(|_| Err(late()))?;
        let (subject, kind) = (self.shared.subject(), self.shared.outlet.kind());
        BrokerConnected { subject, disconnects: self.shared.counts.disconnects.get(), kind }.log();
        self.shared.counts.connected.set(true);
        self.shared.say("connected");
        Ok(delivery)
    }

    /// Tells operators of a broken connection. Returns the pause before the next try.
    fn lost(&mut self, error: &BrokerError) -> Duration {
        let pause = self.reconnects.next();
        self.shared.counts.connected.set(false);
        self.shared.say(&format!("not connected: {error}"));
        let (subject, kind) = (self.shared.subject(), self.shared.outlet.kind());
        BrokerLost { subject, pause_seconds: pause.as_secs_f64(), kind, error: &error.to_string() }.log();
        pause
    }

    /// Waits before the next try at a refused message. True: it had its last, and is failed.
    async fn refuse(&mut self, message: &Outgoing, trouble: Trouble) -> bool {
        let attempts = self.shared.settings.attempts;
        let (text, is_final) = match trouble {
            Trouble::Never(text) => (text, true),
            Trouble::Refused(text) => (text, false),
            Trouble::Broken(error) | Trouble::NotReady(error) => (error.to_string(), false),
        };
        let before = self.refused.filter(|(id, _)| *id == message.id).map_or(0, |(_, attempt)| attempt);
        let attempt = before + 1;
        self.refused = Some((message.id, attempt));
        let about = AboutMessage { flow: message.flow, id: message.id, attempt, hops: message.hops };
        SinkRefused { subject: (self.shared.subject(), about), attempts, why: &text }.log();
        self.shared.say(&format!("refused a message: {text}"));
        if is_final || attempt >= attempts {
            self.shared.counts.messages.add(1);
            self.shared.counts.refused.add(1);
            self.refused = None;
            self.retries.succeeded();
            self.turn.fail_after(attempt, Failure::Retry(text));
            return true;
        }
        let pause = self.retries.next();
        self.host.wait(tokio::time::sleep(pause)).await;
        false
    }
}
