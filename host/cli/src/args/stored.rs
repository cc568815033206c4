//! The command line of stores and of the mailboxes in them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use playhouse_runtime::Address;

use super::host::Host;
use super::values::parse_address;

/// `playhouse store`.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Show the format, the runs, the size and the number of messages and dead letters.
    Info(StoreLook),
    /// Read everything, and name each damage with its place. Exit code 2 when there is one.
    Check(StoreLook),
    /// Write the store into one new file, as it is at one moment. A host may go on meanwhile.
    Backup(Backup),
    /// Make a store from a backup, without a host. Ids of messages from after the backup are not used again.
    Restore(Restore),
    /// Give the space of handled messages back to the disk, without a host.
    Compact(StoreFolder),
}

/// The host that is asked, or the store of a stopped one.
#[derive(Debug, Args)]
pub struct StoreHost {
    /// The folder of the store of a stopped host; no host may have it. Without this, the running host is asked.
    #[arg(long, value_name = "PATH", conflicts_with = "socket")]
    pub store: Option<PathBuf>,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}

/// The host or the store, and the form of the output.
#[derive(Debug, Args)]
pub struct StoreLook {
    /// The host or the store.
    #[command(flatten)]
    pub place: StoreHost,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `playhouse store backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The new file. It has this name once it is whole.
    pub file: PathBuf,
    /// The host or the store, and the form of the output.
    #[command(flatten)]
    pub look: StoreLook,
}

/// The store of a stopped host.
#[derive(Debug, Args)]
pub struct StoreFolder {
    /// The folder of the store; no host may have it.
    #[arg(long, value_name = "PATH", default_value = ".playhouse/store")]
    pub store: PathBuf,
}

/// `playhouse store restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The file that `playhouse store backup` wrote.
    pub file: PathBuf,
    /// The store.
    #[command(flatten)]
    pub folder: StoreFolder,
    /// Replace the store that is there, and keep it as `store.db.replaced` in the folder.
    #[arg(long)]
    pub replace: bool,
}

/// `playhouse mailbox`.
#[derive(Debug, Subcommand)]
pub enum Mailbox {
    /// List the durable mailboxes, also those of actors that are gone from the manifest. A store without a host does not know those of
    /// the manifest that never had anything.
    List(StoreLook),
    /// Show the messages that wait, in order. The actor does not notice.
    Show(ShowMailbox),
    /// Remove messages for good: they are no dead letters. Messages that are being handled stay.
    Drop(DropMessages),
    /// Print the messages that wait, one JSON object in each line, for `import`. They stay.
    Export(OfMailbox),
    /// Put the messages of an export into the mailbox, after those that wait. They keep their ids; those whose ids wait there are
    /// left out.
    Import(OfMailbox),
}

/// One mailbox.
#[derive(Debug, Args)]
pub struct OfMailbox {
    /// The address of its actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The host or the store.
    #[command(flatten)]
    pub place: StoreHost,
}

/// `playhouse mailbox show`.
#[derive(Debug, Args)]
pub struct ShowMailbox {
    /// The address of its actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// Most messages.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u64,
    /// Print any body as text, with control characters escaped. Default: text if no character needs an escape,
    /// else hexadecimal.
    #[arg(long, conflicts_with_all = ["hex", "json"])]
    pub text: bool,
    /// Print the bodies in hexadecimal.
    #[arg(long, conflicts_with = "json")]
    pub hex: bool,
    /// The host or the store, and the form of the output.
    #[command(flatten)]
    pub look: StoreLook,
}

/// `playhouse mailbox drop`.
#[derive(Debug, Args)]
#[group(id = "messages", required = true, multiple = false, args = ["id", "all"])]
pub struct DropMessages {
    /// The address of its actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The id of a message, or the beginning of the id.
    pub id: Option<String>,
    /// All messages that wait.
    #[arg(long)]
    pub all: bool,
    /// The host or the store.
    #[command(flatten)]
    pub place: StoreHost,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::Cli;

    #[test]
    fn orders_need_their_selection_and_one_place() {
        let parsed = |arguments: &[&str]| Cli::try_parse_from([&["playhouse"], arguments].concat()).is_ok();
        for good in [
            &["store", "info"][..],
            &["store", "check", "--store", "s", "--json"],
            &["store", "backup", "b.db", "--socket", "s"],
            &["store", "restore", "b.db", "--replace"],
            &["store", "compact", "--store", "s"],
            &["mailbox", "list", "--json"],
            &["mailbox", "show", "/a", "--limit", "3", "--hex"],
            &["mailbox", "drop", "/a", "5d1f"],
            &["mailbox", "drop", "/a", "--all", "--store", "s"],
            &["mailbox", "export", "/a"],
            &["mailbox", "import", "/a", "--store", "s"],
        ] {
            assert!(parsed(good), "{good:?}");
        }
        for bad in [
            &["store"][..],
            &["store", "info", "--store", "s", "--socket", "t"],
            &["store", "backup"],
            &["mailbox", "drop", "/a"],
            &["mailbox", "drop", "/a", "5d1f", "--all"],
            &["mailbox", "show", "/"],
            &["mailbox", "show", "/a", "--hex", "--json"],
        ] {
            assert!(!parsed(bad), "{bad:?}");
        }
    }
}
