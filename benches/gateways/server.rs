//! The process that serves: hyper alone, or a play.

use std::convert::Infallible;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use playhouse_runtime::{Message, NativeActor, NativeContext, NativeResult, Play};

use crate::queues;
use playhouse_benches::process::{Side, raise_descriptor_limit};

/// Serves until stdin is closed.
pub(crate) fn serve(role: &str, arguments: &[String]) -> Result<()> {
    Side::Server.pin();
    raise_descriptor_limit()?;
    playhouse_runtime::allocator::keep_freed();
    match role {
        "hyper" => {
            std::thread::spawn(end_with_stdin);
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            runtime.block_on(hyper_alone())
        }
        "play" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(play(Path::new(arguments.first().context("a manifest")?), &arguments[1]))
        }
        "nats" | "redis" => {
            std::thread::spawn(end_with_stdin);
            let url = arguments.first().context("a url")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                if role == "nats" { queues::raw_nats(url).await } else { queues::raw_redis(url).await }
            })
        }
        other => bail!("no role `{other}`"),
    }
}

fn end_with_stdin() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

/// Answers each request with its body.
async fn hyper_alone() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let echo = service_fn(|request: Request<Incoming>| async {
                let body = request.into_body().collect().await.map_or_else(|_| Bytes::new(), Collected::to_bytes);
                Ok::<_, Infallible>(Response::new(Full::new(body)))
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), echo).await;
        });
    }
}

/// Runs a manifest. Prints `up`, the text that the load needs to find it.
async fn play(manifest: &Path, up: &str) -> Result<()> {
    let mut play = Play::from_manifest(manifest)?.actor_threads(1);
    if play.settings().natives.iter().any(|native| native.as_str() == "/ticks") {
        play = play.native("/ticks", Ticks::default());
    }
    let running = play.start().await?;
    running.wait_booted().await;
    println!("{up}");
    tokio::task::spawn_blocking(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    })
    .await?;
    running.kill();
    Ok(())
}

/// Keeps the greatest lateness of ticks. A request is answered with the number of ticks and the lateness in microseconds.
#[derive(Clone, Default)]
struct Ticks {
    ticks: u64,
    latest: Duration,
}

impl NativeActor for Ticks {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        if msg.metadata().get("cron").is_none() {
            ctx.reply(format!("{} {}", self.ticks, self.latest.as_micros()));
            return Ok(());
        }
        // Each tick is due at a whole second.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        self.ticks += 1;
        self.latest = self.latest.max(Duration::from_nanos(now.subsec_nanos().into()));
        Ok(())
    }
}
