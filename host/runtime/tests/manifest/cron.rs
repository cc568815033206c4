//! `[[cron]]`: names, schedules, zones, receivers.

use expect_test::expect;
use playhouse_runtime::cron::{Missed, Overlap};

use crate::message::{check, understood};

/// An actor, and an entry that tells it, with these lines.
fn entry(lines: &str) -> String {
    format!("[[actor]]\naddress = \"/report\"\nplugin = \"report\"\n[[cron]]\n{lines}\n")
}

#[test]
fn entry_has_defaults() {
    let play = understood(&entry("name = \"nightly\"\nschedule = \"0 3 * * *\"\ntell = \"/report\"")).expect("sound");
    let entry = &play.cron[0];
    assert_eq!((entry.address.as_str(), entry.tell.as_str(), &entry.body[..]), ("/gate/nightly", "/report", &b""[..]));
    assert_eq!(
        (entry.schedule.text(), entry.schedule.zone().name(), entry.overlap),
        ("0 3 * * *", "UTC", Overlap::Skip)
    );
}

#[test]
fn fault_of_a_schedule_shows_its_field() {
    check(
        &entry("name = \"a\"\nschedule = \"0 25 * * *\"\ntell = \"/report\""),
        expect![[r#"
        stderr:
          × `25` is not possible for the hour
           ╭─[playhouse.toml:6:15]
         5 │ name = "a"
         6 │ schedule = "0 25 * * *"
           ·               ─┬
           ·                ╰── here
         7 │ tell = "/report"
           ╰────
          help: the hour is 0 to 23; `*` is every one, `*/5` every fifth, `1-4` a range, `1,4` a list

    "#]],
    );
    check(
        &entry("name = \"a\"\nschedule = \"@dayly\"\ntell = \"/report\""),
        expect![[r#"
        stderr:
          × there is no schedule `@dayly`
           ╭─[playhouse.toml:6:13]
         5 │ name = "a"
         6 │ schedule = "@dayly"
           ·             ───┬──
           ·                ╰── did you mean "@daily"?
         7 │ tell = "/report"
           ╰────
          help: the names are @yearly, @monthly, @weekly, @daily and @hourly

    "#]],
    );
    check(
        &entry("name = \"a\"\nschedule = \"0\\u0020\"\ntell = \"/report\""),
        expect![[r#"
        stderr:
          × a schedule has five or six fields, and this has one field
           ╭─[playhouse.toml:6:12]
         5 │ name = "a"
         6 │ schedule = "0\u0020"
           ·            ────┬────
           ·                ╰── here
         7 │ tell = "/report"
           ╰────
          help: a schedule has five fields (minute, hour, day of the month, month, day of the week), six with the second before them, or is a name such as @hourly

    "#]],
    );
}

#[test]
fn unknown_zone_gets_the_nearest() {
    for (written, meant) in [
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("utc", "UTC"),
        ("America/NewYork", "America/New_York"),
    ] {
        let text = entry(&format!("name = \"a\"\nschedule = \"@daily\"\nzone = \"{written}\"\ntell = \"/report\""));
        let said = understood(&text).expect_err(written).render(false);
        assert!(said.contains(&format!("there is no zone `{written}`")), "{said}");
        assert!(said.contains(&format!("did you mean \"{meant}\"?")), "{said}");
    }
}

#[test]
fn receiver_must_exist_and_take_the_body() {
    check(
        &entry("name = \"a\"\nschedule = \"@daily\"\ntell = \"/reprt\""),
        expect![[r#"
        stderr:
          × no actor has the address `/reprt`
           ╭─[playhouse.toml:7:8]
         6 │ schedule = "@daily"
         7 │ tell = "/reprt"
           ·        ────┬───
           ·            ╰── did you mean "/report"?
           ╰────
          help: `tell` names an actor of this manifest, or one that may be spawned

    "#]],
    );
    let small = "limits = { message = \"2B\" }\n[[cron]]\n";
    let text = entry("name = \"a\"\nschedule = \"@daily\"\ntell = \"/report\"\nbody = \"run\"");
    check(
        &text.replace("[[cron]]\n", small),
        expect![[r#"
        stderr:
          × the body has 3 bytes, and `/report` takes messages of at most 2
           ╭─[playhouse.toml:9:8]
         8 │ tell = "/report"
         9 │ body = "run"
           ·        ──┬──
           ·          ╰── here
           ╰────
          help: raise `limits.message` of the receiver

    "#]],
    );
}

#[test]
fn names_are_unique_and_those_of_an_actor() {
    let twice = "name = \"a\"\nschedule = \"@daily\"\ntell = \"/report\"\n[[cron]]\nname = \"a\"\nschedule = \"@daily\"\ntell = \"/report\"";
    check(
        &entry(twice),
        expect![[r#"
        stderr:
          × two gateways have the name `a`
            ╭─[playhouse.toml:9:8]
          4 │ [[cron]]
          5 │ name = "a"
            ·        ─┬─
            ·         ╰── first here
          6 │ schedule = "@daily"
          7 │ tell = "/report"
          8 │ [[cron]]
          9 │ name = "a"
            ·        ─┬─
            ·         ╰── again here
         10 │ schedule = "@daily"
            ╰────
          help: give one of them another name: each is the actor `/gate/NAME`

    "#]],
    );
    check(
        &entry("name = \"a/b\"\nschedule = \"@daily\"\ntell = \"/report\""),
        expect![[r#"
        stderr:
          × `a/b` is no name of a gateway
           ╭─[playhouse.toml:5:8]
         4 │ [[cron]]
         5 │ name = "a/b"
           ·        ──┬──
           ·          ╰── here
         6 │ schedule = "@daily"
           ╰────
          help: a name consists of letters, digits, `_` and `-`: the gateway is the actor `/gate/NAME`

    "#]],
    );
}

#[test]
fn gate_is_the_place_of_gateways() {
    check(
        "[[actor]]\naddress = \"/gate\"\nplugin = \"count\"",
        expect![[r#"
        stderr:
          × `/gate` is in the place of gateways
           ╭─[playhouse.toml:2:11]
         1 │ [[actor]]
         2 │ address = "/gate"
           ·           ───┬───
           ·              ╰── here
         3 │ plugin = "count"
           ╰────
          help: `/gate` holds what the tables [[http]], [[cron]] and [[source]] place there: choose another name

    "#]],
    );
    check(
        "[play]\nnative = [\"/gate\"]",
        expect![[r#"
        stderr:
          × `/gate` is in the place of gateways
           ╭─[playhouse.toml:2:11]
         1 │ [play]
         2 │ native = ["/gate"]
           ·           ───┬───
           ·              ╰── here
           ╰────
          help: `/gate` holds what the tables [[http]], [[cron]] and [[source]] place there: choose another name

    "#]],
    );
}

#[test]
fn missed_times_need_a_store() {
    let lines = "name = \"a\"\nschedule = \"@daily\"\ntell = \"/report\"\nmissed = \"once\"";
    let play = understood(&format!("[play.store]\n{}", entry(lines))).expect("sound");
    assert_eq!(play.cron[0].missed, Missed::Once);
    let skip = understood(&entry(&lines.replace("once", "skip"))).expect("sound without a store");
    assert_eq!(skip.cron[0].missed, Missed::Skip);
    check(
        &entry(lines),
        expect![[r#"
        stderr:
          × without a store nobody knows which times were missed
           ╭─[playhouse.toml:8:10]
         7 │ tell = "/report"
         8 │ missed = "once"
           ·          ───┬──
           ·             ╰── here
           ╰────
          help: add a table [play.store], or leave `missed` out

    "#]],
    );
}
