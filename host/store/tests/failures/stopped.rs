//! Orders for a store without a host.

use playhouse_kernel::{
    ActorId, Address, FlowId, Message, MessageId, Metadata, PortableMessage, Store, StoreError, WaitingNumbers,
};
use playhouse_store::{Inspection, OrderError, StoppedStore};

use crate::filled::{A, born, database, filled, filled_with_state, folder, open, put, read, take, write};

#[tokio::test]
async fn compacted_store_is_smaller_and_the_same() {
    let (_home, settings) = folder();
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..20 {
        write(&store, &mut image, put(number, &vec![b'x'; 100_000])).await.unwrap();
    }
    write(&store, &mut image, take(1..19)).await.unwrap();
    assert!(StoppedStore::take(&settings.path).is_err(), "a host has the store");
    drop(store);
    let expected = read(&settings).await.unwrap();
    let free = Inspection::open(&settings.path).unwrap().facts().unwrap().free_bytes;
    let (before, after) = StoppedStore::take(&settings.path).unwrap().compact().unwrap();
    assert!(after < before / 5 && before - after >= free, "{before} to {after}, {free} free");
    assert_eq!(std::fs::metadata(database(&settings)).unwrap().len(), after);
    assert_eq!(read(&settings).await.unwrap(), expected);
}

#[tokio::test]
async fn stopped_store_takes_and_drops_messages() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let portable = |id: u128, body: &str| PortableMessage {
        id: MessageId(id),
        from: Some(Address::parse("/a").unwrap()),
        flow: FlowId(id),
        hops: 1,
        attempts: 2,
        metadata: Metadata::new(),
        body: body.as_bytes().to_vec(),
    };
    let mut stopped = StoppedStore::take(&settings.path).unwrap();
    let numbers = WaitingNumbers { in_order: vec![2..3, 10..40], held: vec![3] };
    assert_eq!(stopped.drop_messages(A, &numbers), Ok(32));
    assert!(stopped.drop_messages(A, &numbers).is_err(), "they are gone already");
    assert_eq!(stopped.drop_messages(A, &WaitingNumbers::default()), Ok(0));
    stopped.put_messages(A, &[portable(5, "one"), portable(6, "two")]).unwrap();
    stopped.put_messages(A, &[portable(7, "three")]).unwrap();
    assert!(stopped.put_messages(ActorId(77), &[portable(8, "nobody's")]).is_err());
    let facts = stopped.inspection().facts().unwrap();
    assert_eq!((facts.runs, facts.mailboxes[0].waiting), (1, 9), "an operator is no run of a host");
    assert_eq!(stopped.inspection().check().unwrap().damages, [""; 0]);
    drop(stopped);
    let (store, image) = open(&settings).await;
    assert_eq!((image.actors[0].last_number, image.actors[0].waiting), (42, 9));
    let read = store.messages(A, 40, usize::MAX).await.unwrap();
    let last = Message::read(&read[2].record).unwrap();
    assert_eq!((read[2].number, last.sequence(), last.body.as_slice()), (42, 42, &b"three"[..]));
    assert_eq!((last.envelope.id, last.envelope.sender, last.envelope.attempt), (MessageId(7), A, 2));
}

#[tokio::test]
async fn state_is_changed_without_a_host_and_not_beside_one() {
    let (_home, settings) = folder();
    filled_with_state(&settings).await;
    let changes = [("k00".to_owned(), None), ("new".to_owned(), Some(b"x".to_vec()))];
    let mut stopped = StoppedStore::take(&settings.path).unwrap();
    stopped.change_state(A, &changes).unwrap();
    let long = stopped.change_state(A, &[("k".repeat(513), None)]).unwrap_err();
    assert!(long.to_string().contains("at most 512 bytes"), "{long}");
    assert!(stopped.change_state(ActorId(77), &changes).is_err(), "no actor has this id");
    assert_eq!(stopped.inspection().check().unwrap().damages, [""; 0]);
    drop(stopped);
    let (store, image) = open(&settings).await;
    assert_eq!((image.actors[0].state.keys, image.last), (20, 3));
    assert_eq!(store.value(A, "new").await.unwrap().unwrap().value, b"x");
    let refused = StoppedStore::take(&settings.path).err();
    assert!(matches!(refused, Some(OrderError::Store(StoreError::Taken { .. }))), "{refused:?}");
}
