//! Metrics in frames, and outside of them.

use super::*;

#[test]
fn metric_is_resolved_once_and_counted_in_the_frame() {
    let mut play = Play::start();
    let counted = "count { metric: 6, by: 2 }, observe { metric: 7, value: 12.5 }";
    assert_eq!(
        play.batch(&["measure", "measure reject", "measure measure"]),
        format!("{counted}, done, reject(\"no\"), {counted}, {counted}, done")
    );
    assert_eq!(play.batch_with(&["measure"], trailer_without_routes(1)), format!("{counted}, done"));
    assert_eq!(play.crossed(), ["metric orders", "metric amount_"]);
}

#[test]
fn refused_metric_is_an_error_and_not_in_the_frame() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["undeclared", "negative"]), r#"retry("undeclared"), retry("no")"#);
    assert_eq!(play.crossed(), ["metric undeclared", "metric amount_", "observe 7 -1"]);
}

#[test]
fn count_outside_of_a_batch_goes_to_the_host() {
    let play = Play::start();
    (0..2).for_each(|_| play.turns.count("orders", 3).unwrap());
    play.turns.observe("orders", 0.5).unwrap();
    assert_eq!(play.crossed(), ["metric orders", "count 6 by 3", "count 6 by 3", "observe 6 0.5"]);
}
