//! A consumer of a group: first its own pending entries, then those of consumers that went silent, then new ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::{Cmd, Pipeline, Value, cmd, pipe};
use playhouse_kernel::{AboutActor, Address, BoxFuture, LogEvent};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::stream::{From, RedisSource, RedisStream, bytes, connect, explained, list, text};
use super::{entry, scripts};
use crate::broker::BrokerError;
use crate::broker_events::BrokerNotDurable;
use crate::source::{Connected, Handle, PLUGIN, Supplier, Supply, Taken};

/// The time for a connection, and for answers to what does not block.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest read that blocks: until then, a connection that is silently gone is not noticed.
const BLOCK: Duration = Duration::from_secs(5);
/// Maximum number of ids in one command.
const MOST_IDS: usize = 1024;
/// Maximum number of entries in the stream of the dead.
const MOST_DEAD: usize = 100_000;

/// Connects to a stream.
pub(super) struct RedisSupply {
    at: RedisStream,
    settings: Arc<RedisSource>,
    /// The address of the source.
    address: Address,
    warned: AtomicBool,
}

impl RedisSupply {
    pub(super) fn new(at: RedisStream, settings: RedisSource, address: Address) -> Self {
        Self { at, settings: Arc::new(settings), address, warned: AtomicBool::new(false) }
    }

    async fn open(&self) -> Result<Connected, BrokerError> {
        let at = &self.at;
        let mut control = connect(at, ANSWER, Some(ANSWER)).await?;
        // A read that blocks holds up everything else on its connection, and takes as long as it likes.
        let reader = connect(at, ANSWER, None).await?;
        self.group(&mut control).await?;
        self.durability(&mut control).await;
        let supplier = RedisSupplier {
            at: self.at.clone(),
            settings: self.settings.clone(),
            control,
            missing: AtomicUsize::new(0),
            reader: Mutex::new(Reader {
                connection: reader,
                own: Some("0".into()),
                claim: Instant::now(),
                cursor: "0-0".into(),
            }),
        };
        Ok(Connected {
            supplier: Arc::new(supplier),
            max_deliver: None,
            keep_alive: Some(self.settings.claim_after / 3),
            in_flight: None,
        })
    }

    /// Makes the group, if there is none.
    async fn group(&self, control: &mut MultiplexedConnection) -> Result<(), BrokerError> {
        let RedisSource { stream, group, from, .. } = &*self.settings;
        let from = match from {
            From::Start => "0",
            From::New => "$",
        };
        let mut made = cmd("XGROUP");
        made.arg("CREATE").arg(stream).arg(group).arg(from).arg("MKSTREAM");
        match made.exec_async(control).await {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(explained(&error, &self.at)),
            _ => Ok(()),
        }
    }

    /// Warns once of a server that may lose what it accepted. A server that does not say is not asked again.
    async fn durability(&self, control: &mut MultiplexedConnection) {
        let mut value = async |key: &str| {
            let answer: Result<Vec<String>, _> = cmd("CONFIG").arg("GET").arg(key).query_async(control).await;
            answer.ok().and_then(|pair| pair.into_iter().nth(1))
        };
        let (Some(file), Some(sync)) = (value("appendonly").await, value("appendfsync").await) else { return };
        let why = match (file.as_str(), sync.as_str()) {
            ("no", _) => "Redis has appendonly no: what it accepted is lost when it ends".to_owned(),
            (_, "always") => return,
            (_, sync) => format!("Redis has appendfsync {sync}: what it accepted last is lost with the power"),
        };
        if !self.warned.swap(true, Relaxed) {
            let subject = AboutActor { address: &self.address, plugin: PLUGIN };
            BrokerNotDurable { subject, why: &why }.log();
        }
    }
}

impl Supply for RedisSupply {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connected, BrokerError>> {
        Box::pin(self.open())
    }

    fn origin(&self) -> String {
        format!("{} {}", self.settings.stream, self.settings.group)
    }
}

/// The connection that reads, and where it is.
struct Reader {
    connection: MultiplexedConnection,
    /// The last of this consumer's own pending entries that was read; `None` after all of them.
    own: Option<String>,
    /// When entries of silent consumers are looked for next.
    claim: Instant,
    /// Where that search goes on.
    cursor: String,
}

struct RedisSupplier {
    at: RedisStream,
    settings: Arc<RedisSource>,
    /// Acknowledges, while the reader blocks.
    control: MultiplexedConnection,
    missing: AtomicUsize,
    reader: Mutex<Reader>,
}

/// Entries with their fields; `None` for those that somebody deleted.
type Entries = Vec<(String, Option<Vec<(Vec<u8>, Vec<u8>)>>)>;

impl RedisSupplier {
    async fn query<T: ::redis::FromRedisValue>(
        &self,
        connection: &mut impl ConnectionLike,
        command: &Cmd,
    ) -> Result<T, BrokerError> {
        command.query_async(connection).await.map_err(|error| explained(&error, &self.at))
    }

    async fn exec(&self, pipeline: &Pipeline) -> Result<(), BrokerError> {
        let done = pipeline.exec_async(&mut self.control.clone()).await;
        done.map_err(|error| explained(&error, &self.at))
    }

    async fn pull_next(&self, most: usize) -> Result<Vec<Taken>, BrokerError> {
        let mut reader = self.reader.lock().await;
        if let Some(last) = reader.own.take() {
            let entries = self.read(&mut reader, most, &last, None).await?;
            if let Some((last, _)) = entries.last() {
                reader.own = Some(last.clone());
                return self.taken(entries, true).await;
            }
        }
        if Instant::now() >= reader.claim {
            let entries = self.claim(&mut reader, most).await?;
            if !entries.is_empty() {
                return self.taken(entries, true).await;
            }
        }
        let block = BLOCK.min(reader.claim.saturating_duration_since(Instant::now())).max(Duration::from_millis(1));
        let entries = self.read(&mut reader, most, ">", Some(block)).await?;
        self.taken(entries, false).await
    }

    async fn read(
        &self,
        reader: &mut Reader,
        most: usize,
        after: &str,
        block: Option<Duration>,
    ) -> Result<Entries, BrokerError> {
        let RedisSource { stream, group, consumer, .. } = &*self.settings;
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(group).arg(consumer).arg("COUNT").arg(most);
        if let Some(block) = block {
            read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        read.arg("STREAMS").arg(stream).arg(after);
        let answer: Value = self.query(&mut reader.connection, &read).await?;
        // [[stream, [entry, ...]]], or nothing.
        let streams = list(answer).into_iter().next().map(list).unwrap_or_default();
        Ok(entries(streams.into_iter().nth(1)))
    }

    /// Takes over entries of consumers that went silent.
    async fn claim(&self, reader: &mut Reader, most: usize) -> Result<Entries, BrokerError> {
        let RedisSource { stream, group, consumer, claim_after, .. } = &*self.settings;
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(stream).arg(group).arg(consumer).arg(millis(*claim_after)).arg(&reader.cursor);
        claim.arg("COUNT").arg(most);
        let answer: Value = self.query(&mut reader.connection, &claim).await?;
        let mut parts = list(answer).into_iter();
        reader.cursor = parts.next().and_then(text).unwrap_or_else(|| "0-0".into());
        let claimed = entries(parts.next());
        // Redis 7 names the deleted ones apart, and has ended them.
        self.missing.fetch_add(parts.next().map(list).unwrap_or_default().len(), Relaxed);
        if reader.cursor == "0-0" {
            reader.claim =
                Instant::now() + (*claim_after / 4).clamp(Duration::from_millis(100), Duration::from_secs(15));
        }
        Ok(claimed)
    }

    /// The messages of entries. `again`: they may have been delivered before.
    async fn taken(&self, entries: Entries, again: bool) -> Result<Vec<Taken>, BrokerError> {
        let gone = entries.iter().filter(|(_, fields)| fields.is_none());
        let gone: Vec<Handle> = gone.map(|(id, _)| id.as_str().into()).collect();
        if !gone.is_empty() {
            self.missing.fetch_add(gone.len(), Relaxed);
            self.end(&gone).await?;
        }
        let deliveries = if again { self.deliveries(&entries).await? } else { HashMap::new() };
        let (stream, meta) = (&self.settings.stream, self.settings.meta.as_deref());
        let there = entries.into_iter().filter_map(|(id, fields)| Some((id, fields?)));
        Ok(there
            .map(|(id, fields)| {
                let deliveries = deliveries.get(&id).copied().unwrap_or(1);
                entry::taken(stream, &id, fields, deliveries, meta)
            })
            .collect())
    }

    /// How often each of these pending entries was delivered.
    async fn deliveries(&self, entries: &Entries) -> Result<HashMap<String, u32>, BrokerError> {
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else { return Ok(HashMap::new()) };
        let RedisSource { stream, group, consumer, .. } = &*self.settings;
        let mut pending = cmd("XPENDING");
        // All entries between the first and the last that are this consumer's are these, unless it had some before.
        let most = entries.len().max(MOST_IDS) * 4;
        pending.arg(stream).arg(group).arg(first).arg(last).arg(most).arg(consumer);
        let answer: Vec<(String, String, u64, u32)> = self.query(&mut self.control.clone(), &pending).await?;
        Ok(answer.into_iter().map(|(id, _, _, deliveries)| (id, deliveries.max(1))).collect())
    }

    /// Ends entries: without the first command they would stay pending for ever.
    async fn end(&self, ids: &[Handle]) -> Result<(), BrokerError> {
        let RedisSource { stream, group, .. } = &*self.settings;
        let mut both = pipe();
        both.atomic();
        for ids in texts(ids).chunks(MOST_IDS) {
            both.cmd("XACK").arg(stream).arg(group).arg(ids).ignore();
            both.cmd("XDEL").arg(stream).arg(ids).ignore();
        }
        self.exec(&both).await
    }

    async fn set_idle(&self, ids: &[Handle], idle: Duration, deliveries: u32) -> Result<(), BrokerError> {
        let RedisSource { stream, group, consumer, .. } = &*self.settings;
        for ids in texts(ids).chunks(MOST_IDS) {
            let mut set = cmd("EVAL");
            set.arg(scripts::SET_IDLE).arg(1).arg(stream).arg(group).arg(consumer);
            set.arg(millis(idle)).arg(deliveries).arg(ids);
            let _: Value = self.query(&mut self.control.clone(), &set).await?;
        }
        Ok(())
    }

    async fn move_to_dead(&self, ids: &[Handle], dead: &str, why: &str) -> Result<(), BrokerError> {
        let RedisSource { stream, group, .. } = &*self.settings;
        for id in ids {
            let mut move_to_dead = cmd("EVAL");
            move_to_dead
                .arg(scripts::MOVE_TO_DEAD)
                .arg(2)
                .arg(stream)
                .arg(dead)
                .arg(group)
                .arg(&**id)
                .arg(why)
                .arg(MOST_DEAD);
            let _: Value = self.query(&mut self.control.clone(), &move_to_dead).await?;
        }
        Ok(())
    }
}

fn texts(handles: &[Handle]) -> Vec<&str> {
    handles.iter().map(|handle| &**handle).collect()
}

impl Supplier for RedisSupplier {
    fn pull(&self, most: usize) -> BoxFuture<'_, Result<Vec<Taken>, BrokerError>> {
        Box::pin(self.pull_next(most))
    }

    fn keep_alive<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.set_idle(handles, Duration::ZERO, 0))
    }

    fn ack<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.end(handles))
    }

    /// The entries stay this consumer's, so that it gets them first when it is back; any other may take them over at once. The
    /// delivery that came to nothing does not count.
    fn give_back<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.set_idle(handles, self.settings.claim_after + Duration::from_hours(1), 1))
    }

    fn refuse<'a>(&'a self, handles: &'a [Handle], why: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            match &self.settings.dead {
                Some(dead) => self.move_to_dead(handles, dead, why).await,
                None => self.end(handles).await,
            }
        })
    }

    fn missing(&self) -> usize {
        self.missing.swap(0, Relaxed)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1) * u64::from(!time.is_zero())
}

/// `[[id, [field, value, ...]], ...]`; nil in place of the fields of a deleted entry.
fn entries(answer: Option<Value>) -> Entries {
    let read = |entry: Value| {
        let mut parts = list(entry).into_iter();
        let id = parts.next().and_then(text)?;
        let fields = match parts.next() {
            Some(Value::Array(values)) => Some(pairs(values)),
            _ => None,
        };
        Some((id, fields))
    };
    answer.map(list).unwrap_or_default().into_iter().filter_map(read).collect()
}

fn pairs(values: Vec<Value>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut values = values.into_iter().map(|value| bytes(value).unwrap_or_default());
    std::iter::from_fn(|| Some((values.next()?, values.next()?))).collect()
}
