//! Changes of the actor's state: those of a batch are put into the frame, as long as they fit into the state for certain.

use playhouse_frame::{check_key, cost_of};

use super::TurnKernel;
use crate::errors::StateError;
use crate::result::Result;
use crate::snapshot::{SAVED_KEY, Snapshot};
use crate::turn::host::{StateLimits, TurnHost};

impl<H: TurnHost> TurnKernel<H> {
    /// Gives a key a value, as an effect of the current message of a batch; with a time, the value goes when it was not set again for so many
    /// milliseconds. They count from the commit, so that the batch itself reads the value in any case.
    pub(super) fn frame_set(&self, key: &str, value: &[u8], milliseconds: Option<u64>) -> Result<(), StateError> {
        check_key(key).map_err(|error| StateError::BadKey(error.to_string()))?;
        let cost = cost_of(key, value.len());
        if self.state.overlay.borrow().left.is_none_or(|left| left < cost) {
            self.learn_state_limits()?;
        }
        let (left, limit_bytes) =
            (self.state.overlay.borrow().left.unwrap_or_default(), self.state.overlay.borrow().value_bytes);
        if value.len() as u64 > limit_bytes {
            return Err(StateError::TooLarge { limit_bytes });
        }
        if left >= cost {
            let mut state = self.state.overlay.borrow_mut();
            state.left = Some(left - cost);
            state.in_frame += cost;
            match milliseconds {
                None => self.out.borrow_mut().set(key, value),
                Some(milliseconds) => self.out.borrow_mut().set_for(key, value, milliseconds),
            }
        } else {
            // The host knows the size of the value that this one replaces. It must know the current message for that.
            self.hand_over();
            match milliseconds {
                None => self.host.state_set(key, value)?,
                Some(milliseconds) => self.host.state_set_for(key, value, milliseconds)?,
            }
            self.state.overlay.borrow_mut().left = Some(0);
        }
        self.state.change(key, Some(value));
        Ok(())
    }

    /// Removes a key, as an effect of the current message of a batch.
    pub(super) fn frame_delete(&self, key: &str) -> Result<(), StateError> {
        check_key(key).map_err(|error| StateError::BadKey(error.to_string()))?;
        if self.state.overlay.borrow().left.is_none() {
            // Whether the actor has state at all.
            self.learn_state_limits()?;
        }
        self.out.borrow_mut().delete(key);
        self.state.change(key, None);
        Ok(())
    }

    /// Asks the host for the bounds of the state. The host counts only the changes that it knows of.
    fn learn_state_limits(&self) -> Result<(), StateError> {
        if self.state.overlay.borrow().left.is_some() {
            self.hand_over();
        }
        let StateLimits { value_bytes, left_bytes } = self.host.state_limits()?;
        let mut state = self.state.overlay.borrow_mut();
        (state.value_bytes, state.left) = (value_bytes, Some(left_bytes));
        Ok(())
    }

    /// Puts the actor's own value, after the last message that did not fail, into the frame. When that is not possible the
    /// incarnation ends: its messages come again one at a time, and then each one gets the error.
    pub(super) fn save_in_frame(&self) {
        let Some((place, value)) = self.state.overlay.borrow_mut().unsaved.take() else { return };
        let value = value.bytes().unwrap_or_else(|error| panic!("{error:#}"));
        let mut state = self.state.overlay.borrow_mut();
        if state.saved.as_ref() == Some(&value) {
            return;
        }
        let cost = cost_of(SAVED_KEY, value.len());
        if state.left.is_none_or(|left| left < cost) {
            let limits = self.host.state_limits().unwrap_or_else(|error| panic!("the value cannot be saved: {error}"));
            state.value_bytes = limits.value_bytes;
            state.left = Some(limits.left_bytes.saturating_sub(state.in_frame));
        }
        let (bytes, limit, left) = (value.len(), state.value_bytes, state.left.unwrap_or_default());
        assert!(bytes as u64 <= limit, "the saved value has {bytes} bytes, and state.value allows {limit}");
        assert!(
            left >= cost,
            "the saved value has {bytes} bytes, and the state has space for {left} beside the one before"
        );
        state.left = Some(left - cost);
        state.in_frame += cost;
        self.out.borrow_mut().set_at(place, SAVED_KEY, &value);
        state.saved = Some(value);
    }

    /// Keeps the actor's own value outside of a batch.
    pub(super) fn save_at_once(&self, value: &dyn Snapshot) -> Result<()> {
        let value = value.bytes()?;
        let mut state = self.state.overlay.borrow_mut();
        if state.saved.as_ref() != Some(&value) {
            self.host.state_set(SAVED_KEY, &value)?;
            state.left = None;
            state.saved = Some(value);
        }
        Ok(())
    }
}
