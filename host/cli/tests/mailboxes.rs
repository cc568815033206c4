//! What the manifest says of mailboxes and their plugins, and what a person sees when that is wrong.

// expect-test writes them so.
#![allow(clippy::needless_raw_string_hashes)]

use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use playhouse::manifest::{MailboxPluginSettings, Play, PluginFolder, Problems, Source, understand};
use playhouse_kernel::Overflow;

fn understood(text: &str) -> Result<Play, Problems> {
    let source = Source::new(Path::new("playhouse.toml"), text.to_owned());
    let names = ["count", "priority"].map(str::to_owned).into();
    understand(source, Path::new(""), |_| PluginFolder { names: Ok(names) })
}

/// The message for lines added to an actor that is fine.
fn check_actor(lines: &str, expected: Expect) {
    let message = match understood(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{lines}\n")) {
        Ok(_) => "fine\n".to_owned(),
        // A line without indentation, so that the snapshots keep that of the others.
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
fn every_key_is_what_it_says() {
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
fn what_is_spawned_may_have_one_too() {
    let text = "[[plugin]]\nname = \"count\"\nmailbox = { kind = \"plugin\", plugin = \"priority\" }\n";
    let play = understood(text).expect("fine");
    assert_eq!(play.mailbox_plugin_names(), ["priority"]);
}

#[test]
fn a_mailbox_of_a_plugin_without_one() {
    check_actor("mailbox = { kind = \"plugin\" }", expect![[""]]);
}

#[test]
fn keys_of_a_plugin_where_there_is_none() {
    check_actor(
        "[actor.mailbox]\nplugin = \"priority\"\nconfig = { a = 1 }\novertakes = 3\n[actor.mailbox.limits]\ncpu = \"1ms\"",
        expect![[""]],
    );
}

#[test]
fn a_plugin_that_is_not_there() {
    check_actor("mailbox = { kind = \"plugin\", plugin = \"priorty\" }", expect![[""]]);
}

#[test]
fn the_oldest_is_not_dropped_behind_a_plugins_back() {
    check_actor("mailbox = { kind = \"plugin\", plugin = \"priority\", overflow = \"drop-oldest\" }", expect![[""]]);
}

#[test]
fn bounds_that_cannot_be() {
    check_actor("[actor.mailbox]\nkind = \"plugin\"\nplugin = \"priority\"\novertakes = 0", expect![[""]]);
    check_actor(
        "[actor.mailbox]\nkind = \"plugin\"\nplugin = \"priority\"\nsha256 = \"1234\"\n\
         [actor.mailbox.limits]\nmemory = \"5GiB\"\ncpu = \"0s\"\n\
         [actor.mailbox.restart]\nperiod = \"0s\"\nbackoff = { initial = \"1m\" }",
        expect![[""]],
    );
}

#[test]
fn each_plugin_of_a_mailbox_is_an_instance() {
    let text = "[play]\nmax_instances = 1\n[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n\
                mailbox = { kind = \"plugin\", plugin = \"priority\" }\n";
    let message = understood(text).expect_err("two of them").render(false);
    assert!(message.contains("2 instances start by themselves, and `play.max_instances` is 1"), "{message}");
}
