//! The store of a play, as its entries say, and the rules of families that hold for each entry.

use playhouse_kernel::{Address, JournalGroup, Message, Op};

use super::book::Book;
use super::code::{Stage, is_member, serial_of};
use super::rows::Row;
use crate::disk::Observer;

/// A store tells of its groups.
impl Observer for Stage {
    fn durable(&self, group: &JournalGroup) {
        let mut book = self.book();
        for entry in &group.entries {
            for op in &entry.ops {
                apply(&mut book, op, &entry.bytes);
            }
        }
    }

    fn seen(&self, label: &'static str) {
        self.book().seen.insert(label);
    }

    fn note(&self, line: String) {
        self.book().note(line);
    }

    fn broken(&self, what: String) {
        self.book().broken.push(what);
    }
}

fn apply(book: &mut Book, op: &Op, bytes: &[u8]) {
    match op {
        Op::Born { actor, address } => is_born(book, actor.0, address),
        Op::Gone { actor } => is_gone(book, actor.0),
        Op::Put { mailbox, first, records, .. } => {
            let (mut at, mut number) = (records.start, *first);
            while at < records.end {
                let size = record_bytes(&bytes[at..]);
                let serial = serial_of(&Message::read(&bytes[at..at + size]).expect("a record").body);
                book.rows.numbers.insert((mailbox.0, number), serial);
                book.rows.waits.insert((mailbox.0, number));
                *book.rows.puts.entry(serial).or_default() += 1;
                (at, number) = (at + size, number + 1);
            }
        }
        Op::Take { mailbox, numbers } => {
            for number in numbers.clone() {
                book.rows.waits.remove(&(mailbox.0, number));
                let serial = book.rows.numbers[&(mailbox.0, number)];
                *book.rows.takes.entry(serial).or_default() += 1;
            }
        }
        Op::Set { actor, value, .. } => {
            let count = u64::from_le_bytes(bytes[value.clone()].try_into().expect("eight bytes"));
            book.rows.counts.insert(actor.0, count);
        }
        Op::Unset { actor, .. } => drop(book.rows.counts.remove(&actor.0)),
        Op::Timer { actor, timer } => drop(book.rows.timers.insert((actor.0, timer.id))),
        Op::Cancel { actor, id } => drop(book.rows.timers.remove(&(actor.0, *id))),
        Op::Halted { actor, halted: true } => drop(book.rows.halted.insert(actor.0)),
        Op::Halted { actor, halted: false } => drop(book.rows.halted.remove(&actor.0)),
        Op::Letter(letter) => {
            let serial = serial_of(&Message::read(&letter.record).expect("a record").body);
            book.note(format!("#{serial} is a letter: {}", letter.kind));
            book.rows.letters.entry(serial).or_default().push(letter.kind.clone());
        }
        _ => {}
    }
}

/// The bytes of the first record: its header has 64, and begins with the bytes of the content.
fn record_bytes(record: &[u8]) -> usize {
    let content = u32::from_le_bytes(*record.first_chunk().expect("a header")) & !(1 << 31);
    64 + content as usize
}

fn is_born(book: &mut Book, id: u64, address: &Address) {
    let Some(name) = is_member(address) else { return };
    book.note(format!("{name} is born"));
    book.rows.members.insert(id, name);
    let (there, most, is_wanted) = (book.rows.members.len(), book.play.most, book.members[name].is_wanted);
    book.must(there <= most, || format!("{there} members are in the store, of {most}"));
    book.must(is_wanted, || format!("{name} is born, and nobody may have made it"));
    let now = book.now;
    book.rows.births.push(now);
    let rates = [book.play.outside_makes, book.play.maker_makes, book.play.members_make];
    let rate = f64::from(rates.into_iter().flatten().sum::<u32>());
    // A full store delays the entry by a second.
    let slack = 1.5;
    for (earlier, born) in book.rows.births.iter().rev().enumerate() {
        let (made, time) = (earlier + 1, now.saturating_sub(*born).as_secs_f64());
        if made as f64 > rate * (1.0 + time + slack) {
            let what = format!("{made} members were made in {time} s, and {rate} may be in one");
            return book.must(false, || what);
        }
    }
}

fn is_gone(book: &mut Book, id: u64) {
    let Some(name) = book.rows.members.get(&id).copied() else { return };
    let row = book.rows.of(name).expect("it is there");
    book.must(!row.waits && !row.has_timers && !row.is_halted, || {
        let Row { waits, is_halted, has_timers, .. } = row;
        format!("{name} is gone; it has messages: {waits}, timers: {has_timers}, is stopped: {is_halted}")
    });
    book.rows.members.remove(&id);
    book.rows.counts.remove(&id);
    book.is_removed(name, row.count);
}
