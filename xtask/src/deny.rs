//! `cargo xtask deny`: licences, sources, duplicates and known flaws of what the workspace depends on. What is allowed, and
//! why, is in `deny.toml`.

use std::process::Command;

use crate::{Done, installed, root, run};

const VERSION: &str = "0.20.2";

/// Checks all that can be checked here, and says what could not.
pub(crate) fn check() -> Done {
    let program = installed::program("cargo-deny", VERSION)?;
    let deny = |arguments: &[&str]| {
        let mut deny = Command::new(&program);
        deny.current_dir(root()).args(["--all-features", "--locked"]).args(arguments);
        deny
    };
    run(&mut deny(&["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    // The database of advisories is a repository of its own; without a network there is none, and what was fetched before may
    // be old. A flaw that is known fails this; that nobody could look does not, but is said.
    if let Err(why) = run(&mut deny(&["fetch", "db"])) {
        println!(
            "\nNOT CHECKED: the advisories of RustSec, since their database could not be fetched here ({why}). Run \
             `cargo xtask deny` where https://github.com can be reached.\n"
        );
        return Ok(());
    }
    run(&mut deny(&["check", "--disable-fetch", "advisories"]))
}
