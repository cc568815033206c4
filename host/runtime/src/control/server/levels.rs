//! Requests about the levels of the log by actor, and their ends.

use std::time::Duration;

use playhouse_kernel::{AboutHost, LogEvent};
use playhouse_observe::log::{AddressPattern, Log, LogLevels, Override, PatternError, level_name};
use tokio::time::Instant;
use tracing::Level;

use super::Server;
use crate::control::protocol::{LevelLine, LevelSource, Refusal, Response, SetLogLevel};
use crate::events::{LogLevelEnded, LogLevelReset, LogLevelSet};
use crate::manifest::units::Time;

impl Server {
    /// All levels that are in force.
    pub(super) fn log_levels(&self) -> Result<Response, Refusal> {
        let in_force = self.levels()?.in_force();
        let now = Instant::now();
        let of_manifest = |actors, (name, level): (String, Level)| LevelLine {
            actors: if actors { name.clone() } else { format!("spawned from {name}") },
            level: level_name(level).to_owned(),
            from: LevelSource::Manifest,
            by: None,
            left_ms: None,
        };
        let of_operator = |one: Override| LevelLine {
            actors: one.pattern.to_string(),
            level: level_name(one.level).to_owned(),
            from: LevelSource::Operator,
            by: Some(one.by),
            left_ms: one.ends.map(|ends| millis(ends.saturating_duration_since(now))),
        };
        let levels = in_force.overrides.into_iter().map(of_operator);
        let levels = levels.chain(in_force.actors.into_iter().map(|one| of_manifest(true, one)));
        let levels = levels.chain(in_force.plugins.into_iter().map(|one| of_manifest(false, one)));
        Ok(Response::LogLevels { levels: levels.collect() })
    }

    pub(super) async fn set_log_level(&self, order: SetLogLevel, by: &str) -> Result<Response, Refusal> {
        let levels = self.levels()?;
        let (pattern, level) = (pattern(&order.actors)?, level(&order.level)?);
        let lasts = order.for_ms.map(Duration::from_millis);
        if lasts.is_some_and(|lasts| lasts.is_zero()) {
            return Err(Refusal::new("refused", "a level must hold for some time"));
        }
        let replaced = levels.override_level(pattern.clone(), level, lasts, by.to_owned()).map_err(|error| {
            let way_out = "`playhouse log-level` lists them, and `playhouse log-level PATTERN --reset` ends one";
            Refusal::new("refused", format!("{error}: {way_out}"))
        })?;
        let until = lasts.map_or_else(|| "until it is reset".to_owned(), |lasts| format!("for {}", Time(lasts)));
        let seconds = lasts.map(|lasts| lasts.as_secs_f64());
        let (shown, to) = (pattern.to_string(), level_name(level));
        LogLevelSet { subject: AboutHost, pattern: &shown, to, operator: by, seconds, until: &until }.log();
        let actors = self.kernel.actors().await;
        let matching = actors.iter().filter(|actor| pattern.matches(actor.address.as_str())).count();
        Ok(Response::LogLevelSet {
            matching: matching as u64,
            replaced: replaced.map(|replaced| level_name(replaced.level).to_owned()),
        })
    }

    pub(super) fn reset_log_level(&self, actors: &str, by: &str) -> Result<Response, Refusal> {
        let pattern = pattern(actors)?;
        let Some(ended) = self.levels()?.reset(&pattern) else {
            let why = "no operator has set a level for exactly this pattern: `playhouse log-level` lists all";
            return Err(Refusal::new("refused", format!("`{pattern}` cannot be reset: {why}")));
        };
        let (shown, was) = (pattern.to_string(), level_name(ended.level));
        LogLevelReset { subject: AboutHost, pattern: &shown, was, operator: by, set_by: &ended.by }.log();
        Ok(Response::LogLevelReset { level: was.to_owned() })
    }

    fn levels(&self) -> Result<&LogLevels, Refusal> {
        let levels = self.log.as_ref().map(Log::levels).filter(|levels| levels.are_in_use());
        levels.ok_or_else(|| {
            let why = "the program that runs this play has a log without levels by actor (`LogFilter`)";
            Refusal::new("no-log", why)
        })
    }
}

/// Ends levels when their time is over, and says so in the log.
pub(crate) async fn end_levels(levels: LogLevels) {
    loop {
        for ended in levels.wait_ended().await {
            let lasts = ended.lasts.unwrap_or_default();
            let (pattern, was, seconds) = (ended.pattern.to_string(), level_name(ended.level), lasts.as_secs_f64());
            let time = Time(lasts).to_string();
            let (pattern, set_by) = (pattern.as_str(), ended.by.as_str());
            LogLevelEnded { subject: AboutHost, pattern, was, set_by, seconds, time: &time }.log();
        }
    }
}

fn pattern(text: &str) -> Result<AddressPattern, Refusal> {
    text.parse().map_err(|error: PatternError| Refusal::new("malformed", error.to_string()))
}

fn level(text: &str) -> Result<Level, Refusal> {
    let level = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let found = level.into_iter().find(|level| level_name(*level) == text);
    found.ok_or_else(|| {
        Refusal::new("malformed", format!("`{text}` is no log level: use error, warn, info, debug or trace"))
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
