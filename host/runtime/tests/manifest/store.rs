//! `[play.store]`, and durable mailboxes.

use std::path::Path;

use expect_test::expect;
use playhouse_kernel::Keep;
use playhouse_store::Survives;

use crate::message::{check, understood};

const TILL: &str = "[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nmailbox = { kind = \"durable\" }";

#[test]
fn store_has_its_folder_beside_the_manifest() {
    let settings = understood(&format!("[play.store]\n{TILL}")).expect("sound");
    let store = settings.store.expect("a store");
    assert!(store.path.ends_with(Path::new(".playhouse/store")), "{store:?}");
    assert_eq!((store.survives, store.size_bytes), (Survives::PowerLoss, None));
    assert_eq!(settings.actors[0].settings.mailbox.keep, Keep::Stored);
    let keys = "[play.store]\npath = \"/var/lib/till\"\nsurvives = \"crash\"\nsize = \"2GiB\"";
    let store = understood(&format!("{keys}\n{TILL}")).expect("sound").store.expect("a store");
    assert_eq!((store.path.as_path(), store.survives), (Path::new("/var/lib/till"), Survives::Crash));
    assert_eq!(store.size_bytes, Some(2 << 30));
}

#[test]
fn durable_mailbox_needs_a_store() {
    check(TILL, expect![[""]]);
}

#[test]
fn store_has_a_least_size() {
    check(&format!("[play.store]\nsize = \"900KiB\"\n{TILL}"), expect![[""]]);
}

#[test]
fn durable_mailbox_drops_no_old_message_and_takes_no_huge_one() {
    let keys = "[play.store]\n[[actor]]\naddress = \"/till\"\nplugin = \"count\"\nlimits.message = \"33MiB\"\n\
                mailbox = { kind = \"durable\", overflow = \"drop-oldest\", bytes = \"64MiB\" }";
    check(keys, expect![[""]]);
}

#[test]
fn spawned_actors_have_no_durable_mailbox() {
    let plugin = "[[plugin]]\nname = \"count\"\nmailbox = { kind = \"durable\" }";
    check(&format!("[play.store]\n{plugin}"), expect![[""]]);
}
