//! The floors: what the disk, SQLite and Redis do alone.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use playhouse_benches::load::percentile;
use rusqlite::Connection;

use crate::figures::Figures;

/// The bytes of a message with its record.
const RECORD: usize = 164;
/// Turns in one transaction of the floor of SQLite: as many as a group of the store has under load.
const GROUP: usize = 1024;
/// Actors whose states change.
pub(crate) const ACTORS: usize = 100;

/// Appends records to a file and syncs each: p50 in microseconds.
pub(crate) fn append(units: usize, folder: &Path) -> Result<Figures> {
    let mut file = std::fs::File::create(folder.join("log"))?;
    let record = [7; RECORD];
    let mut times = Vec::with_capacity(units);
    for _ in 0..units {
        let began = Instant::now();
        file.write_all(&record)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(Figures::of("append", percentile(&mut times, 50).as_secs_f64() * 1e6))
}

/// Writes the rows of turns with one key of state, as a program on bare SQLite does: turns in a second.
pub(crate) fn sqlite(units: usize, folder: &Path) -> Result<Figures> {
    let mut db = Connection::open(folder.join("floor.db"))?;
    db.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -16384;
         create table state(actor integer, key text, value blob, primary key(actor, key)) without rowid;
         create table mailbox(id integer primary key, handled integer not null);",
    )?;
    let began = Instant::now();
    let mut turn = 0;
    while turn < units {
        let tx = db.transaction()?;
        {
            let mut set = tx.prepare_cached("insert or replace into state values (?1, 'sum', ?2)")?;
            let mut take = tx.prepare_cached(
                "insert into mailbox values (?1, 1) on conflict(id) do update set handled = handled + 1",
            )?;
            for _ in 0..GROUP.min(units - turn) {
                let actor = u32::try_from(turn % ACTORS)?;
                set.execute((actor, turn.to_string().as_bytes()))?;
                take.execute([actor])?;
                turn += 1;
            }
        }
        tx.commit()?;
    }
    Ok(Figures::of("sqlite", units as f64 / began.elapsed().as_secs_f64()))
}

/// A `redis-server` of this measurement alone. It ends when this is dropped.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds entries of 100 bytes to a stream that Redis syncs always, 256 in one pipeline: entries in a second.
pub(crate) fn redis(units: usize, folder: &Path) -> Result<Figures> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .stdout(Stdio::null())
        .spawn()
        .context("redis-server")?;
    let _server = Redis(child);
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
    let mut connection = loop {
        match client.get_connection() {
            Ok(connection) => break connection,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let body = "x".repeat(100);
    let began = Instant::now();
    let mut left = units;
    while left > 0 {
        let mut pipeline = redis::pipe();
        for _ in 0..left.min(256) {
            pipeline.cmd("XADD").arg("stream").arg("*").arg("body").arg(&body).ignore();
        }
        pipeline.query::<()>(&mut connection)?;
        left -= left.min(256);
    }
    Ok(Figures::of("redis", units as f64 / began.elapsed().as_secs_f64()))
}
