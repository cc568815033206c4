//! Files and sockets that another program changed or uses: the plugins folder, pins, the control socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::harness::{Host, actors, command, folder, root};

/// A folder with a plugins folder of its own, into which `place` puts `echo`.
fn with_echo(manifest: &str, place: impl FnOnce(&Path, &Path)) -> tempfile::TempDir {
    let built = folder("");
    let plugins = built.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    place(&root().join("plugins/echo.wasm"), &plugins);
    std::fs::write(built.path().join("playhouse.toml"), manifest).unwrap();
    built
}

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(folder).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_plugin_that_is_a_link_out_of_its_folder_does_not_run() {
    let manifest = actors(&[("/echo", "echo")]);
    let folder = with_echo(&manifest, |wasm, plugins| {
        std::os::unix::fs::symlink(wasm, plugins.join("echo.wasm")).unwrap();
    });
    for arguments in [&["check"][..], &["run", "--until-idle"]] {
        let (code, said) = check(folder.path(), arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("`plugins/echo.wasm` is a link that leads out of its folder"), "{said}");
        assert!(said.contains("playhouse.toml:3:10"), "{said}");
    }
}

#[test]
fn a_plugin_that_is_not_the_pinned_file_does_not_run() {
    let pinned = |digest: &str| format!("{}sha256 = {digest:?}\n", actors(&[("/echo", "echo")]));
    let copy = |wasm: &Path, plugins: &Path| assert!(std::fs::copy(wasm, plugins.join("echo.wasm")).is_ok());
    let other = with_echo(&pinned(&"0".repeat(64)), copy);
    let (code, said) = check(other.path(), &["run", "--until-idle"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is not the file that `/echo` is pinned to"), "{said}");
    let (_, digest) = said.split_once("the file has ").unwrap();
    let same = with_echo(&pinned(&digest[..64]), copy);
    let (code, said) = check(same.path(), &["run", "--until-idle"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn machine_code_in_the_plugins_folder_is_ignored() {
    let manifest = actors(&[("/echo", "echo")]);
    let folder = with_echo(&manifest, |wasm, plugins| assert!(std::fs::copy(wasm, plugins.join("echo.cwasm")).is_ok()));
    let (code, said) = check(folder.path(), &["check"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no file `plugins/echo.wasm`"), "{said}");
}

#[test]
fn malformed_requests_are_all_answered_and_a_few_are_logged() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let mut stream = UnixStream::connect(host.folder.path().join(".playhouse/control.sock")).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let count = 1000;
    for n in 0..count {
        // Escapes and line ends must not reach the log as they are.
        writeln!(stream, "{{\"v\":1,\"request\":\"\\u001b[2J\\n{n}\"}}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("{\"v\":1,\"error\":{\"kind\":\"malformed\""), "{answer}");
    }
    stream.write_all(b"half a request").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut last = String::new();
    answers.read_to_string(&mut last).unwrap();
    assert!(last.contains("it ends without a line end"), "{last}");
    assert_eq!(host.ok(&["ask", "/echo", "still there"]), "still there");
    host.signal(rustix::process::Signal::INT);
    let ended = host.end();
    let logged = ended.stderr.lines().filter(|line| line.contains("a request was not understood")).count();
    assert!((1..count / 2).contains(&logged), "{logged} lines");
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
}

#[test]
fn second_host_on_one_socket_is_refused() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    let (code, said) = check(host.folder.path(), &["run"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another host listens on `.playhouse/control.sock`"), "{said}");
    assert_eq!(host.ok(&["ask", "/echo", "x"]), "x");
}

#[test]
fn actor_without_files_imports_no_stdin_and_no_polling() {
    for plugin in ["echo", "report", "split"] {
        let wasm = std::fs::read(root().join("plugins").join(plugin).with_extension("wasm")).unwrap();
        let imports = |name: &str| wasm.windows(name.len()).any(|bytes| bytes == name.as_bytes());
        assert!(imports("wasi:cli/stdout"), "{plugin} prints");
        for absent in ["wasi:cli/stdin", "wasi:cli/terminal", "wasi:io/poll"] {
            assert!(!imports(absent), "{plugin} imports {absent}");
        }
    }
}
