//! A store with two actors.

use std::sync::Arc;

use playhouse_kernel::{ActorId, Image, StateSize, StoredActor, TimerIds};

use crate::home::Home;
use crate::words::{A, B, addr, entry, write};

pub fn actor(id: ActorId, address: &str) -> StoredActor {
    StoredActor {
        id,
        address: addr(address),
        last_number: 0,
        waiting: 0,
        bytes: 0,
        halted: None,
        state: StateSize::default(),
        timers: 0,
        timer_ids: TimerIds::default(),
        child: None,
        leaves: false,
        values: Vec::new(),
    }
}

/// A store with two actors without messages.
pub async fn with_two<H: Home>(home: &H) -> (Arc<H::Store>, Image) {
    let (store, mut image) = home.open().await;
    write(&*store, &mut image, [entry().born(A, "/a").born(B, "/b")]).await.unwrap();
    (store, image)
}
