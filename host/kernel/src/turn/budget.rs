//! The budget of a turn: how much of its limits the current message has used. A turn above them is void: nothing more is
//! recorded, nothing of it is committed, and the incarnation ends as a crash, whichever interface its code uses.

use crate::actor::spec::ActorSpec;
use crate::words::overrun::{MAX_RECORDED, Overrun};

/// At this size, [`crate::Turn::is_full`] asks for a commit.
pub(super) const FULL_BYTES: usize = 1 << 20;
/// At this number of sends, [`crate::Turn::is_full`] asks for a commit.
pub(super) const FULL_SENDS: usize = 1 << 14;
/// Bytes of a frame that an effect takes beside its body, at most.
const EFFECT_BYTES: usize = 96;

/// The use of limits by the current message, or by the hook.
#[derive(Default)]
pub(super) struct Budget {
    effects: usize,
    bytes: usize,
    /// The limit that was exceeded; kept until the incarnation ends.
    overrun: Option<Overrun>,
}

impl Budget {
    /// Begins the next message, which has limits of its own.
    pub(super) fn begin(&mut self) {
        (self.effects, self.bytes) = (0, 0);
    }

    /// The limit that the turn exceeded, as an error.
    pub(super) fn check(&self) -> Result<(), Overrun> {
        self.overrun.map_or(Ok(()), Err)
    }

    /// Counts one more send or effect with a body of `bytes` bytes, before it is recorded. `recorded`: how many the whole
    /// turn has.
    #[inline]
    pub(super) fn admit(&mut self, spec: &ActorSpec, bytes: usize, recorded: usize) -> Result<(), Overrun> {
        self.effects += 1;
        self.bytes += bytes;
        if self.effects <= spec.limits.max_effects
            && self.bytes <= spec.limits.max_effect_bytes
            && recorded < MAX_RECORDED
        {
            return Ok(());
        }
        Err(self.exceeded(spec))
    }

    /// As [`Self::admit`], for a timer. `timer_bytes`: the bytes of the messages of all other timers, which count as well.
    pub(super) fn admit_timer(
        &mut self,
        spec: &ActorSpec,
        bytes: usize,
        recorded: usize,
        timer_bytes: usize,
    ) -> Result<(), Overrun> {
        self.admit(spec, bytes, recorded)?;
        let most_bytes = spec.limits.max_effect_bytes;
        if timer_bytes + bytes <= most_bytes { Ok(()) } else { self.fail(Overrun::TimerBytes { most_bytes }) }
    }

    /// Checks the limit before a frame is recorded after another one: `bytes` of both would wait for one commit.
    pub(super) fn admit_frames(&mut self, spec: &ActorSpec, bytes: usize) -> Result<(), Overrun> {
        let turn = spec.limits.max_effect_bytes.saturating_add(spec.limits.max_effects.saturating_mul(EFFECT_BYTES));
        let most_bytes = turn.saturating_add(spec.limits.message_bytes).saturating_add(FULL_BYTES).saturating_mul(2);
        if bytes <= most_bytes { Ok(()) } else { self.fail(Overrun::HandedOver { most_bytes }) }
    }

    /// Notes that the turn exceeded a limit.
    pub(super) fn fail<T>(&mut self, overrun: Overrun) -> Result<T, Overrun> {
        self.overrun = Some(overrun);
        Err(overrun)
    }

    #[cold]
    fn exceeded(&mut self, spec: &ActorSpec) -> Overrun {
        let overrun = if self.effects > spec.limits.max_effects {
            Overrun::Effects { most: spec.limits.max_effects }
        } else if self.bytes > spec.limits.max_effect_bytes {
            Overrun::EffectBytes { most_bytes: spec.limits.max_effect_bytes }
        } else {
            Overrun::Recorded
        };
        self.overrun = Some(overrun);
        overrun
    }
}
