//! Embeds a play in a program: `/split` runs in a sandbox and sends words to `/audit`, which is a Rust type of this program.
//!
//! `cargo xtask build-guests`, then `cargo run --package embed`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use playhouse_runtime::{Message, MetricNames, Native, NativeActor, NativeContext, NativeResult, Play};

/// Counts the words that it gets, also as a metric, and tells their number when it is asked with an empty body.
#[derive(Clone, Default)]
struct Audit {
    words: usize,
}

impl NativeActor for Audit {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let words = std::str::from_utf8(&msg.body)?.split_whitespace().count();
        ctx.count("words", words as u64)?;
        self.words += words;
        ctx.reply(format!("{} words", self.words));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("playhouse.toml");
    // `Play::native` is enough for an actor with the default settings.
    let metrics = MetricNames::new(["words"])?;
    let audit = Native::new(Audit::default).with(move |spec| spec.metrics = metrics);
    let play = Play::from_manifest(manifest)?.place("/audit", audit).start().await?;
    play.tell("/split", "The play's the thing,\n").await?;
    play.tell("/split", "wherein I'll catch the conscience of the king").await?;
    play.wait_idle().await;
    let reply = play.ask("/audit", "", Duration::from_secs(5)).await.context("the audit does not answer")?;
    println!("/audit got {}", String::from_utf8_lossy(&reply));
    // The reply comes before the actor is idle again.
    play.wait_idle().await;
    for actor in play.tree().await.actors {
        println!("{} ({}) is {} and has handled {}", actor.address, actor.plugin, actor.state, actor.handled);
    }
    play.stop().await;
    println!("{} messages were not handled", play.dead_letters().len());
    Ok(())
}
