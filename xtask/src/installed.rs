//! Programs from crates.io that some commands need: installed once, where cargo builds, each version in a folder of its own.

use std::path::PathBuf;

use crate::{cargo, run, target_dir};

/// Where a program is, or will be.
pub(crate) fn place(name: &str, version: &str) -> PathBuf {
    target_dir().join(format!("{name}-{version}")).join("bin").join(name)
}

/// Installs a program unless it is there; where it is.
pub(crate) fn program(name: &str, version: &str) -> Result<PathBuf, String> {
    let program = place(name, version);
    if program.exists() {
        return Ok(program);
    }
    let folder = program.ancestors().nth(2).expect("it lies in target/…/bin");
    // These start processes and read what they say: not worth the time to optimise them.
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--version", version, name]);
    install.arg("--root").arg(folder).arg("--target-dir").arg(folder.join("build"));
    run(install.env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    std::fs::remove_dir_all(folder.join("build")).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(program)
}
