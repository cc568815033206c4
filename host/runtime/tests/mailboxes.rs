//! The settings of mailboxes and of their plugins, and the messages for faults in them.

// expect-test writes snapshots in this form.
#![allow(clippy::needless_raw_string_hashes)]

use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use playhouse_kernel::Overflow;
use playhouse_runtime::manifest::{MailboxPluginSettings, PlaySettings, PluginFolder, Problems, Source, understand};

fn understood(text: &str) -> Result<PlaySettings, Problems> {
    let source = Source::new(Path::new("playhouse.toml"), text.to_owned());
    let names = ["count", "priority"].map(str::to_owned).into();
    understand(source, Path::new(""), |_| PluginFolder { names: Ok(names) })
}

/// The message for lines added to an actor that is sound.
fn check_actor(lines: &str, expected: Expect) {
    let message = match understood(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{lines}\n")) {
        Ok(_) => "fine\n".to_owned(),
        // The first line has no indentation, so that the snapshots keep the indentation of the other lines.
        Err(problems) => format!("stderr:\n{}", problems.render(false)),
    };
    expected.assert_eq(&message);
}

fn plugin(lines: &str) -> MailboxPluginSettings {
    let mailbox = format!("[actor.mailbox]\nkind = \"plugin\"\nplugin = \"priority\"\n{lines}\n");
    let play = understood(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{mailbox}"));
    play.expect("fine").actors[0].settings.mailbox_plugin.clone().expect("it has one")
}

#[test]
fn defaults_are_those_of_the_reference() {
    let plugin = plugin("");
    assert_eq!((plugin.plugin.as_str(), plugin.overflow, plugin.overtakes), ("priority", None, 10_000));
    assert_eq!((plugin.memory_bytes, plugin.cpu.as_millis(), plugin.timeout.as_secs()), (16 << 20, 100, 1));
    assert_eq!((plugin.intensity, plugin.period.as_secs()), (10, 10));
    assert_eq!((plugin.backoff.initial.as_millis(), plugin.backoff.max.as_secs()), (10, 1));
    let play = understood("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n").expect("fine");
    assert!(play.actors[0].settings.mailbox_plugin.is_none());
    assert_eq!(play.actors[0].settings.mailbox.overflow, Overflow::Block);
}

#[test]
fn every_key_is_read() {
    let plugin = plugin(
        "sha256 = \"9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08\"\noverflow = \"reject\"\n\
         config = { field = \"level\", default = 3 }\novertakes = 7\n\
         [actor.mailbox.limits]\nmemory = \"2MiB\"\ncpu = \"5ms\"\ntimeout = \"6ms\"\n\
         [actor.mailbox.restart]\nintensity = 0\nperiod = \"1m\"\nbackoff = { initial = \"1ms\", max = \"2ms\" }\n",
    );
    assert!(plugin.sha256.expect("given").0.starts_with("9f86"));
    assert_eq!((plugin.overflow, plugin.overtakes), (Some(Overflow::Reject), 7));
    assert_eq!((&*plugin.config["field"], &*plugin.config["default"]), ("level", "3"));
    assert_eq!((plugin.memory_bytes, plugin.cpu.as_millis(), plugin.timeout.as_millis()), (2 << 20, 5, 6));
    assert_eq!((plugin.intensity, plugin.period), (0, Duration::from_mins(1)));
    assert_eq!((plugin.backoff.initial.as_millis(), plugin.backoff.max.as_millis()), (1, 2));
}

#[test]
fn spawned_actor_may_have_a_mailbox_plugin() {
    let text = "[[plugin]]\nname = \"count\"\nmailbox = { kind = \"plugin\", plugin = \"priority\" }\n";
    let play = understood(text).expect("fine");
    assert_eq!(play.mailbox_plugin_names(), ["priority"]);
}

#[test]
fn kind_plugin_without_a_plugin_is_refused() {
    check_actor(
        "mailbox = { kind = \"plugin\" }",
        expect![[r#"
            stderr:
              × the mailbox has no plugin
               ╭─[playhouse.toml:4:20]
             3 │ plugin = "count"
             4 │ mailbox = { kind = "plugin" }
               ·                    ────┬───
               ·                        ╰── this needs one
               ╰────
              help: add the name of a mailbox plugin, as in plugin = "priority", or leave `kind` out

        "#]],
    );
}

#[test]
fn plugin_keys_without_a_plugin_are_refused() {
    check_actor(
        "[actor.mailbox]\nplugin = \"priority\"\nconfig = { a = 1 }\novertakes = 3\n[actor.mailbox.limits]\ncpu = \"1ms\"",
        expect![[r#"
            stderr:
              × `mailbox.plugin` is for a mailbox plugin, and there is none
               ╭─[playhouse.toml:5:10]
             4 │ [actor.mailbox]
             5 │ plugin = "priority"
               ·          ─────┬────
               ·               ╰── here
             6 │ config = { a = 1 }
               ╰────
              help: add kind = "plugin" and plugin = "…" to the mailbox, or leave the key out

              × `mailbox.config` is for a mailbox plugin, and there is none
               ╭─[playhouse.toml:6:10]
             5 │ plugin = "priority"
             6 │ config = { a = 1 }
               ·          ────┬────
               ·              ╰── here
             7 │ overtakes = 3
               ╰────
              help: add kind = "plugin" and plugin = "…" to the mailbox, or leave the key out

              × `mailbox.overtakes` is for a mailbox plugin, and there is none
               ╭─[playhouse.toml:7:13]
             6 │ config = { a = 1 }
             7 │ overtakes = 3
               ·             ┬
               ·             ╰── here
             8 │ [actor.mailbox.limits]
               ╰────
              help: add kind = "plugin" and plugin = "…" to the mailbox, or leave the key out

              × `mailbox.limits` is for a mailbox plugin, and there is none
               ╭─[playhouse.toml:8:1]
             7 │ overtakes = 3
             8 │ [actor.mailbox.limits]
               · ───────────┬──────────
               ·            ╰── here
             9 │ cpu = "1ms"
               ╰────
              help: add kind = "plugin" and plugin = "…" to the mailbox, or leave the key out

            4 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn missing_mailbox_plugin_is_refused() {
    check_actor(
        "mailbox = { kind = \"plugin\", plugin = \"priorty\" }",
        expect![[r#"
        stderr:
          × there is no plugin `priorty`: no file `plugins/priorty.wasm`
           ╭─[playhouse.toml:4:39]
         3 │ plugin = "count"
         4 │ mailbox = { kind = "plugin", plugin = "priorty" }
           ·                                       ────┬────
           ·                                           ╰── did you mean "priority"?
           ╰────
          help: the folder `plugins` has `count`, `priority`

    "#]],
    );
}

#[test]
fn drop_oldest_with_a_plugin_is_refused() {
    check_actor(
        "mailbox = { kind = \"plugin\", plugin = \"priority\", overflow = \"drop-oldest\" }",
        expect![[r#"
            stderr:
              × `drop-oldest` is not possible with a mailbox plugin, which decides itself which message to drop
               ╭─[playhouse.toml:4:62]
             3 │ plugin = "count"
             4 │ mailbox = { kind = "plugin", plugin = "priority", overflow = "drop-oldest" }
               ·                                                              ──────┬──────
               ·                                                                    ╰── here
               ╰────
              help: leave `overflow` out to let the plugin decide, or set "block", "reject" or "drop-newest"

        "#]],
    );
}

#[test]
fn bad_limits_are_refused() {
    check_actor(
        "[actor.mailbox]\nkind = \"plugin\"\nplugin = \"priority\"\novertakes = 0",
        expect![[r#"
        stderr:
          × `0` is too small: it must be at least 1
           ╭─[playhouse.toml:7:13]
         6 │ plugin = "priority"
         7 │ overtakes = 0
           ·             ┬
           ·             ╰── here
           ╰────

    "#]],
    );
    check_actor(
        "[actor.mailbox]\nkind = \"plugin\"\nplugin = \"priority\"\nsha256 = \"1234\"\n\
         [actor.mailbox.limits]\nmemory = \"5GiB\"\ncpu = \"0s\"\n\
         [actor.mailbox.restart]\nperiod = \"0s\"\nbackoff = { initial = \"1m\" }",
        expect![[r#"
            stderr:
              × this is no SHA-256 digest
               ╭─[playhouse.toml:7:10]
             6 │ plugin = "priority"
             7 │ sha256 = "1234"
               ·          ───┬──
               ·             ╰── 4 characters
             8 │ [actor.mailbox.limits]
               ╰────
              help: a digest is 64 hexadecimal digits; `playhouse inspect FILE.wasm` prints it

              × `mailbox.limits.memory` is over 4GiB
                ╭─[playhouse.toml:9:10]
              8 │ [actor.mailbox.limits]
              9 │ memory = "5GiB"
                ·          ───┬──
                ·             ╰── it must be at most "4GiB"
             10 │ cpu = "0s"
                ╰────
              help: a 32-bit instance can have no more

              × `mailbox.limits.cpu` is nothing
                ╭─[playhouse.toml:10:7]
              9 │ memory = "5GiB"
             10 │ cpu = "0s"
                ·       ──┬─
                ·         ╰── it must be at least "1us"
             11 │ [actor.mailbox.restart]
                ╰────

              × `mailbox.restart.period` is nothing
                ╭─[playhouse.toml:12:10]
             11 │ [actor.mailbox.restart]
             12 │ period = "0s"
                ·          ──┬─
                ·            ╰── it must be at least "1us"
             13 │ backoff = { initial = "1m" }
                ╰────

              × `initial` (60s) is longer than `max` (1s)
                ╭─[playhouse.toml:13:23]
             12 │ period = "0s"
             13 │ backoff = { initial = "1m" }
                ·                       ──┬─
                ·                         ╰── here
                ╰────
              help: the pause grows from `initial` to `max`

            5 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn each_plugin_of_a_mailbox_is_an_instance() {
    let text = "[play]\nmax_instances = 1\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n\
                mailbox = { kind = \"plugin\", plugin = \"priority\" }\n";
    let message = understood(text).expect_err("two of them").render(false);
    assert!(message.contains("2 instances start by themselves, and `play.max_instances` is 1"), "{message}");
}
