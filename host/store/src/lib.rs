//! Keeps a play over the runs of its host, in a SQLite database: the kernel's [`Store`](playhouse_kernel::Store) on a disk.
//!
//! ```
//! use std::sync::Arc;
//!
//! use playhouse_kernel::{Kernel, Plan};
//! use playhouse_store::{SqliteStore, StoreSettings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("store");
//! let store = SqliteStore::new(StoreSettings::new(&folder));
//! let kernel = Kernel::open(&Plan::default(), Arc::new(store)).await?;
//! kernel.shut_down();
//! kernel.wait_stopped().await;
//! # Ok(())
//! # }
//! ```
//!
//! A group of entries is one transaction, which is synced before [`Store::write`](playhouse_kernel::Store::write) returns. Of a
//! group, only the net change is written: a message that is put and taken in it never reaches the disk.
//!
//! | file | content |
//! |---|---|
//! | `settings`, `store` | the public face |
//! | `worker` | a thread that owns a connection, and does one job after another |
//! | `folder` | the folder of a store: its lock, and the kind of its file system |
//! | `schema` | the tables, the format's number, the settings of a connection |
//! | `error` | errors of SQLite as errors of a store |
//! | `checksum` | the checksum of a row |
//! | `taken`, `timers`, `suspects` | the numbers of a mailbox that are gone, the timers of its actor, the messages that may have ended runs: pure |
//! | `mailbox` | the writer's knowledge of a mailbox, and its changes within a group: pure |
//! | `actors` | the actors in memory: those that groups named lately |
//! | `state`, `rows` | the facts in memory, with a group applied to them; the rows of the tables |
//! | `values` | the rows of states, and the times after which they go |
//! | `origins` | positions of sources outside |
//! | `writer` | groups as transactions |
//! | `reserve` | the space that is kept for turns and orders |
//! | `reader` | messages, states and dead letters |
//! | `migrations` | stores of older formats, brought to the current one |
//! | `format_1`, `format_2` | the steps from the first format to the second, and from that to the third |
//! | `inspection`, `check` | facts, messages, states and backups; the check of everything |
//! | `stopped`, `restore` | orders for a store without a host; a backup that becomes a store |
//! | `tail` | the note of the last group, which tells that the log lost its end |
//! | `children` | the actors that were spawned |
//! | `checkpoint` | the write-ahead log is moved into the database beside the writer |

mod actors;
mod check;
mod checkpoint;
mod checksum;
mod children;
mod columns;
mod error;
mod folder;
mod format_1;
mod format_2;
mod inspection;
mod mailbox;
mod migrations;
mod origins;
mod reader;
mod reserve;
mod restore;
mod rows;
mod schema;
mod settings;
mod state;
mod stopped;
mod store;
mod suspects;
mod tail;
mod taken;
mod timers;
mod values;
mod worker;
mod writer;

pub use check::Checked;
pub use error::OrderError;
pub use inspection::{BackupFacts, Inspection, MailboxFacts, StoreFacts};
pub use migrations::Migrated;
pub use restore::restore;
pub use settings::{StoreSettings, Survives};
pub use stopped::StoppedStore;
pub use store::SqliteStore;
