//! `log-level`: the levels of the log by actor, of a running host.

use std::time::Duration;

use super::table::table;
use super::{host, print, print_json};
use crate::args::{self, Lasting};
use crate::exit::Exit;
use playhouse_runtime::control::protocol::{LevelLine, LevelSource, Request, Response, SetLogLevel};
use playhouse_runtime::manifest::units::Time;
use playhouse_runtime::printable::{Printable, counted};

/// The time for which a level holds, without `--for`.
const DEFAULT_TIME: Duration = Duration::from_mins(10);

/// Lists, sets or resets levels.
pub(crate) fn log_level(args: &args::LogLevel) -> Result<(), Exit> {
    let mut client = host::connect(&args.host)?;
    let Some(pattern) = &args.actors else {
        return match client.request(&Request::LogLevels {})? {
            Response::LogLevels { levels } if args.json => print_json(&levels),
            Response::LogLevels { levels } => print(&shown(&levels)),
            other => Err(host::unexpected(&other)),
        };
    };
    let actors = pattern.to_string();
    let Some(level) = args.level.clone() else {
        return match client.request(&Request::ResetLogLevel { actors })? {
            Response::LogLevelReset { level } => print(&format!("{pattern}: {level} no more\n")),
            other => Err(host::unexpected(&other)),
        };
    };
    let lasts = match args.lasts {
        None => Some(DEFAULT_TIME),
        Some(Lasting::For(time)) => Some(time),
        Some(Lasting::Forever) => None,
    };
    let for_ms = lasts.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    match client.request(&Request::SetLogLevel(SetLogLevel { actors, level: level.clone(), for_ms }))? {
        Response::LogLevelSet { matching, replaced } => {
            let time = lasts.map_or_else(|| "until it is reset".to_owned(), |time| format!("for {}", Time(time)));
            let before = replaced.map(|level| format!(", instead of {level}")).unwrap_or_default();
            let whom = match matching {
                0 => "no actor matches it now: it holds for those that come".to_owned(),
                some => format!("{} now", counted(some, "actor")),
            };
            print(&format!("{pattern}: {level} {time}{before} ({whom})\n"))
        }
        other => Err(host::unexpected(&other)),
    }
}

/// The levels in a table. Those of operators come first, since they go before those of the manifest.
fn shown(levels: &[LevelLine]) -> String {
    if levels.is_empty() {
        return "no actor has a level of its own: all have that of the host\n".to_owned();
    }
    let row = |line: &LevelLine| {
        let from = match (line.from, &line.by) {
            (LevelSource::Manifest, _) => "manifest".to_owned(),
            (LevelSource::Operator, None) => "operator".to_owned(),
            (LevelSource::Operator, Some(by)) => format!("operator ({})", Printable(by)),
        };
        let left = match (line.from, line.left_ms) {
            (_, Some(ms)) => left(ms),
            (LevelSource::Operator, None) => "until it is reset".to_owned(),
            (LevelSource::Manifest, None) => String::new(),
        };
        vec![Printable(&line.actors).to_string(), Printable(&line.level).to_string(), from, left]
    };
    let rows: Vec<_> = levels.iter().map(row).collect();
    table(&["ACTORS", "LEVEL", "FROM", "TIME LEFT"], &rows, &[])
}

/// The time left, in seconds: `9m 58s`.
fn left(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn levels_are_listed_with_their_origin_and_time() {
        let line = |actors: &str, level: &str, from, by: Option<&str>, left_ms| LevelLine {
            actors: actors.to_owned(),
            level: level.to_owned(),
            from,
            by: by.map(str::to_owned),
            left_ms,
        };
        let levels = [
            line("/shop/**", "debug", LevelSource::Operator, Some("user 0"), Some(597_500)),
            line("/\u{1b}", "trace", LevelSource::Operator, Some("user 0"), None),
            line("/shop", "warn", LevelSource::Manifest, None, None),
            line("spawned from worker", "info", LevelSource::Manifest, None, None),
        ];
        expect![[r"
            ACTORS               LEVEL  FROM               TIME LEFT
            /shop/**             debug  operator (user 0)  9m 58s
            /\u{1b}              trace  operator (user 0)  until it is reset
            /shop                warn   manifest
            spawned from worker  info   manifest
        "]]
        .assert_eq(&shown(&levels));
        assert_eq!(shown(&[]), "no actor has a level of its own: all have that of the host\n");
        assert_eq!([0, 1, 3_600_000, 3_661_000].map(left), ["0s", "1s", "1h", "1h 1m 1s"]);
    }
}
