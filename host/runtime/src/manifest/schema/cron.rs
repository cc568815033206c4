//! `[[cron]]`: messages at times of the calendar.

use serde::Deserialize;
use toml::Spanned;

/// `[[cron]]`: a message at each time of a schedule. The entry is the actor `/gate/NAME`, which is the sender of its messages; each has the
/// metadata `cron` (the entry's name) and `due` (the time that it is for, as in `2026-11-29T03:00:00+01:00`). A message is sent within 50
/// ms of its time. `docs/gateways.md` says what happens when the clock changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// The name of the entry: letters, digits, `_` and `-`. Gateways have different names. Example: `name = "nightly"`. Required.
    pub name: Spanned<String>,
    /// The times: five fields (minute, hour, day of the month, month, day of the week), six with the second before them, or
    /// `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. A field is `*`, a number, a range (`1-5`), a list (`0,30`) or a step (`*/5`).
    /// With both days given, either is enough. Example: `schedule = "0 3 * * *"`. Required.
    pub schedule: Spanned<String>,
    /// The zone of the times, by its name in the IANA database. Example: `zone = "Europe/Berlin"`. Default: `"UTC"`.
    pub zone: Option<Spanned<String>>,
    /// The receiver of the messages. Example: `tell = "/report"`. Required.
    pub tell: Spanned<String>,
    /// The body of each message, at most `limits.message` of the receiver. Example: `body = "run"`. Default: `""`.
    pub body: Option<Spanned<String>>,
    /// The rule for a time at which the message of the last run has not ended: it is neither handled nor a dead letter. `"skip"`: the
    /// time has no run; `"queue"`: one run waits for that end, and further times have none. Example: `overlap = "queue"`. Default:
    /// `"skip"`.
    pub overlap: Option<CronOverlap>,
    /// The rule for times that pass while the host does not run, or the machine sleeps. `"skip"`: they have no run; `"once"`: together they
    /// have one run, at once, with `due` of the latest. It needs a table [play.store], where the entry keeps how far it is. Example: `missed =
    /// "once"`. Default: `"skip"`.
    pub missed: Option<Spanned<CronMissed>>,
}

/// The rule for times that pass while nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CronMissed {
    /// They have no run.
    Skip,
    /// They have one run together.
    Once,
}

/// The rule for a time at which the last run has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CronOverlap {
    /// The time has no run.
    Skip,
    /// One run waits.
    Queue,
}
