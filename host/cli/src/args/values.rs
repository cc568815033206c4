//! The values of options: texts that are checked before a command begins.

use std::time::Duration;

use playhouse_runtime::control::protocol::MOST_KEY_BYTES;
use playhouse_runtime::manifest::units::Time;
use playhouse_runtime::{Address, AddressPattern, PatternError};

/// Length of a whole flow id.
const FLOW_DIGITS: usize = 32;
/// The shortest time for which a level of the log holds: the host counts it in milliseconds.
const SHORTEST_LEVEL: Duration = Duration::from_millis(1);

/// The time for which a level of the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// It ends by itself.
    For(Duration),
    /// It holds until it is reset.
    Forever,
}

pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    match Address::parse(text) {
        Ok(address) if address.is_root() => {
            Err("`/` is the play itself and no actor: name an actor, as in `/name`".to_owned())
        }
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<Time>().map(|time| time.0);
    time.map_err(|error| format!("{error}: {}", playhouse_runtime::manifest::units::TIME_FORM))
}

pub(super) fn parse_pattern(text: &str) -> Result<AddressPattern, String> {
    match text {
        "/" => Err("`/` is the play itself and no actor: `/**` are all actors".to_owned()),
        text => text.parse().map_err(|error: PatternError| error.to_string()),
    }
}

pub(super) fn parse_lasting(text: &str) -> Result<Lasting, String> {
    if text == "forever" {
        return Ok(Lasting::Forever);
    }
    match parse_time(text)? {
        time if time < SHORTEST_LEVEL => Err(format!("a level holds for at least {SHORTEST_LEVEL:?}, or forever")),
        time => Ok(Lasting::For(time)),
    }
}

/// A log level or filter that says something: an empty filter would show all lines.
pub(super) fn parse_log(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        let names = "error, warn, info, debug or trace, or a filter as in `info,wasmtime=debug`";
        return Err(format!("an empty text is no log level: give {names}, or leave `--log` out"));
    }
    Ok(text.to_owned())
}

/// A flow id or the beginning of one, in lower case.
pub(super) fn parse_flow(text: &str) -> Result<String, String> {
    let is_id = (1..=FLOW_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let why = || format!("a flow id has {FLOW_DIGITS} of the digits 0-9 and a-f: give it, or its beginning");
    is_id.then(|| text.to_ascii_lowercase()).ok_or_else(why)
}

pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_time(text)?;
    let shortest = Duration::from_millis(100);
    if interval < shortest { Err(format!("the interval is at least {shortest:?}")) } else { Ok(interval) }
}

pub(super) fn parse_tell(text: &str) -> Result<(Address, String), String> {
    let (address, body) = text.split_once('=').ok_or("expected an address, `=` and a message, as in /count=hello")?;
    Ok((parse_address(address)?, body.to_owned()))
}

/// A key of a message, as the host takes it.
pub(super) fn parse_key(text: &str) -> Result<String, String> {
    let is_key = (1..=MOST_KEY_BYTES).contains(&text.len());
    is_key.then(|| text.to_owned()).ok_or_else(|| format!("a key has 1 to {MOST_KEY_BYTES} bytes"))
}
