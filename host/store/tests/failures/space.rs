//! Stores without space.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use playhouse_kernel::{JournalGroup, Store};
use playhouse_store::StoreSettings;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::SignalKind;

use crate::filled::{A, born, database, folder, open, put, take, write};

/// The environment of a host with a limit on the size of its files: the folder of its store.
const LIMITED: &str = "PLAYHOUSE_TEST_LIMITED";

/// The host, when this program is started as one by [`limit_on_the_size_of_files_is_a_full_store`].
#[tokio::test]
async fn limited_host() {
    let Ok(path) = std::env::var(LIMITED) else { return };
    // As the binary does: the signal would end the process.
    let too_large = SignalKind::from_raw(Signal::XFSZ.as_raw());
    let _heard = tokio::signal::unix::signal(too_large).unwrap();
    let limit = |current| Rlimit { current, ..getrlimit(Resource::Fsize) };
    setrlimit(Resource::Fsize, limit(Some(512 << 10))).unwrap();
    let settings = StoreSettings::new(Path::new(&path));
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 0;
    let refused = loop {
        match write(&store, &mut image, put(number + 1, &body)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.to_string(), "the store is full: a file is as large as the system allows (`ulimit -f`)");
    setrlimit(Resource::Fsize, limit(getrlimit(Resource::Fsize).maximum)).unwrap();
    write(&store, &mut image, put(number + 1, &body)).await.unwrap();
    drop(store);
    assert_eq!(open(&settings).await.1.actors[0].waiting, number + 1);
}

#[test]
fn limit_on_the_size_of_files_is_a_full_store() {
    run_limited("space::limited_host");
}

/// Runs a test of this program as a host of its own.
fn run_limited(test: &str) {
    let (_home, settings) = folder();
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", test, "--nocapture"]).env(LIMITED, &settings.path);
    let output = host.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(database(&settings).exists(), "it ran");
}

/// The host, when this program is started as one by [`log_that_used_up_the_space_gives_it_back`].
#[tokio::test]
async fn host_whose_log_grows() {
    let Ok(path) = std::env::var(LIMITED) else { return };
    let too_large = SignalKind::from_raw(Signal::XFSZ.as_raw());
    let _heard = tokio::signal::unix::signal(too_large).unwrap();
    let limit = |current| Rlimit { current, ..getrlimit(Resource::Fsize) };
    setrlimit(Resource::Fsize, limit(Some(512 << 10))).unwrap();
    let (store, mut image) = open(&StoreSettings::new(Path::new(&path))).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    // The log gets pages of each message and of its end; the database has one message at a time.
    for number in 1..100 {
        write(&store, &mut image, put(number, &body)).await.unwrap();
        write(&store, &mut image, take(number..number + 1)).await.unwrap();
    }
}

#[test]
fn log_that_used_up_the_space_gives_it_back() {
    run_limited("space::host_whose_log_grows");
}

#[tokio::test]
async fn full_store_keeps_nothing_of_its_group_and_goes_on() {
    let (_home, mut settings) = folder();
    settings.size_bytes = Some(256 << 10);
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 0;
    let refused = loop {
        match write(&store, &mut image, put(number + 1, &body)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.to_string(), "the store is full: the disk, or `size` of `[play.store]`, has no space left");
    assert!(number > 3, "{number}");
    let waiting = async || store.messages(A, 0, usize::MAX).await.unwrap().len() as u64;
    assert_eq!(waiting().await, number);
    write(&store, &mut image, take(1..number)).await.unwrap();
    write(&store, &mut image, put(number + 1, &body)).await.unwrap();
    assert_eq!(waiting().await, 2);
    drop(store);
    assert_eq!(open(&settings).await.1.actors[0].waiting, 2);
}

#[tokio::test]
async fn full_store_takes_a_group_that_makes_its_own_space() {
    let (_home, mut settings) = folder();
    settings.size_bytes = Some(256 << 10);
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 1;
    while write(&store, &mut image, put(number, &body)).await.is_ok() {
        number += 1;
    }
    let group =
        JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![put(number, &body), take(1..number)] };
    store.write(Arc::new(group)).await.unwrap();
    assert_eq!(store.messages(A, 0, usize::MAX).await.unwrap().len(), 1);
}
