//! Turns of a family's members that change one key of their state. Most members are in the store alone when a message comes.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use playhouse_kernel::{
    ActorSpec, FamilySpec, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Told,
};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::figures::Figures;
use crate::house::{House, PATIENCE, Running, address, runtime, stored};

/// Members of the family.
const MEMBERS: usize = 1_000_000;
/// Members with an instance at one time.
const LIVE: usize = 1_000;
/// The time after which a member without a message leaves the memory.
const IDLE: Duration = Duration::from_secs(1);
/// Senders: each waits while a member that the store alone has is read.
const SENDERS: usize = 256;
/// Messages of one sender that are not confirmed.
const IN_FLIGHT: usize = 64;
/// Messages of all senders that are not handled.
const WINDOW: u64 = 4_096;
/// The pause between two looks at the count of handled messages, each of which goes through all actors in memory.
const LOOK: Duration = Duration::from_millis(10);

/// Native members: what the kernel and the store do alone.
pub(crate) fn native(units: usize, folder: &Path) -> Result<Figures> {
    let spec = ActorSpec::new(address("/user"), NativeLauncher::new(|| Adder));
    turns("members", units, ActorSpec { state: Some(Box::default()), ..stored(spec) }, folder)
}

/// Components, which take an instance each.
pub(crate) fn components(units: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    turns("members-components", units, house.adder("/user"), folder)
}

/// One message in random order for each of `units` turns: turns in a second until the last is durable, and the bytes that the process
/// wrote for each. As many members as units are made before, up to a million.
fn turns(name: &str, units: usize, spec: ActorSpec, folder: &Path) -> Result<Figures> {
    let members = MEMBERS.min(units);
    let family = FamilySpec::new(LIVE, MEMBERS).created_by(address("/"), u32::MAX);
    let spec = ActorSpec { family: Some(family.into()), idle_stop: Some(IDLE), ..spec };
    runtime()?.block_on(async {
        let running = Running::open(folder, vec![spec]).await?;
        send(&running, 0..members).await?;
        let (before, (groups, _)) = (written()?, running.store.written());
        let began = Instant::now();
        let mut order = 0x9e37_79b9_7f4a_7c15_u64;
        send(
            &running,
            (0..units).map(|_| {
                // A generator of Marsaglia's.
                order ^= order << 13;
                order ^= order >> 7;
                order ^= order << 17;
                (order % members as u64) as usize
            }),
        )
        .await?;
        let took = began.elapsed();
        let bytes = written()? - before;
        let groups = running.store.written().0 - groups;
        running.stop().await;
        ensure!(sum(folder)? == members + units, "the sum is {}, not {}", sum(folder)?, members + units);
        Ok(Figures::of(name, units as f64 / took.as_secs_f64())
            .with(&format!("{name}-bytes"), bytes as f64 / units as f64)
            .with(&format!("{name}-group"), units as f64 / groups.max(1) as f64))
    })
}

/// Tells each of these members to add one, by many senders, and waits until all of it is durable and handled.
async fn send(running: &Running, members: impl Iterator<Item = usize>) -> Result<()> {
    let kernel = &running.kernel;
    let mut shares = vec![Vec::new(); SENDERS];
    let mut messages = 0;
    for (n, member) in members.enumerate() {
        shares[n % SENDERS].push(member);
        messages += 1;
    }
    let window = Arc::new(Semaphore::new(WINDOW as usize));
    let (before, mut handled) = (kernel.handled(), 0);
    let senders: Vec<_> =
        shares.into_iter().map(|share| tokio::spawn(send_share(kernel.clone(), share, window.clone()))).collect();
    while handled < messages {
        if let Some(letter) = kernel.dead_letters().first() {
            anyhow::bail!("a dead letter for {}: {}", letter.to, letter.reason);
        }
        tokio::time::sleep(LOOK).await;
        let now = kernel.handled() - before;
        window.add_permits((now - handled) as usize);
        handled = now;
    }
    for sender in senders {
        sender.await??;
    }
    Ok(())
}

async fn send_share(kernel: Kernel, members: Vec<usize>, window: Arc<Semaphore>) -> Result<()> {
    let mut told = VecDeque::<Told>::with_capacity(IN_FLIGHT);
    for member in members {
        window.acquire().await?.forget();
        if told.len() == IN_FLIGHT
            && let Some(oldest) = told.pop_front()
        {
            oldest.durable().await?;
        }
        told.push_back(kernel.tell_later(&address(&format!("/user/{member}")), b"1", PATIENCE).await?);
    }
    for told in told {
        told.durable().await?;
    }
    Ok(())
}

/// The bytes that this process wrote to the disk.
fn written() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("write_bytes")?;
    Ok(line.parse()?)
}

/// The sum of all states in the store.
fn sum(folder: &Path) -> Result<usize> {
    let mut sum = 0_i64;
    for file in std::fs::read_dir(folder.join("store"))? {
        let file = file?.path();
        if file.extension().is_some_and(|end| end == "db") {
            let db = Connection::open(file)?;
            sum +=
                db.query_row("select coalesce(sum(cast(cast(value as text) as integer)), 0) from state", [], |row| {
                    row.get::<_, i64>(0)
                })?;
        }
    }
    Ok(usize::try_from(sum)?)
}

/// Adds a number up in its state, as the component does.
struct Adder;

impl NativeActor for Adder {
    async fn msg_handler(&mut self, message: Message, context: &mut NativeContext) -> NativeResult {
        let before = context.state_value("sum").await?;
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<u64>().ok());
        let sum = before.as_deref().and_then(number).unwrap_or(0) + number(&message.body).unwrap_or(0);
        context.set_state("sum", sum.to_string()).await?;
        context.reply(sum.to_string());
        Ok(())
    }
}
