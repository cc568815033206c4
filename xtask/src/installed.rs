//! Programs from crates.io that some commands need. Each version is installed once, into a folder of its own in cargo's target
//! folder.

use std::path::PathBuf;

use crate::process::{cargo, run, target_dir};

/// The path of a program, installed or not.
pub(crate) fn place(name: &str, version: &str) -> PathBuf {
    target_dir().join(format!("{name}-{version}")).join("bin").join(name)
}

/// Installs a program if it is missing, and returns its path.
pub(crate) fn program(name: &str, version: &str) -> Result<PathBuf, String> {
    let program = place(name, version);
    if program.exists() {
        return Ok(program);
    }
    let folder = program.ancestors().nth(2).expect("it lies in target/…/bin");
    // The programs start processes and read their output: optimising them costs more time than it saves.
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--version", version, name]);
    install.arg("--root").arg(folder).arg("--target-dir").arg(folder.join("build"));
    run(install.env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    std::fs::remove_dir_all(folder.join("build")).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(program)
}
