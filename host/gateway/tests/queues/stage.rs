//! A play with sources and sinks, and an actor that notes what it gets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_gateway::sink::{self, Outlet, SinkSettings};
use playhouse_gateway::source::{self, SourceSettings, Supply};
use playhouse_gateway::traffic::{Counted, Counts};
use playhouse_gateway::{Common, Placed, Statuses, Traffic, place_groups_above};
use playhouse_kernel::{
    ActorSpec, Address, Backoff, Failure, Kernel, MailboxSpec, Message, NativeActor, NativeContext, NativeLauncher,
    NativeResult, Plan,
};
use tokio::sync::{Semaphore, watch};

/// Far longer than any step of a test takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub fn addr(text: &str) -> Address {
    Address::parse(text).expect("a good address")
}

/// An actor that notes bodies. A body that begins with `fail` fails, one that begins with `panic` crashes the actor, and one that
/// begins with `wait` waits until it may go on.
#[derive(Clone)]
pub struct Handler {
    pub seen: Arc<Mutex<Vec<String>>>,
    pub pairs: Arc<Mutex<BTreeMap<String, String>>>,
    pub may_go_on: Arc<Semaphore>,
}

impl Default for Handler {
    fn default() -> Self {
        Self { seen: Arc::default(), pairs: Arc::default(), may_go_on: Arc::new(Semaphore::new(0)) }
    }
}

impl NativeActor for Handler {
    async fn msg_handler(&mut self, msg: Message, _: &mut NativeContext) -> NativeResult {
        let body = String::from_utf8_lossy(&msg.body).into_owned();
        self.seen.lock().push(body.clone());
        self.pairs.lock().extend(msg.metadata().map(|(key, value)| (key.to_owned(), value.to_owned())));
        match body.as_str() {
            body if body.starts_with("fail") => Err(Failure::Retry("it fails".into())),
            body if body.starts_with("panic") => panic!("it panics"),
            body if body.starts_with("wait") => {
                self.may_go_on.acquire().await.expect("never closed").forget();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A running play of a test.
pub struct Stage {
    pub kernel: Kernel,
    pub handler: Handler,
    pub statuses: Statuses,
    pub traffic: Traffic,
}

/// The play that a test builds.
pub struct Builder {
    placed: Placed,
    common: Common,
    handler: Handler,
    pub receiver: ActorSpec,
    _draining: watch::Sender<bool>,
}

impl Default for Builder {
    fn default() -> Self {
        let (draining, drains) = watch::channel(false);
        let handler = Handler::default();
        let made = handler.clone();
        let mut receiver = ActorSpec::new(addr("/orders"), NativeLauncher::new(move || made.clone()));
        receiver.grants.sends_below = vec![Address::root()];
        receiver.restart.backoff = Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(5) };
        let common = Common { stop: Duration::from_secs(4), ..Common::new(Statuses::default(), drains) };
        Self { placed: Placed::default(), common, handler, receiver, _draining: draining }
    }
}

impl Builder {
    pub fn stop_within(mut self, stop: Duration) -> Self {
        self.common.stop = stop;
        self
    }

    pub fn source(mut self, in_flight: usize, supply: impl FnOnce(Address) -> Arc<dyn Supply>) -> Self {
        let address = addr("/gate/orders");
        let supply = supply(address.clone());
        let settings = SourceSettings { address, tell: addr("/orders"), in_flight, required: None };
        source::place(settings, supply, &self.common, &mut self.placed);
        self
    }

    pub fn sink(mut self, attempts: u32, outlet: Arc<dyn Outlet>) -> Self {
        let settings = SinkSettings {
            address: addr("/out"),
            mailbox: MailboxSpec::default(),
            attempts,
            backoff: Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(5) },
            message_bytes: 4 << 20,
        };
        sink::place(settings, outlet, &self.common, &mut self.placed);
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut ActorSpec)) -> Self {
        change(&mut self.receiver);
        self
    }

    pub async fn start(self) -> Stage {
        let Self { placed, common, handler, receiver, _draining } = self;
        let mut actors = placed.sinks;
        actors.push(receiver);
        let mut groups = Vec::new();
        placed.gates.iter().for_each(|gate| place_groups_above(&gate.address, |_| false, &mut groups));
        actors.extend(groups);
        actors.extend(placed.gates);
        let plan = Plan { actors, seed: rand_seed(), ..Plan::default() };
        let kernel = Kernel::start(&plan).expect("a good plan");
        kernel.wait_booted().await;
        Stage { kernel, handler, statuses: common.statuses, traffic: common.traffic }
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

impl Stage {
    pub fn seen(&self) -> Vec<String> {
        self.handler.seen.lock().clone()
    }

    pub fn counts(&self, address: &str) -> Arc<Counts> {
        let counted = self.traffic.all().into_iter().find(|(at, _)| at.as_str() == address);
        match counted.expect("a gateway").1 {
            Counted::Source(_, counts) | Counted::Sink(_, counts) => counts,
            other => panic!("{other:?}"),
        }
    }

    /// The line of a gateway, once it contains this text.
    pub async fn status(&self, address: &str, text: &str) -> String {
        let address = addr(address);
        wait_for(text, || self.statuses.get(&address).filter(|line| line.contains(text))).await
    }

    pub async fn wait_seen(&self, count: usize) -> Vec<String> {
        wait_for(&format!("{count} messages"), || Some(self.seen()).filter(|seen| seen.len() >= count)).await
    }

    pub async fn tell(&self, to: &str, body: &str) {
        self.kernel.tell(&addr(to), body.as_bytes(), PATIENCE).await.expect("it is taken");
    }

    pub fn letters(&self) -> Vec<String> {
        let letters = self.kernel.dead_letters();
        letters
            .iter()
            .map(|letter| format!("{} {}", letter.reason.kind(), String::from_utf8_lossy(&letter.message.body)))
            .collect()
    }

    pub async fn stop(&self) {
        self.kernel.shut_down();
        self.kernel.wait_stopped().await;
    }
}

/// Polls until `is` returns something.
pub async fn wait_for<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = is() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// `0`, `1`, and so on.
pub fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}
