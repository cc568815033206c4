//! Takes memory, and spawns children that do the same, next to each other and below each other; then takes all memory left.

use crate::act::{Act, QUIET, spawn};

/// The bytes of one allocation.
const PIECE_BYTES: usize = 1 << 20;
/// The number of allocations before its first message.
const PIECES: usize = 4;

pub(crate) const ACT: Act = Act {
    prepare_children: |ctx| {
        for _ in 0..PIECES {
            let mut piece = Vec::new();
            if piece.try_reserve_exact(PIECE_BYTES).is_ok() {
                // The memory is written, so that the host needs pages for it, and is kept.
                piece.resize(PIECE_BYTES, 1_u8);
                std::mem::forget(piece);
            }
        }
        let mut n = 0;
        while spawn(ctx, &format!("child-{n}"), "grow_and_spawn_in_width_and_depth").is_ok() {
            n += 1;
        }
        Ok(())
    },
    handle: |_, _| {
        let mut hoard = Vec::new();
        loop {
            hoard.push(vec![1_u8; PIECE_BYTES]);
            std::hint::black_box(&hoard);
        }
    },
    ..QUIET
};
