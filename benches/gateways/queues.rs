//! Sources of NATS and Redis beside a raw consumer with the same acknowledgements.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream::{self, consumer};
use futures_util::StreamExt;
use redis::AsyncCommands;
use tempfile::TempDir;

use playhouse_benches::effort::Effort;
use playhouse_benches::manifest;
use playhouse_benches::process::Server;
use playhouse_benches::report::{Report, median};

const STREAM: &str = "ORDERS";
const GROUP: &str = "playhouse";
/// Messages of NATS that are not acknowledged, in both consumers.
const NATS_WINDOW: i64 = 4096;
const BODY: [u8; 100] = [b'x'; 100];

/// A broker on a free port of loopback, with its files in a folder of its own.
struct Broker {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl Broker {
    fn start(command: impl FnOnce(&std::path::Path, u16) -> Command) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = command(folder.path(), address.port());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("the broker does not start")?;
        let broker = Self { child, folder, address };
        let began = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(20), "the broker does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = &self.folder;
    }
}

/// A stream of messages that are left until a consumer has acknowledged them.
trait Queue {
    /// The messages that are not acknowledged.
    async fn left(&mut self) -> Result<u64>;
    async fn fill(&mut self, messages: usize) -> Result<()>;
}

/// The rate at which a consumer empties the queue, from its first message on.
async fn rate(queue: &mut impl Queue, messages: usize, consumer: impl FnOnce() -> Result<Server>) -> Result<f64> {
    queue.fill(messages).await?;
    let _consumer = consumer()?;
    let mut left = queue.left().await?;
    while left == messages as u64 {
        left = queue.left().await?;
    }
    let (began, first) = (Instant::now(), left);
    while left > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        left = queue.left().await?;
    }
    Ok(first as f64 / began.elapsed().as_secs_f64())
}

async fn compare(
    name: &str,
    effort: Effort,
    queue: &mut impl Queue,
    raw: &[&str],
    manifest: &str,
    report: &mut Report,
) -> Result<()> {
    let messages = effort.of(200_000);
    let (folder, _) = manifest::manifest(manifest)?;
    let file = folder.path().join("playhouse.toml").display().to_string();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        theirs.push(rate(queue, messages, || Server::start(raw[0], &raw[1..])).await?);
        ours.push(rate(queue, messages, || Server::start("play", &[&file, "up"])).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    report.add(
        &format!("{name} source"),
        format!("{:.2}x of a raw consumer: {:.0} k/s beside {:.0} k/s", ours / theirs, ours / 1e3, theirs / 1e3),
        ">= 0.7x",
        Some(ours / theirs >= 0.7),
    );
    Ok(())
}

struct Nats {
    context: jetstream::Context,
}

impl Queue for Nats {
    async fn left(&mut self) -> Result<u64> {
        let stream = self.context.get_stream(STREAM).await?;
        let mut consumer: consumer::PullConsumer = stream.get_consumer(GROUP).await.map_err(text)?;
        let info = consumer.info().await?;
        Ok(info.num_pending + info.num_ack_pending as u64)
    }

    async fn fill(&mut self, messages: usize) -> Result<()> {
        // A new consumer: the old one may still wait, at the server, for messages of a process that is gone.
        let stream = self.context.get_stream(STREAM).await?;
        stream.purge().await?;
        let _ = stream.delete_consumer(GROUP).await;
        let max_ack_pending = NATS_WINDOW;
        let pull = consumer::pull::Config { durable_name: Some(GROUP.into()), max_ack_pending, ..Default::default() };
        stream.create_consumer(pull).await?;
        let mut sent = futures_util::stream::iter(0..messages)
            .map(|_| async {
                self.context.publish(STREAM, BODY.to_vec().into()).await?.await.map_err(anyhow::Error::from)
            })
            .buffer_unordered(512);
        while let Some(sent) = sent.next().await {
            sent?;
        }
        Ok(())
    }
}

pub(crate) async fn nats(effort: Effort, report: &mut Report) -> Result<()> {
    let broker = Broker::start(|folder, port| {
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(folder);
        command
    })?;
    let url = format!("nats://{}", broker.address);
    let context = jetstream::new(async_nats::connect(&url).await?);
    let stream = jetstream::stream::Config { name: STREAM.into(), ..Default::default() };
    context.create_stream(stream).await?;
    let manifest = format!(
        "[play]\n[[source]]\nname = \"orders\"\nkind = \"nats\"\nurl = \"{url}\"\nstream = \"{STREAM}\"\n\
         consumer = \"{GROUP}\"\ntell = \"/orders\"\nin_flight = {NATS_WINDOW}\n[[actor]]\naddress = \"/orders\"\n\
         plugin = \"echo\"\nmailbox = {{ capacity = {NATS_WINDOW} }}\n"
    );
    compare("NATS", effort, &mut Nats { context }, &["nats", &url], &manifest, report).await
}

/// The client boxes its errors, which anyhow does not take.
fn text(error: async_nats::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// The raw consumer: pulls, and acknowledges each message.
pub(crate) async fn raw_nats(url: &str) -> Result<()> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let consumer: consumer::PullConsumer = context.get_stream(STREAM).await?.get_consumer(GROUP).await.map_err(text)?;
    let mut messages = consumer.stream().max_messages_per_batch(1024).messages().await?;
    println!("up");
    while let Some(message) = messages.next().await {
        message?.ack().await.map_err(text)?;
    }
    Ok(())
}

struct Redis {
    connection: redis::aio::MultiplexedConnection,
}

impl Queue for Redis {
    async fn left(&mut self) -> Result<u64> {
        Ok(self.connection.xlen(STREAM).await?)
    }

    async fn fill(&mut self, messages: usize) -> Result<()> {
        for chunk in 0..messages.div_ceil(1000) {
            let mut pipe = redis::pipe();
            for _ in 0..(messages - chunk * 1000).min(1000) {
                pipe.cmd("XADD").arg(STREAM).arg("*").arg("body").arg(&BODY[..]).ignore();
            }
            pipe.exec_async(&mut self.connection).await?;
        }
        Ok(())
    }
}

pub(crate) async fn redis(effort: Effort, report: &mut Report) -> Result<()> {
    let broker = Broker::start(|folder, port| {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]).arg(folder);
        command
    })?;
    let url = format!("redis://{}/0", broker.address);
    let mut connection = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let made: redis::Value =
        redis::cmd("XGROUP").arg(&["CREATE", STREAM, GROUP, "0", "MKSTREAM"]).query_async(&mut connection).await?;
    drop(made);
    let manifest = format!(
        "[play]\n[[source]]\nname = \"orders\"\nkind = \"redis\"\nurl = \"{url}\"\nstream = \"{STREAM}\"\n\
         group = \"{GROUP}\"\ntell = \"/orders\"\nin_flight = 1024\n[[actor]]\naddress = \"/orders\"\nplugin = \"echo\"\n"
    );
    compare("Redis", effort, &mut Redis { connection }, &["redis", &url], &manifest, report).await
}

/// The raw consumer: reads up to 1024 entries, and acknowledges and deletes them in one transaction.
pub(crate) async fn raw_redis(url: &str) -> Result<()> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let options = redis::streams::StreamReadOptions::default().group(GROUP, "raw").count(1024).block(5000);
    println!("up");
    loop {
        let read: Option<redis::streams::StreamReadReply> =
            connection.xread_options(&[STREAM], &[">"], &options).await?;
        let ids: Vec<String> =
            read.into_iter().flat_map(|read| read.keys).flat_map(|key| key.ids).map(|id| id.id).collect();
        if !ids.is_empty() {
            let mut pipe = redis::pipe();
            pipe.atomic().xack(STREAM, GROUP, &ids).ignore().xdel(STREAM, &ids).ignore();
            pipe.exec_async(&mut connection).await?;
        }
    }
}
