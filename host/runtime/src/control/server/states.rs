//! Requests about the states of actors.

use playhouse_kernel::{AboutHost, Address, LogEvent, SendError, StateError, StateOrderError, StoreError};

use super::Server;
use crate::control::protocol::{Body, Refusal, Response, StateEntry};
use crate::events::StateChanged;

/// Bytes of keys and values in one response, after which no more are added.
const RESPONSE_BYTES: usize = 1 << 20;
/// Keys that are read at a time.
const PAGE: usize = 1000;

impl Server {
    pub(super) async fn state_keys(
        &self,
        of: &Address,
        prefix: &str,
        after: Option<&str>,
        most: u32,
    ) -> Result<Response, Refusal> {
        match self.kernel.state_keys(of, prefix, after, PAGE.min(most as usize)).await {
            Ok(keys) => Ok(Response::StateKeys { keys }),
            Err(error) => Err(self.state_refusal(error).await),
        }
    }

    pub(super) async fn state_value(&self, of: &Address, key: &str) -> Result<Response, Refusal> {
        match self.kernel.state_value(of, key).await {
            Ok(value) => Ok(Response::StateValue { value: value.map(Body) }),
            Err(error) => Err(self.state_refusal(error).await),
        }
    }

    pub(super) async fn state_entries(
        &self,
        of: &Address,
        prefix: &str,
        after: Option<String>,
    ) -> Result<Response, Refusal> {
        match self.entries(of, prefix, after.as_deref()).await {
            Ok(entries) => Ok(Response::StateEntries { entries }),
            Err(error) => Err(self.state_refusal(error).await),
        }
    }

    async fn entries(
        &self,
        of: &Address,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<StateEntry>, StateOrderError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for key in self.kernel.state_keys(of, prefix, after, PAGE).await? {
            // A key that went since then has no value.
            let Some(value) = self.kernel.state_value(of, &key).await? else { continue };
            bytes += key.len() + value.len();
            entries.push(StateEntry { key, value: Some(Body(value)) });
            if bytes >= RESPONSE_BYTES {
                break;
            }
        }
        Ok(entries)
    }

    pub(super) async fn change_state(
        &self,
        of: &Address,
        changes: Vec<StateEntry>,
        operator: &str,
    ) -> Result<Response, Refusal> {
        let keys = changes.len() as u64;
        let changes = changes.into_iter().map(|StateEntry { key, value }| (key, value.map(|Body(value)| value)));
        let changed = self.kernel.change_state(of, changes.collect());
        match self.kept(changed, || "the keys may be changed when there is space".to_owned()).await? {
            Ok(()) => {
                StateChanged { subject: AboutHost, of: of.as_str(), keys, operator }.log();
                Ok(Response::StateChanged { keys })
            }
            Err(StateOrderError::State(StateError::Failed(error @ StoreError::Full(_)))) => {
                Err(Refusal::not_kept("the keys are changed when there is space", &error.to_string()))
            }
            Err(error) => Err(self.state_refusal(error).await),
        }
    }

    async fn state_refusal(&self, error: StateOrderError) -> Refusal {
        let kind = match &error {
            StateOrderError::UnknownAddress(address) => {
                return self.refusal(SendError::UnknownAddress(address.clone())).await;
            }
            StateOrderError::OnlyStored(_) => {
                let path = self.store.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
                let way_out = format!("stop the host, and change the state with `--store {path}`");
                return Refusal::new("only-stored", format!("{error}: {way_out}"));
            }
            StateOrderError::NotStopped { actor, .. } => {
                return Refusal::new("not-stopped", format!("{error}: `playhouse stop {actor}`"));
            }
            StateOrderError::State(StateError::NotGranted { .. }) => "no-state",
            StateOrderError::State(StateError::BadKey(_)) => "bad-key",
            StateOrderError::State(StateError::TooLarge { .. }) => "value-too-large",
            StateOrderError::State(StateError::Full { .. }) => "state-full",
            StateOrderError::State(StateError::Failed(_) | StateError::Overrun(_)) => "store-failed",
        };
        Refusal::new(kind, error.to_string())
    }
}
