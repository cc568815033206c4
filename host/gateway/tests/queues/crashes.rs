//! Panics in the code of sources and sinks: the actor restarts, and what was not acknowledged comes again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_gateway::broker::BrokerError;
use playhouse_gateway::sink::{Delivered, Delivery, Outgoing, Outlet};
use playhouse_gateway::source::{Connected, Handle, Supplier, Supply, Taken};
use playhouse_kernel::{BoxFuture, MessageId, Metadata};

use crate::stage::{Builder, Stage, numbers, wait_for};

/// A broker in memory. Each connection delivers all that is not acknowledged.
#[derive(Clone, Default)]
struct Broker(Arc<Inner>);

#[derive(Default)]
struct Inner {
    open: Mutex<BTreeSet<usize>>,
    /// The calls that panic, by their names, each once.
    panics: Mutex<Vec<&'static str>>,
    connections: AtomicUsize,
}

impl Broker {
    fn with(messages: usize, panics: &[&'static str]) -> Self {
        let broker = Self::default();
        broker.0.open.lock().extend(0..messages);
        *broker.0.panics.lock() = panics.to_vec();
        broker
    }

    fn call(&self, name: &str) {
        let mut panics = self.0.panics.lock();
        let at = panics.iter().position(|panic| *panic == name);
        let panics = at.map(|at| panics.remove(at)).is_some();
        assert!(!panics, "{name} as told");
    }
}

/// A connection of a source, with the first message that it has not delivered.
struct Supplied(Broker, AtomicUsize);

impl Supply for Broker {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connected, BrokerError>> {
        Box::pin(async {
            self.call("connect");
            self.0.connections.fetch_add(1, Ordering::Relaxed);
            let supplier = Arc::new(Supplied(self.clone(), AtomicUsize::new(0)));
            let keep_alive = Some(Duration::from_millis(5));
            Ok(Connected { supplier, max_deliver: None, keep_alive, in_flight: None })
        })
    }

    fn origin(&self) -> String {
        "numbers".to_owned()
    }
}

impl Supplier for Supplied {
    fn pull(&self, most: usize) -> BoxFuture<'_, Result<Vec<Taken>, BrokerError>> {
        Box::pin(async move {
            self.0.call("pull");
            let next = self.1.load(Ordering::Relaxed);
            let some: Vec<_> = self.0.0.open.lock().range(next..).take(most.min(10)).copied().collect();
            let Some(last) = some.last() else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Ok(Vec::new());
            };
            self.1.store(last + 1, Ordering::Relaxed);
            Ok(some.into_iter().map(taken).collect())
        })
    }

    fn keep_alive<'a>(&'a self, _: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async {
            self.0.call("keep_alive");
            Ok(())
        })
    }

    fn ack<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async {
            self.0.call("ack");
            let ended: Vec<usize> = handles.iter().map(|handle| handle.parse().unwrap()).collect();
            self.0.0.open.lock().retain(|number| !ended.contains(number));
            Ok(())
        })
    }

    fn give_back<'a>(&'a self, _: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async { Ok(()) })
    }
}

fn taken(number: usize) -> Taken {
    Taken {
        id: MessageId(number as u128 + 1),
        position: Handle::from(number.to_string()).into(),
        handle: number.to_string().into(),
        flow: None,
        deliveries: 1,
        place: None,
        fault: None,
        metadata: Metadata::new(),
        body: number.to_string().into(),
    }
}

impl Outlet for Broker {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>> {
        Box::pin(async { Ok(Box::new(self.clone()) as Box<dyn Delivery>) })
    }
}

impl Delivery for Broker {
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            for message in messages {
                let body = String::from_utf8(message.body.clone()).unwrap();
                assert!(body != "poison", "as told");
                self.0.open.lock().insert(body.parse().unwrap());
            }
            Delivered { accepted: messages.len(), ..Delivered::default() }
        })
    }
}

async fn incarnation(stage: &Stage, address: &str) -> u64 {
    let actors = stage.kernel.actors().await;
    actors.iter().find(|actor| actor.address.as_str() == address).map(|actor| actor.incarnation).unwrap()
}

#[tokio::test]
async fn panic_in_a_source_restarts_it_and_loses_nothing() {
    let calls = ["connect", "pull", "ack", "keep_alive"];
    let broker = Broker::with(200, &calls);
    let of_source = broker.clone();
    let patient = Builder::default().with(|receiver| receiver.limits.timeout = Duration::from_mins(1));
    let stage = patient.source(16, |_| Arc::new(of_source)).start().await;
    // The sign of life is given only while a message waits.
    stage.tell("/orders", "wait").await;
    wait_for("the panics before the first acknowledgement", || (*broker.0.panics.lock() == ["ack"]).then_some(()))
        .await;
    stage.handler.may_go_on.add_permits(1);
    wait_for("all acknowledgements", || broker.0.open.lock().is_empty().then_some(())).await;
    let seen = stage.seen();
    assert!(numbers(200).iter().all(|number| seen.contains(number)));
    assert_eq!((stage.letters(), incarnation(&stage, "/gate/orders").await), (vec![], 1 + calls.len() as u64));
    stage.stop().await;
}

#[tokio::test]
async fn panic_in_a_sink_blames_one_message_at_most() {
    let broker = Broker::default();
    let stage = Builder::default().sink(3, Arc::new(broker.clone())).start().await;
    for body in ["0", "1", "poison", "2", "3"] {
        stage.tell("/out", body).await;
    }
    stage.kernel.wait_idle().await;
    assert_eq!(stage.letters(), ["crashed poison"]);
    assert_eq!(broker.0.open.lock().iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    stage.stop().await;
}
