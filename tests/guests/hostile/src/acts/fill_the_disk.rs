//! Fills the disk with one large file, with holes, with many files, and with files that have no name any more.

use std::fs::{self, File};
use std::io::Write;

use crate::act::{Act, QUIET, verdict};

/// The grant's `growth`.
const GRANTED_BYTES: u64 = 1 << 20;
/// `ENOSPC` of WASI.
const NO_SPACE: i32 = 51;

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let one = fill("/mine/one") <= GRANTED_BYTES;
        empty();
        let hole = sparse_is_refused();
        empty();
        let many = (0..u64::MAX).find(|n| File::create(format!("/mine/many-{n}")).is_err()).expect("it ends");
        let few = many <= GRANTED_BYTES / 4096;
        empty();
        // Open files stay on the disk without a name.
        let mut kept = Vec::new();
        let mut bytes = 0;
        while let Ok(mut file) = File::create("/mine/kept") {
            bytes += fill_open(&mut file, 256 << 10);
            let _ = fs::remove_file("/mine/kept");
            kept.push(file);
            if kept.len() > 20 {
                break;
            }
        }
        let kept_few = bytes <= GRANTED_BYTES;
        drop(kept);
        empty();
        verdict(ctx, one && hole && few && kept_few)
    },
    ..QUIET
};

fn sparse_is_refused() -> bool {
    let file = File::create("/mine/hole").expect("the quota has space for a name");
    file.set_len(1 << 40).is_err_and(|error| error.raw_os_error() == Some(NO_SPACE))
}

fn fill(path: &str) -> u64 {
    File::create(path).map_or(0, |mut file| fill_open(&mut file, u64::MAX))
}

fn fill_open(file: &mut File, most: u64) -> u64 {
    let mut bytes = 0;
    while bytes < most && file.write_all(&[b'x'; 4096]).is_ok() {
        bytes += 4096;
    }
    bytes
}

fn empty() {
    for entry in fs::read_dir("/mine").expect("it is granted") {
        let _ = fs::remove_file(entry.expect("it can be read").path());
    }
}
