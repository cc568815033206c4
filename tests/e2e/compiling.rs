//! Limits on compiling a component, with components that were made to exceed them.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{command, root};

/// A folder whose play has this component.
fn play_of(component: &[u8], limits: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    std::fs::write(folder.path().join("plugins/bomb.wasm"), component).unwrap();
    let manifest = format!(
        "[play]\nname = \"test\"\n[play.limits]\n{limits}\n[[actor]]\naddress = \"/bomb\"\nplugin = \"bomb\"\n"
    );
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    folder
}

/// The exit code, and stderr on one line.
fn fails(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let done = command(folder).env("XDG_CACHE_HOME", folder.join("cache")).args(arguments).output().unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    // A problem is drawn with a margin.
    let words: Vec<_> = stderr.split_whitespace().filter(|word| *word != "│").collect();
    (done.status.code(), words.join(" "))
}

#[test]
fn endless_compilation_ends_the_run_and_names_the_key() {
    let folder = play_of(&playhouse_tests::compiles_for_ever(), "compile_time = \"300ms\"");
    for command in ["run", "check"] {
        let (code, said) = fails(folder.path(), &[command]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("takes longer to compile than the 300ms that play.limits.compile_time allows"), "{said}");
        assert!(said.contains("the plugin of `/bomb`"), "{said}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path().join("cache/playhouse")).unwrap().count(),
        0,
        "the cache keeps nothing of the component"
    );
}

#[test]
fn compilation_beyond_memory_ends_the_run_and_names_the_key() {
    let folder = play_of(&playhouse_tests::compiles_into_all_memory(), "compile_memory = \"64MiB\"");
    let (code, said) = fails(folder.path(), &["run"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("takes more memory to compile than the 67108864 bytes that play.limits.compile_memory"),
        "{said}"
    );
    let (code, said) = fails(folder.path(), &["inspect", "plugins/bomb.wasm"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the 1073741824 bytes that play.limits.compile_memory allows"), "{said}");
    assert!(said.contains("`inspect` uses the default limits, `playhouse check` those of the manifest"), "{said}");
}

#[test]
fn compiler_process_ends_with_its_parent() {
    let folder = play_of(&playhouse_tests::compiles_for_ever(), "compile_time = \"1h\"");
    let mut check = command(folder.path())
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .arg("check")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let compiler = eventually(|| compiler_of(check.id()));
    kill_process(Pid::from_child(&check), Signal::KILL).unwrap();
    check.wait().unwrap();
    eventually(|| is_over(compiler).then_some(()));
}

/// Whether the process is gone, or a zombie: not every init process reaps its children.
fn is_over(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_err() || stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// The child process, once its memory limit is set.
fn compiler_of(parent: u32) -> Option<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let child = children.collect::<String>().split_whitespace().next()?.parse().ok()?;
    let limits = std::fs::read_to_string(format!("/proc/{child}/limits")).ok()?;
    let data = limits.lines().find(|line| line.starts_with("Max data size"))?;
    data.contains("1073741824").then(|| Pid::from_raw(child))?
}

fn eventually<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < until, "the event did not happen within a minute");
        std::thread::yield_now();
    }
}

#[test]
fn compiling_with_too_few_bytes_for_the_compiler_is_refused() {
    let folder = play_of(b"", "compile_memory = \"1MiB\"\ncompile_time = \"0s\"");
    let (code, said) = fails(folder.path(), &["check"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`play.limits.compile_memory` is under 64MiB"), "{said}");
    assert!(said.contains("`play.limits.compile_time` is"), "{said}");
}

#[test]
fn ordinary_component_compiles_with_the_least_memory() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = root().join("plugins");
    std::fs::write(
        folder.path().join("playhouse.toml"),
        format!(
            "[play]\nname = \"test\"\nplugins = {plugins:?}\n[play.limits]\ncompile_memory = \"64MiB\"\n[[actor]]\naddress = \"/count\"\nplugin = \"count\"\n"
        ),
    )
    .unwrap();
    let (code, said) = fails(folder.path(), &["check"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn missing_home_is_said_as_the_reason_that_nothing_is_cached() {
    let folder = crate::harness::folder(&crate::harness::actors(&[("/echo", "echo")]));
    let mut run = command(folder.path());
    run.env_remove("HOME").env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME").args(["run", "--until-idle"]);
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("no cache of compiled code").count(), 1, "{said}");
    assert!(said.contains("set XDG_CACHE_HOME and XDG_STATE_HOME, or HOME"), "{said}");
}
