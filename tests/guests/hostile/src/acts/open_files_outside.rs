//! Opens, makes and lists files that it has no grant for.

use std::fs;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let paths = ["/etc/passwd", "../../../etc/passwd", "/proc/self/environ", "/dev/zero", "playhouse.toml", ".", "/"];
        let all = paths.into_iter().all(|path| {
            fs::File::open(path).is_err()
                && fs::read_dir(path).is_err()
                && fs::metadata(path).is_err()
                && fs::write(format!("{path}/owned"), "x").is_err()
                && fs::remove_file(path).is_err()
        });
        verdict(ctx, all)
    },
    ..QUIET
};
