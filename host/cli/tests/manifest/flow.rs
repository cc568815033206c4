//! Who may send to whom: `sends_to` and `pipeline`.

use expect_test::expect;

use crate::message::{check, understood};

#[test]
fn a_target_that_no_actor_has() {
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
fn a_pipeline_grants_each_the_next_and_nothing_else() {
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
fn a_pipeline_that_names_nobody_or_goes_back() {
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
              help: `pipeline` names actors of this manifest in the order in which they hand on, as in ["/a", "/b", "/c"]

              × `/a` is in the pipeline twice: its messages would go in a circle
               ╭─[playhouse.toml:2:32]
             1 │ [play]
             2 │ pipeline = ["/a", "/bb", "/c", "/a"]
               ·             ──┬─               ──┬─
               ·               │                  ╰── again here
               ·               ╰── first here
             3 │ [[actor]]
               ╰────
              help: a pipeline only goes forward; what else is sent is granted with `sends_to`

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
              help: `pipeline` names actors of this manifest in the order in which they hand on, as in ["/a", "/b", "/c"]

        "#]],
    );
}
