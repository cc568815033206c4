//! The example of a program that embeds a play.

use std::process::Command;

use playhouse_tests::{built, cargo};

use crate::harness::{cache, playhouse};

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
