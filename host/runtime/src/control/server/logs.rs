//! Sends the log to operators. A reader of the log has a place in the ring and one buffer: a client that reads slowly loses lines,
//! is told their number, and delays nobody.

use std::time::{Duration, SystemTime};

use playhouse_observe::log::{Entry, Log, LogReader, LogSelection, Progress};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::client::is_gone;
use super::subscriptions::Subscription;
use super::{LOOK, LOOKS_UNTIL_WORKING, Server};
use crate::control::protocol::{LogsRequest, Refusal, Response, encode, encode_log};

/// Length of a whole flow id.
const FLOW_DIGITS: usize = 32;
/// The pause before lines are sent to a client that has all lines: a client of a busy log gets many lines at a time.
const GATHERING: Duration = Duration::from_millis(20);

/// Maximum number of patterns of one request: each line is compared with all of them.
const PATTERNS: usize = 64;

impl Server {
    /// Sends the lines, and returns the end of the response; `None` when the client is gone.
    pub(super) async fn send_logs(&self, wanted: LogsRequest, stream: &mut UnixStream) -> Option<Response> {
        // First, so that no more clients than there are places have the log searched.
        let mut place = match self.subscriptions.open(wanted.follow) {
            Ok(place) => place,
            Err(most) => {
                let which = if wanted.follow { "that follow the log" } else { "of the log" };
                let message =
                    format!("this host has {most} readers {which} at most: end one of them, or try again later");
                return Some(Response::Error(Refusal::new("busy", message)));
            }
        };
        let (log, mut reader) = match self.log_reader(&wanted, stream).await {
            Ok(reader) => reader?,
            Err(refusal) => return Some(Response::Error(refusal)),
        };
        let subscriber = log.subscribe();
        if !wanted.follow {
            reader.end_here();
        }
        let mut skipped = match wanted.lines {
            Some(lines) => move_to_last(&mut reader, lines, stream).await?,
            None => 0,
        };
        let (mut out, mut spoke, mut is_over) = (Vec::new(), Instant::now(), false);
        loop {
            // Before the lines are read: those before the end of the play are sent.
            if !is_over && place.is_over() {
                is_over = true;
                reader.end_here();
            }
            let progress = reader.read(|entry| match entry {
                Entry::Line { .. } if skipped > 0 => skipped -= 1,
                Entry::Line { json, .. } => encode_log(json, &mut out),
                Entry::Lost(lines) => {
                    skipped = 0;
                    subscriber.add_lost(lines);
                    out.extend_from_slice(&encode(&Response::Lost { lines }));
                }
            });
            // There may be many lines, and none that the client wants.
            if out.is_empty() && spoke.elapsed() >= LOOK * LOOKS_UNTIL_WORKING {
                out = encode(&Response::Working {});
            }
            if out.is_empty() {
                if is_gone(stream) {
                    return None;
                }
            } else {
                if !place.write(stream, &out).await {
                    return None;
                }
                spoke = Instant::now();
                out.clear();
            }
            tokio::task::yield_now().await;
            if progress == Progress::More {
                continue;
            }
            if !wanted.follow || is_over {
                return Some(Response::End { stopped: is_over });
            }
            wait_for_lines(&reader, &place).await;
        }
    }

    /// The log, and a reader of the wanted lines; `None` when the client is gone.
    async fn log_reader(
        &self,
        wanted: &LogsRequest,
        stream: &UnixStream,
    ) -> Result<Option<(&Log, LogReader)>, Refusal> {
        let Some(log) = &self.log else {
            let why = "this host keeps no log: the program that runs the play has not given it one (`Play::log`)";
            return Err(Refusal::new("no-log", why));
        };
        let Some(mut reader) = log.reader(selection(wanted)?) else {
            let why = "this host keeps no log lines in memory: `memory` under [play.log] is 0";
            return Err(Refusal::new("no-log", why));
        };
        if let Some(part) = wanted.flow.as_ref().filter(|flow| flow.len() < FLOW_DIGITS) {
            let Some(whole) = flow_of(&reader, part, stream).await? else { return Ok(None) };
            let selection = LogSelection { flow: whole.or_else(|| Some(part.clone())), ..reader.selection().clone() };
            reader.select(selection);
        }
        Ok(Some((log, reader)))
    }
}

/// Waits for lines, for the end of the play, or until it is time to look whether the client is still there.
async fn wait_for_lines(reader: &LogReader, place: &Subscription) {
    tokio::select! {
        () = reader.wait_filled() => {
            tokio::select! {
                () = sleep(GATHERING) => {}
                () = place.wait_over() => {}
            }
        }
        () = place.wait_over() => {}
        () = sleep(LOOK) => {}
    }
}

fn selection(wanted: &LogsRequest) -> Result<LogSelection, Refusal> {
    let malformed = |message: String| Refusal::new("malformed", message);
    if wanted.actors.len() > PATTERNS {
        let message = format!("{} patterns of actors; a request has at most {PATTERNS}", wanted.actors.len());
        return Err(malformed(message));
    }
    let actors = wanted.actors.iter().map(|pattern| pattern.parse().map_err(|error| malformed(format!("{error}"))));
    let level = |name: &String| {
        let levels = "the levels are error, warn, info, debug and trace";
        name.parse().map_err(|_| malformed(format!("`{}` is no level: {levels}", name.escape_debug())))
    };
    if let Some(flow) = &wanted.flow {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if flow.is_empty() || flow.len() > FLOW_DIGITS || !flow.bytes().all(is_digit) {
            let text: String = flow.chars().take(2 * FLOW_DIGITS).collect();
            let why =
                format!("`{}` is no flow: an id has {FLOW_DIGITS} of the digits 0-9 and a-f", text.escape_debug());
            return Err(malformed(why));
        }
    }
    let age = wanted.since_ms.map(Duration::from_millis);
    Ok(LogSelection {
        actors: actors.collect::<Result<_, _>>()?,
        flow: wanted.flow.clone(),
        level: wanted.level.as_ref().map(level).transpose()?,
        since: age.map(|age| SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)),
    })
}

/// The only flow of the log whose id begins with `part`, `Some(None)` when there is none yet; `None` when the client is gone.
async fn flow_of(reader: &LogReader, part: &str, stream: &UnixStream) -> Result<Option<Option<String>>, Refusal> {
    let (mut found, mut other) = (None::<String>, None::<String>);
    let mut searching = reader.clone();
    searching.select(LogSelection { flow: Some(part.to_owned()), ..LogSelection::default() });
    searching.end_here();
    loop {
        let progress = searching.read(|entry| {
            if let Entry::Line { flow, .. } = entry {
                let first = found.get_or_insert_with(|| flow.to_owned());
                if first != flow {
                    other = Some(flow.to_owned());
                }
            }
        });
        if let (Some(one), Some(other)) = (&found, &other) {
            let message = format!("several flows begin with `{part}`, such as {one} and {other}: give more digits");
            return Err(Refusal::new("ambiguous-flow", message));
        }
        if progress == Progress::End {
            return Ok(Some(found));
        }
        if is_gone(stream) {
            return Ok(None);
        }
        tokio::task::yield_now().await;
    }
}

/// Moves the reader to a place from which its last `lines` lines are not far, and returns the number of lines to skip there;
/// `None` when the client is gone.
async fn move_to_last(reader: &mut LogReader, lines: u64, stream: &UnixStream) -> Option<u64> {
    let mut counting = reader.clone();
    counting.end_here();
    let mut parts = Vec::new();
    loop {
        let (place, mut count) = (counting.place(), 0_u64);
        let progress = counting.read(|entry| count += u64::from(entry.line().is_some()));
        parts.push((place, count));
        if progress == Progress::End {
            break;
        }
        if is_gone(stream) {
            return None;
        }
        tokio::task::yield_now().await;
    }
    let mut missing = lines;
    for (place, count) in parts.into_iter().rev() {
        if missing <= count {
            reader.move_to(place);
            return Some(count - missing);
        }
        missing -= count;
    }
    Some(0)
}
