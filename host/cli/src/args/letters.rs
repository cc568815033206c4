//! The command line of dead letters.

use clap::{Args, Subcommand};
use playhouse_runtime::{Address, DeadReason};

use super::host::{Host, Look};
use super::values::parse_address;

/// `playhouse dead-letters`.
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// List the letters in the store, oldest first, and count all letters. JSON has the bodies and the crashes.
    List(ListLetters),
    /// Show one letter: sender, flow, reason, crash and body.
    Show(ShowLetter),
    /// Send bodies again to the same addresses, as new messages whose attempts begin again. A letter stays in the
    /// store unless its actor took the message.
    Replay(MoveLetters),
    /// Remove letters for good.
    Drop(MoveLetters),
}

/// A selection of dead letters.
#[derive(Debug, Args)]
pub struct SomeLetters {
    /// Only letters to this actor.
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub to: Option<Address>,
    /// Only letters with this reason.
    #[arg(long, value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(DeadReason::KINDS))]
    pub reason: Option<String>,
}

/// `playhouse dead-letters list`.
#[derive(Debug, Args)]
pub struct ListLetters {
    /// The selection.
    #[command(flatten)]
    pub which: SomeLetters,
    /// The host, and the form of the output.
    #[command(flatten)]
    pub look: Look,
}

/// `playhouse dead-letters show`.
#[derive(Debug, Args)]
pub struct ShowLetter {
    /// The letter's id, or the beginning of the id.
    pub id: String,
    /// Print any body as text, with control characters escaped. Default: text if no character needs an escape,
    /// else hexadecimal.
    #[arg(long, conflicts_with_all = ["hex", "json"])]
    pub text: bool,
    /// Print the body in hexadecimal.
    #[arg(long, conflicts_with = "json")]
    pub hex: bool,
    /// The host, and the form of the output.
    #[command(flatten)]
    pub look: Look,
}

/// `playhouse dead-letters replay`, `playhouse dead-letters drop`.
#[derive(Debug, Args)]
#[group(id = "letters", required = true, multiple = true, args = ["id", "all", "to", "reason"])]
pub struct MoveLetters {
    /// The id of one letter, or the beginning of the id.
    #[arg(conflicts_with_all = ["all", "to", "reason"])]
    pub id: Option<String>,
    /// All letters, or all letters that match `--to` and `--reason`.
    #[arg(long)]
    pub all: bool,
    /// The selection.
    #[command(flatten)]
    pub which: SomeLetters,
    /// The host.
    #[command(flatten)]
    pub host: Host,
}
