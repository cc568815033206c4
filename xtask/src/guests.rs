//! Builds the plugins: `cargo build` for `wasm32-wasip2`, then a copy into `plugins/`, where manifests look.

use std::process::Command;

use crate::process::{Done, cargo, root, run, target_dir};

/// Every crate that becomes a `.wasm` in `plugins/`.
pub(crate) const PLUGINS: &[&str] = &[
    "chat",
    "count",
    "counter",
    "cron",
    "echo",
    "fetch",
    "flaky",
    "guide",
    "nightwatch",
    "orders",
    "priority",
    "queue",
    "report",
    "split",
    "team",
    "till",
    "web",
    "worker",
];

/// The guests that only benches use.
pub(crate) const BENCH_GUESTS: &[&str] = &["bench-adder", "bench-driver", "bench-driver-shared"];

const TARGET: &str = "wasm32-wasip2";

pub(crate) fn build(plugins: &[&str]) -> Done {
    add_target()?;
    let mut build = cargo();
    build.args(["build", "--profile", "guest", "--target", TARGET]);
    for plugin in plugins {
        build.args(["--package", plugin]);
    }
    run(&mut build)?;
    for plugin in plugins {
        let built = target_dir().join(TARGET).join("guest").join(format!("{}.wasm", plugin.replace('-', "_")));
        let plugin_file = root().join("plugins").join(format!("{plugin}.wasm"));
        // The file is replaced in one step: a host that reads it at that time sees the old file or the new one.
        let new = plugin_file.with_extension("wasm.new");
        std::fs::copy(&built, &new)
            .and_then(|_| std::fs::rename(&new, &plugin_file))
            .map_err(|error| format!("{} -> {}: {error}", built.display(), plugin_file.display()))?;
    }
    Ok(())
}

/// Adds the guests' target where rustup manages the toolchain and it is missing.
fn add_target() -> Done {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root()).output();
    match installed {
        Ok(output) if String::from_utf8_lossy(&output.stdout).lines().any(|line| line == TARGET) => Ok(()),
        Ok(_) => run(Command::new("rustup").args(["target", "add", TARGET]).current_dir(root())),
        // A toolchain without rustup brings its own targets; cargo says what is missing.
        Err(_) => Ok(()),
    }
}
