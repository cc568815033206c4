//! `metrics` of an actor and of a plugin: the names of its own metrics.

use expect_test::expect;

use crate::message::{check_actor, understood};

#[test]
fn names_of_metrics_are_kept() {
    let actor = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n";
    let plugin = "[[plugin]]\nname = \"split\"\n";
    let play = understood(&format!("{actor}metrics = [\"orders\", \"amount\"]\n{plugin}metrics = [\"pages\"]"));
    let play = play.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let names =
        |names: &playhouse_runtime::MetricNames| names.all().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&play.actors[0].settings.metrics), ["orders", "amount"]);
    assert_eq!(names(&play.spawnable[0].settings.metrics), ["pages"]);
}

#[test]
fn name_of_a_metric_has_a_form() {
    check_actor(
        "metrics = [\"Orders\", \"wait\\u001b[31m\"]",
        expect![[r#"
        stderr:
          × `Orders` is no name of a metric
           ╭─[playhouse.toml:4:12]
         3 │ plugin = "count"
         4 │ metrics = ["Orders", "wait\u001b[31m"]
           ·            ────┬───
           ·                ╰── here
           ╰────
          help: a metric is named by 1 to 64 of `a` to `z`, `0` to `9` and `_`, a letter first, as in "orders"

          × `wait\u{1b}[31m` is no name of a metric
           ╭─[playhouse.toml:4:22]
         3 │ plugin = "count"
         4 │ metrics = ["Orders", "wait\u001b[31m"]
           ·                      ────────┬───────
           ·                              ╰── here
           ╰────
          help: a metric is named by 1 to 64 of `a` to `z`, `0` to `9` and `_`, a letter first, as in "orders"

        2 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn end_that_the_exposition_adds_is_refused() {
    check_actor(
        "metrics = [\"orders_total\", \"sum\"]",
        expect![[r#"
        stderr:
          × `orders_total` ends with `total`, which the names of samples end with
           ╭─[playhouse.toml:4:12]
         3 │ plugin = "count"
         4 │ metrics = ["orders_total", "sum"]
           ·            ───────┬──────
           ·                   ╰── here
           ╰────
          help: the host adds such ends itself: leave it out, as in "orders"

          × `sum` ends with `sum`, which the names of samples end with
           ╭─[playhouse.toml:4:28]
         3 │ plugin = "count"
         4 │ metrics = ["orders_total", "sum"]
           ·                            ──┬──
           ·                              ╰── here
           ╰────
          help: the host adds such ends itself: choose another name, as in "orders"

        2 problems in playhouse.toml
    "#]],
    );
}

#[test]
fn metric_is_declared_once() {
    check_actor(
        "[[plugin]]\nname = \"split\"\nmetrics = [\"a\", \"b\", \"a\"]",
        expect![[r#"
        stderr:
          × the metric `a` is declared twice
           ╭─[playhouse.toml:6:22]
         5 │ name = "split"
         6 │ metrics = ["a", "b", "a"]
           ·            ─┬─       ─┬─
           ·             │         ╰── again here
           ·             ╰── first here
           ╰────
          help: leave one of them out

    "#]],
    );
}

#[test]
fn actor_has_few_metrics() {
    let names: Vec<_> = (0..33).map(|n| format!("\"n{n}\"")).collect();
    check_actor(
        &format!("metrics = [\n{}\n]", names.join(",\n")),
        expect![[r#"
        stderr:
          × there are 33 metrics, and an actor has at most 32
            ╭─[playhouse.toml:37:1]
         36 │ "n31",
         37 │ "n32"
            · ──┬──
            ·   ╰── one too many
         38 │ ]
            ╰────
          help: leave some out: each of them has series of its own for each actor

    "#]],
    );
}
