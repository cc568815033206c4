//! Requests about the play's store and its mailboxes. The store is read beside the play, on a thread that may wait for the disk.

use playhouse_gateway::request_digest;
use playhouse_kernel::{Address, RequestKey, SendError, StoreError};
use playhouse_store::Inspection;

use super::Server;
use crate::control::protocol::{Body, MOST_KEY_BYTES, Refusal, Request, Response};
use crate::control::store_views::PortableLine;
use crate::control::stored::{look, new_messages, refusal, store_refusal, wanted};

/// The way in of requests with a key.
const VIA: &str = "control";

impl Server {
    /// Sends a message. With a key, a repetition is the first one.
    pub(super) async fn tell(&self, to: &Address, body: &[u8], key: Option<&str>) -> Result<Response, Refusal> {
        let told = match key {
            None => self.kernel.tell(to, body, self.patience(to)).await,
            Some(key) if key.is_empty() || key.len() > MOST_KEY_BYTES => {
                return Err(Refusal::new("bad-key", format!("a key has 1 to {MOST_KEY_BYTES} bytes")));
            }
            Some(key) => {
                let key = RequestKey { via: VIA, key, digest: request_digest(&[body]) };
                self.kernel.tell_under(&key, to, body, self.patience(to)).await
            }
        };
        match told {
            Ok(id) => Ok(Response::Told { id: id.to_string() }),
            Err(error) => Err(self.refusal(error).await),
        }
    }

    /// Sends messages in order, up to the first one that is refused, and waits until those before it are durable.
    pub(super) async fn tell_all(&self, to: &Address, bodies: Vec<Body>) -> Result<Response, Refusal> {
        let (mut last, mut told, mut dropped, mut refused) = (None, 0, 0, None);
        for Body(body) in bodies {
            // A send may never wait, and other tasks of this thread must run as well.
            tokio::task::coop::consume_budget().await;
            match self.kernel.tell_later(to, &body, self.patience(to)).await {
                Ok(one) => {
                    (last, told) = (Some(one), told + 1);
                }
                Err(SendError::Dropped { .. }) => dropped += 1,
                Err(error) => {
                    refused = Some(self.refusal(error).await);
                    break;
                }
            }
        }
        // Entries become durable in their order.
        if let Some(last) = last
            && let Err(error) = last.durable_within(self.patience(to)).await
        {
            return Err(self.refusal(error).await);
        }
        Ok(Response::ToldAll { told, dropped, refused })
    }

    /// Does a request about the store.
    pub(super) async fn about_store(&self, request: Request, operator: &str) -> Result<Response, Refusal> {
        match request {
            Request::DropMessages { of, id } => self.drop_messages(of, id, operator).await,
            Request::ImportMessages { to, messages } => self.import(to, messages, operator).await,
            request => {
                let (kernel, path) = (self.kernel.clone(), self.store_path()?.to_owned());
                self.on_store(move |store| look(store, &path, &request, Some(&kernel))).await
            }
        }
    }

    async fn drop_messages(&self, of: Address, id: Option<String>, operator: &str) -> Result<Response, Refusal> {
        self.store_path()?;
        let mut order = self.kernel.order_mailboxes(operator).await.map_err(store_refusal)?;
        let wanted_of = of.clone();
        let (mailbox, numbers) = self.on_store(move |store| wanted(store, &wanted_of, id.as_deref())).await?;
        let refused = |error: StoreError| match error {
            error @ StoreError::Full(_) => {
                Refusal::not_kept("the messages are dropped when there is space", &error.to_string())
            }
            error => store_refusal(error),
        };
        let dropped = order.drop_messages(mailbox.id, &of, &numbers).await.map_err(refused)?;
        Ok(Response::MessagesDropped { dropped, left: numbers.count() - dropped })
    }

    async fn import(&self, to: Address, messages: Vec<PortableLine>, operator: &str) -> Result<Response, Refusal> {
        self.store_path()?;
        if self.kernel.message_limit(&to).is_some() && !self.kernel.is_stored(&to) {
            let hint = "send the bodies with `playhouse tell --lines`, or give it `kind = \"durable\"`";
            return Err(Refusal::new("refused", format!("the mailbox of `{to}` is in memory alone: {hint}")));
        }
        let order = self.kernel.order_mailboxes(operator).await.map_err(store_refusal)?;
        let of = to.clone();
        let mut ids = std::mem::take(&mut *self.import_ids.lock().await);
        let read = self.on_store(move |store| {
            let new = new_messages(store, &of, &messages, &mut ids)?;
            Ok((new, ids))
        });
        let ((new, there), ids) = read.await?;
        *self.import_ids.lock().await = ids;
        match order.put_messages(&to, &new, self.patience(&to)).await {
            Ok(()) => Ok(Response::MessagesImported { imported: new.len() as u64, there }),
            Err(error) => Err(self.refusal(error).await),
        }
    }

    fn store_path(&self) -> Result<&std::path::Path, Refusal> {
        let no_store =
            || Refusal::new("no-store", "this play has no store: `[play.store]` in its manifest gives it one");
        self.store.as_deref().ok_or_else(no_store)
    }

    /// Reads the store on a thread of its own.
    async fn on_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Inspection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let path = self.store_path()?.to_owned();
        let read = tokio::task::spawn_blocking(move || read(&mut Inspection::open(&path).map_err(refusal)?));
        read.await.unwrap_or_else(|error| Err(Refusal::new("store-failed", format!("the store was not read: {error}"))))
    }
}
