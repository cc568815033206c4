//! The limits of one turn. A turn above them is void: nothing more is recorded, nothing of it is committed, and the
//! incarnation ends as a crash, whichever interface its code uses.

use super::Turn;
use crate::words::overrun::{MAX_RECORDED, Overrun};

/// At this size, [`Turn::is_full`] asks for a commit.
const FULL_BYTES: usize = 1 << 20;
const FULL_SENDS: usize = 1 << 14;
/// Bytes of a frame that an effect takes beside its body, at most.
const EFFECT_BYTES: usize = 96;

/// The use of limits by the current message, or by the hook.
#[derive(Default)]
pub(super) struct TurnUsage {
    effects: usize,
    bytes: usize,
    /// The limit that was exceeded; kept until the incarnation ends.
    overrun: Option<Overrun>,
}

impl TurnUsage {
    /// Begins the next message, which has limits of its own.
    pub(super) fn begin(&mut self) {
        (self.effects, self.bytes) = (0, 0);
    }
}

impl Turn {
    /// Whether this call may be committed. Code that handles messages in plain Rust need not call this: the kernel does.
    pub fn within_limits(&self) -> Result<(), Overrun> {
        self.usage.overrun.map_or(Ok(()), Err)
    }

    /// Whether the recorded effects are so large that the remaining messages should wait until these are committed.
    pub fn is_full(&self) -> bool {
        self.bytes.len() + self.outcomes.bytes() >= FULL_BYTES || self.recorded >= FULL_SENDS
    }

    /// Checks the limits before one more send or effect with a body of `bytes` bytes is recorded.
    #[inline]
    pub(super) fn admit(&mut self, bytes: usize) -> Result<(), Overrun> {
        let (spec, usage) = (&self.actor.spec, &mut self.usage);
        usage.effects += 1;
        usage.bytes += bytes;
        if usage.effects <= spec.max_effects && usage.bytes <= spec.max_effect_bytes && self.recorded < MAX_RECORDED {
            return Ok(());
        }
        Err(self.overran())
    }

    /// As [`Turn::admit`], for a timer: the bytes of all its timers count as well.
    pub(super) fn admit_timer(&mut self, bytes: usize) -> Result<(), Overrun> {
        self.admit(bytes)?;
        let most_bytes = self.actor.spec.max_effect_bytes;
        if self.timer_bytes() + bytes <= most_bytes { Ok(()) } else { self.too_far(Overrun::TimerBytes { most_bytes }) }
    }

    /// Checks the limit before a frame is recorded after another one: `bytes` of both would wait for one commit.
    pub(super) fn admit_more(&mut self, bytes: usize) -> Result<(), Overrun> {
        let spec = &self.actor.spec;
        let turn = spec.max_effect_bytes.saturating_add(spec.max_effects.saturating_mul(EFFECT_BYTES));
        let most_bytes = turn.saturating_add(spec.message_bytes).saturating_add(FULL_BYTES).saturating_mul(2);
        if bytes <= most_bytes { Ok(()) } else { self.too_far(Overrun::HandedOver { most_bytes }) }
    }

    pub(super) fn too_far<T>(&mut self, overrun: Overrun) -> Result<T, Overrun> {
        self.usage.overrun = Some(overrun);
        Err(overrun)
    }

    #[cold]
    fn overran(&mut self) -> Overrun {
        let spec = &self.actor.spec;
        let overrun = if self.usage.effects > spec.max_effects {
            Overrun::Effects { most: spec.max_effects }
        } else if self.usage.bytes > spec.max_effect_bytes {
            Overrun::EffectBytes { most_bytes: spec.max_effect_bytes }
        } else {
            Overrun::Recorded
        };
        self.usage.overrun = Some(overrun);
        overrun
    }
}
