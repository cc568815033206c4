//! The example of a program that embeds a play, and the command with the manifest of that program.

use std::process::Command;

use playhouse_tests::{built, cargo};

use crate::harness::{cache, command, playhouse, root};

#[test]
fn example_of_embedding_runs_sandboxed_and_native_actors() {
    // Builds the guests as well.
    playhouse();
    cargo(&["build", "--package", "embed"]);
    let ran = Command::new(built().join("embed")).env("XDG_CACHE_HOME", cache()).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    let expected = "/audit got 14 words\n\
                    /audit (native:Audit) is idle and has handled 3\n\
                    /split (split) is idle and has handled 2\n\
                    0 messages were not handled\n";
    assert_eq!((said.as_ref(), ran.status.code()), (expected, Some(0)), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn check_knows_native_actors_and_run_refuses_them() {
    let folder = root().join("examples/embed");
    let checked = command(&folder).arg("check").output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("/audit   (native)"), "{said}");
    assert!(said.contains("/split -> /audit\n"), "{said}");
    let ran = command(&folder).args(["run", "--no-socket", "--until-idle"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("a program provides the native actor `/audit` (`native` under [play])"), "{said}");
}
