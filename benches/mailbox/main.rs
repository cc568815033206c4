//! Two storages of a mailbox: the kernel's log of bytes, compared with a queue of envelopes with a vector for each body. Both
//! take the messages of a commit, a slice for each, and give them out flat, as a component gets them.
//!
//! `cargo run --profile bench --package playhouse-benches --example mailbox`

#![allow(missing_docs, dead_code, unreachable_pub, unused_imports)]

#[path = "../../host/kernel/src/mailbox/message_log.rs"]
mod log;
#[path = "../../host/kernel/src/words/message.rs"]
mod message;
/// As in the kernel, so that the paths in its files hold.
mod words {
    pub(crate) use super::message;
}

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use log::{MessageLog, TakenMessages};
use playhouse_frame::Parts;
use words::message::{ActorId, Envelope, FlowId, MessageId, Payload, ReplyToken};

const ROUNDS: usize = 5;
/// Number of messages in one commit; a batch has fewer.
const COMMIT: usize = 256;
const TAKE: usize = 64;

fn main() {
    println!("{:>10} {:>14} {:>14} {:>7}", "body", "byte log", "queue", "ratio");
    for bytes in [64, 1024, 64 << 10] {
        let messages = if bytes > 10_000 { 20_000 } else { 2_000_000 };
        let (mut logs, mut queues) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            logs.push(time(messages, |body| by_log(body, messages), bytes));
            queues.push(time(messages, |body| by_queue(body, messages), bytes));
        }
        let (log, queue) = (median(logs), median(queues));
        let ratio = queue.as_nanos() as f64 / log.as_nanos() as f64;
        println!("{bytes:>10} {:>11} ns {:>11} ns {ratio:>7.2}", log.as_nanos(), queue.as_nanos());
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Time for each message. `run` returns the number of bytes that it got back, which must be all.
fn time(messages: usize, run: impl FnOnce(&[u8]) -> usize, bytes: usize) -> Duration {
    let body = vec![7; bytes];
    let began = Instant::now();
    let came_out = run(&body);
    let took = began.elapsed();
    assert_eq!(came_out, messages / COMMIT * COMMIT * (bytes + playhouse_frame::HEADER_BYTES));
    took / u32::try_from(messages).expect("few")
}

fn envelope(n: usize) -> Envelope {
    let id = MessageId(n as u128);
    Envelope {
        id,
        sender: ActorId(1),
        flow: FlowId(1),
        hops: 1,
        attempt: 0,
        reply: ReplyToken::NONE,
        parts: Parts::NONE,
    }
}

fn by_log(body: &[u8], messages: usize) -> usize {
    let (mut log, mut batch, mut came_out) = (MessageLog::default(), TakenMessages::default(), 0);
    for commit in 0..messages / COMMIT {
        for n in 0..COMMIT {
            log.append(&envelope(commit * COMMIT + n), &Payload::plain(black_box(body)));
        }
        while log.len() > 0 {
            batch.clear();
            log.take(TAKE, usize::MAX, &mut batch);
            came_out += black_box(batch.lend(&[])).len();
        }
    }
    came_out
}

fn by_queue(body: &[u8], messages: usize) -> usize {
    let (mut queue, mut flat, mut came_out) = (VecDeque::new(), Vec::new(), 0);
    for commit in 0..messages / COMMIT {
        for n in 0..COMMIT {
            queue.push_back((envelope(commit * COMMIT + n), black_box(body).to_vec()));
        }
        while !queue.is_empty() {
            flat.clear();
            for (envelope, body) in queue.drain(..TAKE.min(queue.len())) {
                flat.extend_from_slice(&envelope.encode(body.len()));
                flat.extend_from_slice(&body);
            }
            came_out += black_box(&flat).len();
        }
    }
    came_out
}
