//! The facts about a store, and the check that names each damage.

use playhouse_kernel::{Address, WaitingNumbers};
use playhouse_store::{Inspection, StoreSettings};

use crate::filled::{A, database, filled, filled_with_state, folder, read, sql};

#[tokio::test]
async fn inspection_shows_a_store() {
    let (home, settings) = folder();
    filled(&settings).await;
    let mut inspection = Inspection::open(&settings.path).unwrap();
    let facts = inspection.facts().unwrap();
    assert_eq!((facts.runs, facts.is_restored, facts.letters, facts.mailboxes.len()), (1, false, 4, 1));
    let mailbox = &facts.mailboxes[0];
    assert_eq!((mailbox.address.as_str(), mailbox.waiting, mailbox.held, mailbox.last_number), ("/a", 38, 1, 39));
    assert_eq!(inspection.mailbox(&mailbox.address).unwrap().as_ref(), Some(mailbox));
    assert_eq!(inspection.mailbox(&Address::parse("/b").unwrap()), Ok(None));
    assert_eq!(inspection.address_of(A), Ok(Some(mailbox.address.clone())));
    assert_eq!(inspection.numbers(A), Ok(WaitingNumbers { in_order: vec![2..3, 4..40], held: vec![3] }));
    assert_eq!(inspection.messages(A, 38, usize::MAX).unwrap().len(), 2);
    let nothing = Inspection::open(&home.path().join("nothing")).err().unwrap().to_string();
    assert!(nothing.starts_with("there is no store in `") && !home.path().join("nothing").exists(), "{nothing}");
    let file = settings.path.join("store.db");
    let no_folder = Inspection::open(&file).err().unwrap().to_string();
    assert_eq!(no_folder, format!("`{}` is no folder: name the folder of a store", file.display()));
    let homeless = inspection.backup(&home.path().join("nothing/backup.db")).err().unwrap().to_string();
    assert_eq!(homeless, format!("there is no folder `{}` for the backup", home.path().join("nothing").display()));
}

#[tokio::test]
async fn check_names_each_damage() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let inspection = Inspection::open(&settings.path).unwrap();
    let checked = inspection.check().unwrap();
    assert_eq!((checked.damages.len(), checked.messages, checked.letters), (0, 38, 4));
    sql(
        &settings,
        "update frame set records = zeroblob(length(records)) where first in (7, 30);
         delete from frame where first = 20;
         update held set due_ns = due_ns + 1;
         update letter set why = 'no' where number = 2;
         delete from letter where number = 4;
         insert into actor select 9, '/b', halted, 0, 0, 1, x'', 0, 0, 0, 0, 0, 0, 0, checksum, 7 from actor;
         update store set free_id = 77",
    );
    let expected = [
        "table `store`",
        "the row of actor 9 in table `actor`",
        "message 7 of `/a`, in row 7 of table `frame`",
        "message 30 of `/a`, in row 30 of table `frame`",
        "message 20 of `/a`, which is not in table `frame`",
        "table `frame`, which has 37 rows of 38 for `/a`",
        "message 3 of `/a` in table `held`",
        "dead letter 2 in table `letter`",
    ];
    assert_eq!(inspection.check().unwrap().damages, expected);
}

/// Where a text is in a file that is repeated in a body: all its first repetitions, since a part of a page that is free may have a copy.
fn find(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let is_at = |at: usize| bytes.get(at..at + text.len()) == Some(text);
    let is_first = |at: &usize| is_at(*at) && is_at(*at + text.len()) && !at.checked_sub(text.len()).is_some_and(is_at);
    (0..bytes.len()).filter(is_first).collect()
}

#[tokio::test]
async fn check_finds_flipped_bits_in_several_pages() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let mut bytes = std::fs::read(database(&settings)).unwrap();
    let mut pages = std::collections::BTreeSet::new();
    for number in [5, 12, 19, 26, 33] {
        for at in find(&bytes, format!("body {number}").as_bytes()) {
            bytes[at + 10] ^= 1 << (number % 8);
            pages.insert(at / 4096);
        }
    }
    for at in find(&bytes, &[b'l'; 100]) {
        bytes[at + 5] ^= 4;
    }
    assert!(pages.len() > 2, "{pages:?}");
    std::fs::write(database(&settings), bytes).unwrap();
    let damages = Inspection::open(&settings.path).unwrap().check().unwrap().damages;
    let mut expected: Vec<_> =
        [5, 12, 19, 26, 33].map(|number| format!("message {number} of `/a`, in row {number} of table `frame`")).into();
    expected.extend((1..5).map(|number| format!("dead letter {number} in table `letter`")));
    assert_eq!(damages, expected);
}

/// A check reads everything that a host would read, so that it finds whatever would stop one.
#[tokio::test]
async fn check_finds_each_bit_that_matters() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (expected, original) = (read(&settings).await.unwrap(), std::fs::read(database(&settings)).unwrap());
    let flipped = StoreSettings::new(&home.path().join("flipped"));
    let mut found = 0;
    for at in (0..original.len()).step_by(211) {
        let _ = std::fs::remove_dir_all(&flipped.path);
        std::fs::create_dir(&flipped.path).unwrap();
        let mut bytes = original.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(database(&flipped), bytes).unwrap();
        let checked = Inspection::open(&flipped.path).map_err(|_| ()).and_then(|store| store.check().map_err(|_| ()));
        if checked.is_ok_and(|checked| checked.damages.is_empty()) {
            let around = String::from_utf8_lossy(&original[at.saturating_sub(40)..(at + 40).min(original.len())]);
            assert!(read(&flipped).await.ok().as_ref() == Some(&expected), "byte {at} in {around:?}");
        } else {
            found += 1;
        }
    }
    assert!(found > 40, "{found} found");
}

#[tokio::test]
async fn check_names_each_damage_of_a_state() {
    let changes = [
        (
            "update state set value = zeroblob(300) where key = 'k07'",
            vec!["the value of `k07` of `/a`, in row 8 of table `state`"],
        ),
        (
            "update state set key = 'k99' where key = 'k07'",
            vec!["the value of `k99` of `/a`, in row 8 of table `state`"],
        ),
        ("delete from state where key = 'k07'", vec!["table `state`, which has 19 keys of 20 for `/a`"]),
        (
            "update state set actor = 9 where key = 'k07'",
            vec![
                "the value of `k07` of actor 9, in row 8 of table `state`",
                "table `state`, which has 19 keys of 20 for `/a`",
                "the rows of table `state` for actor 9, of which there is no sound row",
            ],
        ),
    ];
    for (change, expected) in changes {
        let (_home, settings) = folder();
        filled_with_state(&settings).await;
        let inspection = Inspection::open(&settings.path).unwrap();
        let checked = inspection.check().unwrap();
        assert_eq!((checked.damages.len(), checked.keys), (0, 20));
        assert_eq!(inspection.facts().unwrap().mailboxes[0].state.keys, 20);
        sql(&settings, change);
        assert_eq!(inspection.check().unwrap().damages, expected, "{change}");
    }
}
