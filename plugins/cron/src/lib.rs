//! Reports at the times of a schedule.
//!
//! - Config: none.
//! - Messages: those of a cron gateway, with `cron`, its name, and `due`, the time, in their metadata. An ask is answered with the
//!   number of reports so far.
//! - Prints: the number of the report, the name, the time, and the body.

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Cron {
    reports: u64,
}

impl Actor for Cron {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let Some(name) = msg.metadata().get("cron") else {
            ctx.reply(self.reports.to_string());
            return Ok(());
        };
        self.reports += 1;
        let due = msg.metadata().get("due").unwrap_or("an unknown time");
        println!("report {}: {name}, due {due}: {}", self.reports, msg.text()?);
        Ok(())
    }
}

export_actor!(Cron);

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[test]
    fn reports_are_counted() -> Result {
        let mut cron = ActorHarness::<Cron>::start()?;
        let tick = || Message::new("run").with("cron", "nightly").with("due", "2026-03-29T03:00:00+02:00");
        assert!(cron.ask_message(tick()).is_err(), "a tick has no reply");
        assert_eq!(cron.ask("")?, b"1");
        Ok(())
    }
}
