//! `cargo xtask deny`: licences, sources, duplicates and known flaws of the workspace's dependencies. `deny.toml` has the
//! exceptions with their reasons.

use std::process::Command;

use crate::installed;
use crate::process::{Done, root, run};

const VERSION: &str = "0.20.2";

/// Runs all checks that are possible here, and prints which one was not.
pub(crate) fn check() -> Done {
    let program = installed::program("cargo-deny", VERSION)?;
    let deny = |arguments: &[&str]| {
        let mut deny = Command::new(&program);
        deny.current_dir(root()).args(["--all-features", "--locked"]).args(arguments);
        deny
    };
    run(&mut deny(&["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    // The database of advisories is a repository of its own. Without a network it cannot be fetched, and an earlier copy may be
    // old. A known flaw fails the command; a missing database is only reported.
    if let Err(why) = run(&mut deny(&["fetch", "db"])) {
        println!(
            "\nNOT CHECKED: the advisories of RustSec, since their database could not be fetched here ({why}). Run \
             `cargo xtask deny` where https://github.com can be reached.\n"
        );
        return Ok(());
    }
    run(&mut deny(&["check", "--disable-fetch", "advisories"]))
}
