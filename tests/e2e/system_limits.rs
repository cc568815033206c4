//! Limits that the system sets for the process: a limit that is too low is one error with its name, never a panic, a signal or
//! a hang.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::geteuid;

use crate::harness::{actors, cache, command, folder, playhouse};

/// Runs the binary under limits that `prlimit` sets; as a user without rights for the limits that do not bind the superuser.
fn limited(folder: &Path, limit: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("prlimit");
    command.arg(limit);
    command.arg(playhouse()).args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env_remove("RUST_LOG").env("XDG_CACHE_HOME", cache()).env("XDG_STATE_HOME", folder);
    command.output().expect("prlimit is there")
}

/// The command that runs a play to its end.
const RUN: &[&str] = &["run", "--no-socket", "--until-idle", "--tell", "/echo=hello"];

#[test]
fn process_under_a_low_limit_ends_with_its_name() {
    let folder = folder(&actors(&[("/echo", "echo")]));
    let plugin = playhouse_tests::root().join("plugins/echo.wasm");
    let inspect = ["inspect", plugin.to_str().expect("a path in text")];
    for (limit, name) in [
        ("--as=300000000", "RLIMIT_AS is 300000000 bytes"),
        ("--data=30000000", "RLIMIT_DATA is 30000000 bytes"),
        ("--nofile=10", "RLIMIT_NOFILE is 10:"),
    ] {
        for arguments in [RUN, &["check"], &inspect] {
            let Output { status, stderr, .. } = limited(folder.path(), limit, arguments);
            let said = String::from_utf8_lossy(&stderr);
            assert_eq!(status.code(), Some(1), "{limit} {arguments:?}: {status}: {said}");
            assert!(said.starts_with("playhouse: the host needs ") && said.contains(name), "{limit}: {said}");
            assert_eq!(said.lines().count(), 1, "{limit}: {said}");
        }
    }
    let Output { status, stderr, .. } = limited(folder.path(), "--fsize=0", RUN);
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.code() == Some(1) && said.contains("RLIMIT_FSIZE is 0 bytes"), "{status}: {said}");
}

#[test]
fn process_under_any_limit_comes_up_or_names_it() {
    let folder = folder(&actors(&[("/echo", "echo")]));
    // Compiles the components that are not in the cache yet.
    assert!(command(folder.path()).arg("check").output().expect("it was built").status.success());
    let mib = 1 << 20;
    let sweep = |limit: &str, name: &'static str, values: &[u64]| {
        values.iter().map(|value| (format!("--{limit}={value}"), name)).collect::<Vec<_>>()
    };
    let cases = [
        sweep("as", "RLIMIT_AS", &[400, 800, 960, 1000, 1100, 1300, 2000, 5000].map(|n| n * mib)),
        sweep("data", "RLIMIT_DATA", &[20, 50, 100, 140, 150, 200, 1000].map(|n| n * mib)),
        sweep("fsize", "RLIMIT_FSIZE", &[0, 1000, 1 << 20, 10 << 20]),
        sweep("nofile", "RLIMIT_NOFILE", &[8, 20, 63, 64, 100]),
    ];
    for (limit, name) in cases.concat() {
        let Output { status, stderr, .. } = limited(folder.path(), &limit, RUN);
        let said = String::from_utf8_lossy(&stderr);
        match status.code() {
            Some(0) => assert!(said.contains(" is up: 1 actor"), "{limit}: {said}"),
            Some(1) => assert!(said.contains(name), "{limit}: {said}"),
            _ => panic!("{limit}: {status}: {said}"),
        }
    }
    let last = limited(folder.path(), "--as=5000000000", RUN);
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
}

#[test]
fn compiled_code_beyond_a_file_size_is_not_kept() {
    let folder = folder(&actors(&[("/echo", "echo")]));
    let mut command = Command::new("prlimit");
    command.arg("--fsize=2000").arg(playhouse()).arg("check").current_dir(folder.path());
    let state = folder.path().join("state");
    command.env("XDG_CACHE_HOME", folder.path().join("cache")).env("XDG_STATE_HOME", state).stdin(Stdio::null());
    let Output { status, stderr, .. } = command.output().expect("prlimit is there");
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
}

#[test]
fn user_with_few_threads_gets_an_error_that_names_it() {
    // The limit does not bind the superuser, and only the superuser can become a user without other processes.
    if !geteuid().is_root() {
        return;
    }
    let folder = folder(&actors(&[("/echo", "echo")]));
    let program = folder.path().join("playhouse");
    std::fs::copy(playhouse(), &program).expect("our own folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("our own folder");
    for threads in [1, 4, 9] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=64321", "--regid=64321", "--clear-groups", "--bounding-set=-all", "prlimit"]);
        command.arg(format!("--nproc={threads}")).arg(&program).args(RUN).stdin(Stdio::null());
        let Output { status, stderr, .. } = command.current_dir("/").output().expect("setpriv is there");
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{threads}: {status}: {said}");
        assert!(said.contains(&format!("RLIMIT_NPROC is {threads}:")), "{threads}: {said}");
    }
}
