//! The positions that the play's store keeps of a source whose receiver is stored. The entry that brings a message into the mailbox has the position
//! of the message. So a message that the broker delivers again, since the host was killed before the acknowledgement, is known.
//!
//! Of a broker, positions are kept from the entry to the acknowledgement that the broker has confirmed, and on until the next pull
//! begins: only a pull from before can still return such a message. Of a source that is read in order, the place after the last message
//! is kept.

use parking_lot::Mutex;
use playhouse_kernel::{Ingress, MessageId, Origin, StoreError};

use super::supply::{Handle, Place, SourceSettings, Supplier, Supply, Taken};
use crate::broker::BrokerError;

/// The positions of one source.
pub(super) struct Kept {
    /// The name of the source in the store.
    source: String,
    is_in_order: bool,
    /// Positions of runs before, which the broker may not know to have ended; `None` before they were read.
    known: Mutex<Option<Vec<(MessageId, Handle)>>>,
    /// Messages whose ends the broker has confirmed.
    confirmed: Mutex<Vec<MessageId>>,
}

/// The position of one message.
pub(super) struct Position<'a> {
    kept: &'a Kept,
    bytes: Vec<u8>,
    value: Vec<u8>,
}

impl Position<'_> {
    pub(super) fn origin(&self) -> Origin<'_> {
        let Self { kept, bytes: position, value } = self;
        Origin { source: &kept.source, position, value, is_unique: !kept.is_in_order }
    }
}

impl Kept {
    pub(super) fn new(settings: &SourceSettings, supply: &dyn Supply) -> Self {
        Self {
            source: format!("{} {} {}", settings.address, supply.kind(), supply.origin()),
            is_in_order: supply.is_in_order(),
            known: Mutex::default(),
            confirmed: Mutex::default(),
        }
    }

    /// The position of a message.
    pub(super) fn position_of(&self, taken: &Taken) -> Position<'_> {
        match &taken.place {
            Some(Place { part, value }) => Position { kept: self, bytes: part.clone(), value: value.clone() },
            None => Position { kept: self, bytes: bytes_of(taken.id), value: taken.handle.as_bytes().to_vec() },
        }
    }

    /// Whether a message was admitted, and the source may not forget that yet.
    pub(super) fn knows(&self, ingress: &Ingress, id: MessageId) -> bool {
        !self.is_in_order && ingress.knows(&self.source, &bytes_of(id))
    }

    /// Reads the positions, before the first connection.
    pub(super) async fn read(&self, ingress: &Ingress, supply: &dyn Supply) -> Result<(), BrokerError> {
        if self.known.lock().is_some() {
            return Ok(());
        }
        let origins = ingress.origins(&self.source, !self.is_in_order).await.map_err(unreadable)?;
        supply.go_on(if self.is_in_order { &origins } else { &[] });
        let mut known = Vec::new();
        if !self.is_in_order {
            for origin in origins {
                let id = origin.position.try_into().map(u128::from_be_bytes);
                if let (Ok(id), Ok(handle)) = (id, String::from_utf8(origin.value)) {
                    known.push((MessageId(id), handle.into()));
                }
            }
        }
        *self.known.lock() = Some(known);
        Ok(())
    }

    /// Tells the broker of messages that runs before have taken, and keeps the first places. Before the first pull of a connection.
    pub(super) async fn begin(&self, ingress: &Ingress, supplier: &dyn Supplier) -> Result<(), BrokerError> {
        let known = self.known.lock().clone().unwrap_or_default();
        if !known.is_empty() {
            supplier.ack_again(&known).await?;
            self.confirmed.lock().extend(known.iter().map(|(id, _)| *id));
            *self.known.lock() = Some(Vec::new());
        }
        self.keep_places(ingress, supplier).await
    }

    async fn keep_places(&self, ingress: &Ingress, supplier: &dyn Supplier) -> Result<(), BrokerError> {
        for Place { part, value } in supplier.first_places() {
            let place = Position { kept: self, bytes: part, value };
            ingress.keep_origin(&place.origin()).await.map_err(unreadable)?;
        }
        Ok(())
    }

    /// The broker has confirmed the ends of these messages.
    pub(super) fn confirmed(&self, ids: impl IntoIterator<Item = MessageId>) {
        if !self.is_in_order {
            self.confirmed.lock().extend(ids);
        }
    }

    /// Keeps new places, and forgets what nothing can come from any more. No pull is under way, and all that were before are looked
    /// through.
    pub(super) async fn before_pull(&self, ingress: &Ingress, supplier: &dyn Supplier) -> Result<(), BrokerError> {
        self.keep_places(ingress, supplier).await?;
        let confirmed = std::mem::take(&mut *self.confirmed.lock());
        let ids = confirmed.into_iter().map(bytes_of);
        let gone: Vec<_> = ids.chain(supplier.ended_parts()).collect();
        if !gone.is_empty() {
            ingress.forget_origins(&self.source, gone.iter().map(Vec::as_slice));
        }
        Ok(())
    }
}

fn bytes_of(id: MessageId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// The store's error, which ends the play as well.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: StoreError) -> BrokerError {
    BrokerError::plain(format!("the positions in the store cannot be used: {error}"))
}
