//! How far an entry is, as the play's store keeps it: up to this time, each time of the schedule has had its run, or will have none. It is
//! in the entry that brings a run's message into a durable mailbox, so that no time has two runs, whatever ends the host.

use chrono::{DateTime, SecondsFormat, Utc};
use playhouse_kernel::{Address, Admitted, Incoming, Ingress, Origin, SendError, StoreError};

use super::delivery::{End, PATIENCE};
use super::settings::CronSettings;

/// The progress of one entry in the store.
#[derive(Clone)]
pub(super) struct Settled {
    source: String,
    tell: Address,
    is_stored: bool,
}

impl Settled {
    /// None without a store.
    pub(super) fn of(settings: &CronSettings, ingress: &Ingress) -> Option<Self> {
        ingress.has_store().then(|| Self {
            source: format!("{} cron", settings.address),
            tell: settings.tell.clone(),
            is_stored: ingress.is_stored(&settings.tell),
        })
    }

    /// The time up to which everything is decided. At the very first start that is now.
    pub(super) async fn begin(&self, ingress: &Ingress, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
        let kept = ingress.origins(&self.source, false).await?;
        let kept = kept.first().and_then(|origin| std::str::from_utf8(&origin.value).ok()?.parse().ok());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        ingress.keep_origin(&self.up_to(shown(now).as_bytes())).await?;
        Ok(now)
    }

    /// Sends the message of a run. To an actor in memory, it is sent at most once.
    pub(super) async fn tell(&self, ingress: &Ingress, message: &Incoming<'_>, now: DateTime<Utc>) -> End {
        let now = shown(now);
        let origin = self.up_to(now.as_bytes());
        if !self.is_stored {
            let kept = ingress.keep_origin(&origin).await;
            kept.map_err(|error| SendError::NotStored { to: self.tell.clone(), why: error.to_string().into() })?;
            return Ok(ingress.tell_with_receipt(&self.tell, message, PATIENCE).await?.ended().await);
        }
        if let Admitted::New(told) = ingress.tell_from(&self.tell, message, &origin, PATIENCE).await? {
            told.durable().await?;
        }
        Ok(Ok(()))
    }

    /// A time has no run, and will have none.
    pub(super) fn skip(&self, ingress: &Ingress, now: DateTime<Utc>) {
        ingress.keep_origin_later(&self.up_to(shown(now).as_bytes()));
    }

    fn up_to<'a>(&'a self, time: &'a [u8]) -> Origin<'a> {
        Origin { source: &self.source, position: &[], value: time, is_unique: false }
    }
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
