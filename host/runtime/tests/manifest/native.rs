//! `play.native`: addresses that the embedding program provides.

use expect_test::expect;
use playhouse_runtime::manifest::flow::{Flow, arrows};

use crate::message::{check, understood};

#[test]
fn native_actor_is_a_known_target_and_parent() {
    let play = understood(
        "[play]\nnative = [\"/audit\", \"/audit/log\"]\n[[actor]]\naddress = \"/audit/x\"\nplugin = \"count\"\n\
         sends_to = [\"/audit\", \"/audit/**\"]\n",
    );
    let play = play.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert_eq!(play.natives.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/audit", "/audit/log"]);
    let flow = Flow::of(&play);
    let lines: Vec<_> = flow.lines().iter().map(|line| arrows(line)).collect();
    assert_eq!(lines, ["/audit/x -> /audit", "/audit/x -> /audit/log", "/audit/x -> /audit/x"]);
    assert!(flow.stops_too_early().is_empty(), "native actors stop last");
}

#[test]
fn bad_addresses_of_native_actors_are_refused() {
    check(
        "[play]\nnative = [\"audit\", \"/\", \"/a\", \"/b\", \"/b\", \"/c/d\"]\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n",
        expect![[""]],
    );
}

#[test]
fn unknown_target_beside_native_actors_gets_a_suggestion() {
    check(
        "[play]\nnative = [\"/audit\"]\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nsends_to = [\"/audti\"]\n",
        expect![[""]],
    );
}
