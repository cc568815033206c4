//! Sends to many addresses without a grant.

use std::time::Duration;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let told = ["/", "/black-hole", "/pen", "/nobody", "..", "", "/neighbour/x"].map(|to| ctx.tell(to, "x").is_err());
        let asked = ctx.ask("/black-hole", "x", Duration::from_secs(1)).is_err();
        let timed = ctx.tell_after(Duration::ZERO, "/black-hole", "x").is_err();
        let watched = ctx.watch("/black-hole").is_err();
        let all = told.into_iter().chain([asked, timed, watched]).all(|refused| refused);
        verdict(ctx, all)
    },
    ..QUIET
};
