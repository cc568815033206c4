//! The command line of the states of actors.

use clap::{Args, Subcommand};
use playhouse_runtime::Address;

use super::stored::StoreLook;
use super::values::parse_address;

/// `playhouse state`.
#[derive(Debug, Subcommand)]
pub enum State {
    /// List the keys, in the order of their bytes.
    Keys(StateKeys),
    /// Print the value of a key as it is; exit code 1 when it has none. JSON has text, or base64.
    Get(StateKey),
    /// Give a key a value.
    Set(SetState),
    /// Remove a key with its value; exit code 1 when it has none.
    Delete(StateKey),
    /// Print all keys with their values, as lines of JSON that `import` takes: `{"key":…,"text":…}`, or with `"base64"` for a
    /// value that is no text.
    Export(StateKeys),
    /// Read such lines from stdin and set their keys; other keys stay. An import that was cut off may be repeated.
    Import(ImportState),
}

/// `playhouse state keys`, `playhouse state export`.
#[derive(Debug, Args)]
pub struct StateKeys {
    /// The actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// Only keys that begin with this text.
    #[arg(default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// The host or the store, and the form of the output.
    #[command(flatten)]
    pub look: StoreLook,
}

/// `playhouse state get`, `playhouse state delete`.
#[derive(Debug, Args)]
pub struct StateKey {
    /// The actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The key; one that looks like an option comes after `--`.
    pub key: String,
    /// The host or the store, and the form of the output.
    #[command(flatten)]
    pub look: StoreLook,
}

/// `playhouse state set`.
#[derive(Debug, Args)]
pub struct SetState {
    /// The actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The key; one that looks like an option comes after `--`.
    pub key: String,
    /// The value; one that looks like an option comes after `--`. Default: all of stdin.
    #[arg(allow_hyphen_values = true)]
    pub value: Option<String>,
    /// The host or the store, and the form of the output.
    #[command(flatten)]
    pub look: StoreLook,
}

/// `playhouse state import`.
#[derive(Debug, Args)]
pub struct ImportState {
    /// The actor.
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Address,
    /// The host or the store, and the form of the output.
    #[command(flatten)]
    pub look: StoreLook,
}
