//! The targets that actors may send to: `sends_to` and `pipeline`.

use expect_test::expect;
use playhouse_runtime::manifest::flow::Flow;
use std::fmt::Write as _;

use crate::message::{check, understood};

#[test]
fn unknown_target_is_refused() {
    check(
        r#"
[[actor]]
address = "/report"
plugin = "report"
[[actor]]
address = "/count"
plugin = "count"
sends_to = ["/reprot", "nowhere"]
"#,
        expect![[r#"
            stderr:
              × no actor has the address `/reprot`
               ╭─[playhouse.toml:7:13]
             6 │ plugin = "count"
             7 │ sends_to = ["/reprot", "nowhere"]
               ·             ────┬────
               ·                 ╰── did you mean "/report"?
               ╰────
              help: `sends_to` names actors of this manifest

              × `nowhere` is no address: it must begin with `/`, as in `/shop/cart`
               ╭─[playhouse.toml:7:24]
             6 │ plugin = "count"
             7 │ sends_to = ["/reprot", "nowhere"]
               ·                        ────┬────
               ·                            ╰── did you mean "/nowhere"?
               ╰────
              help: `sends_to` is a list of addresses, as in ["/count"]

            2 problems in playhouse.toml
        "#]],
    );
}

/// `/c`, `/b` and `/a`, with this pipeline.
fn piped(pipeline: &str) -> String {
    let actor = |name| format!("[[actor]]\naddress = \"/{name}\"\nplugin = \"count\"\n");
    format!("[play]\npipeline = {pipeline}\n{}{}{}", actor("c"), actor("b"), actor("a"))
}

#[test]
fn pipeline_grants_each_actor_only_the_next() {
    let play =
        understood(&piped(r#"["/a", "/b", "/c"]"#)).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let granted: Vec<_> = play
        .actors
        .iter()
        .map(|actor| {
            let to: Vec<_> = actor.settings.sends_to.iter().map(ToString::to_string).collect();
            format!("{}: {}", actor.address, to.join(" "))
        })
        .collect();
    assert_eq!(granted, ["/c: ", "/b: /c", "/a: /b"]);
}

#[test]
fn pipeline_with_unknown_or_repeated_actors_is_refused() {
    check(
        &piped(r#"["/a", "/bb", "/c", "/a"]"#),
        expect![[r#"
            stderr:
              × no actor has the address `/bb`
               ╭─[playhouse.toml:2:19]
             1 │ [play]
             2 │ pipeline = ["/a", "/bb", "/c", "/a"]
               ·                   ──┬──
               ·                     ╰── did you mean "/b"?
             3 │ [[actor]]
               ╰────
              help: `pipeline` names actors of this manifest in the order in which they send, as in ["/a", "/b", "/c"]

              × `/a` is in the pipeline twice: its messages would go in a circle
               ╭─[playhouse.toml:2:32]
             1 │ [play]
             2 │ pipeline = ["/a", "/bb", "/c", "/a"]
               ·             ──┬─               ──┬─
               ·               │                  ╰── again here
               ·               ╰── first here
             3 │ [[actor]]
               ╰────
              help: a pipeline only goes forward; grant other sends with `sends_to`

            2 problems in playhouse.toml
        "#]],
    );
    check(
        &piped(r#"["/a"]"#),
        expect![[r#"
            stderr:
              × a pipeline has at least two actors
               ╭─[playhouse.toml:2:12]
             1 │ [play]
             2 │ pipeline = ["/a"]
               ·            ───┬──
               ·               ╰── here
             3 │ [[actor]]
               ╰────
              help: `pipeline` names actors of this manifest in the order in which they send, as in ["/a", "/b", "/c"]

        "#]],
    );
}

#[test]
fn large_play_is_checked_in_linear_time() {
    // A step whose time grows with the square of the actors or of the edges would take minutes.
    const ACTORS: usize = 50_000;
    let mut text = String::from("[play]\nmax_instances = 60000\n[[plugin]]\nname = \"report\"\n");
    for n in 0..ACTORS {
        let start = ["manual", "on-message"][n % 2];
        let to: Vec<_> = (1..=4).map(|step| format!("\"/a{}\"", (n + step * 7) % ACTORS)).collect();
        let to = to.join(",");
        let _ = write!(
            text,
            "[[actor]]\naddress=\"/a{n}\"\nplugin=\"count\"\nspawns=[\"report\"]\nstart=\"{start}\"\nsends_to=[{to},\"/a{n}/**\"]\n"
        );
    }
    let play = understood(&text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let flow = Flow::of(&play);
    let cycles = flow.cycles();
    assert_eq!((cycles.len(), flow.left_out()), (1, 0));
    assert!(cycles[0].len() > ACTORS / 28);
    assert!(flow.stops_too_early().is_empty(), "all of them are in one circle");
    let edges: usize = flow.lines().iter().map(|line| line.len() - 1).sum();
    // Each actor has four edges, and one to the actors that it spawns. Spawned actors have no grants.
    assert_eq!(edges, 5 * ACTORS);
}

#[test]
fn large_subtrees_are_followed_up_to_a_limit() {
    let mut text = String::from("[play]\nmax_instances = 3000\n");
    for n in 0..2_000 {
        let _ = write!(text, "[[actor]]\naddress=\"/a{n}\"\nplugin=\"count\"\nsends_to=[\"/**\"]\n");
    }
    let play = understood(&text).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let flow = Flow::of(&play);
    assert_eq!(flow.left_out(), 2_000 - (1 << 20) / 2_001);
}

#[test]
fn many_wrong_names_are_reported_in_linear_time() {
    let mut text = String::from("[play]\nmax_instances = 60000\n");
    for n in 0..20_000 {
        let _ = write!(text, "[[actor]]\naddress=\"/a{n}\"\nplugin=\"cuont\"\nsends_to=[\"/b{n}\"]\nspawns=[\"x\"]\n");
    }
    let problems = understood(&text).expect_err("every name is wrong");
    let report = problems.render(false);
    assert!(
        report.ends_with("60000 problems in playhouse.toml; these are the first 50\n"),
        "{}",
        &report[report.len() - 200..]
    );
    assert!(report.contains("did you mean \"count\"?"));
}
