//! `[[cron]]`: names, schedules, zones and receivers.

use playhouse_gateway::cron::{self, CronSettings, Missed, Overlap, Schedule, Zone};
use toml::Spanned;

use super::addresses::Addresses;
use super::findings::Checks;
use super::gate::{body_problem, part_place};
use crate::manifest::play::PlayActor;
use crate::manifest::problem::Problem;
use crate::manifest::schema::{Cron, CronMissed, CronOverlap};

impl Checks {
    pub(super) fn cron(
        &mut self,
        written: &[Spanned<Cron>],
        actors: &[PlayActor],
        addresses: &Addresses,
        source: &str,
        has_store: bool,
    ) -> Vec<CronSettings> {
        let mut entries = Vec::new();
        for entry in written.iter().map(Spanned::get_ref) {
            let address = self.gate_name(&entry.name);
            let zone = zone(self, entry.zone.as_ref());
            let schedule = schedule(self, &entry.schedule, zone.unwrap_or(Zone::UTC), source);
            let tell = self.receiver(&entry.tell, "tell", addresses);
            let (Some(address), Some(_), Some(schedule), Some(tell)) = (address, zone, schedule, tell) else {
                continue;
            };
            self.problems.extend(body_problem(entry.body.as_ref(), &tell, actors));
            let missed = self.missed(entry.missed.as_ref(), has_store);
            entries.push(CronSettings {
                missed,
                address,
                schedule,
                tell,
                body: entry.body.as_ref().map_or(&[][..], |body| body.get_ref().as_bytes()).into(),
                overlap: match entry.overlap {
                    None | Some(CronOverlap::Skip) => Overlap::Skip,
                    Some(CronOverlap::Queue) => Overlap::Queue,
                },
            });
        }
        entries
    }

    fn missed(&mut self, written: Option<&Spanned<CronMissed>>, has_store: bool) -> Missed {
        let Some(once) = written.filter(|missed| *missed.get_ref() == CronMissed::Once) else { return Missed::Skip };
        if !has_store {
            let problem = Problem::at(once.span(), "without a store nobody knows which times were missed", "here");
            self.add(problem.help("add a table [play.store], or leave `missed` out"));
        }
        Missed::Once
    }
}

/// The zone with a name; the problem has the nearest one.
fn zone(checks: &mut Checks, written: Option<&Spanned<String>>) -> Option<Zone> {
    let Some(written) = written else { return Some(Zone::UTC) };
    let name = written.get_ref();
    if let Some(zone) = cron::zone(name) {
        return Some(zone);
    }
    // A writer of `Berlin` means the zone with that city.
    let city = |zone: &Zone| zone.name().rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
    let same = |zone: &Zone| zone.name().eq_ignore_ascii_case(name);
    let near = cron::zones().find(same).or_else(|| cron::zones().find(city)).map(Zone::name);
    let near = near.or_else(|| checks.near(name, cron::zones().map(Zone::name)));
    let remark = near.map_or_else(|| "here".into(), |near| format!("did you mean \"{near}\"?"));
    let problem = Problem::at(written.span(), format!("there is no zone `{}`", name.escape_debug()), remark);
    checks.add(problem.help("a zone has its name in the IANA database, as in zone = \"Europe/Berlin\""));
    None
}

/// The schedule of a text; the place of a problem is the field.
fn schedule(checks: &mut Checks, written: &Spanned<String>, zone: Zone, source: &str) -> Option<Schedule> {
    match Schedule::parse(written.get_ref(), zone) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            let remark = error.meant.map_or_else(|| "here".into(), |meant| format!("did you mean \"{meant}\"?"));
            let place = part_place(written, &error.place, source);
            checks.add(Problem::at(place, error.message, remark).help(error.help));
            None
        }
    }
}
