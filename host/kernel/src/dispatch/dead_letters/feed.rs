//! Dead letters as they are made, for one reader beside the store. The way of a message never waits for the reader: letters that
//! find the feed full are left out of it and counted. The store keeps them nonetheless.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::words::dead_letter::{DeadLetter, DeadLetterSpec};
use crate::words::message::FlowId;

/// The end at which the kernel puts letters in: see [`crate::Plan::letter_feed`].
#[derive(Debug, Clone)]
pub struct LetterFeed {
    letters: mpsc::Sender<Arc<DeadLetter>>,
    state: Arc<State>,
}

/// The other end.
#[derive(Debug)]
pub struct LetterReader {
    letters: mpsc::Receiver<Arc<DeadLetter>>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// The flow of the messages in which the reader passes letters on.
    own_flow: FlowId,
    capacity_bytes: usize,
    bytes: AtomicUsize,
    left_out: AtomicU64,
}

impl LetterFeed {
    /// A feed with these bounds on letters that the reader has not taken. The reader sends messages of the flow `own_flow` alone: a
    /// letter of this flow would be one about a letter, and never comes to the reader.
    pub fn new(bounds: DeadLetterSpec, own_flow: FlowId) -> (Self, LetterReader) {
        let (sender, receiver) = mpsc::channel(bounds.capacity.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
        let state = Arc::new(State {
            own_flow,
            capacity_bytes: bounds.capacity_bytes,
            bytes: AtomicUsize::new(0),
            left_out: AtomicU64::new(0),
        });
        (Self { letters: sender, state: state.clone() }, LetterReader { letters: receiver, state })
    }

    /// Puts a letter in, if there is space.
    pub(super) fn offer(&self, letter: &Arc<DeadLetter>) {
        let state = &self.state;
        if letter.message.envelope.flow == state.own_flow {
            return;
        }
        let bytes = letter.bytes();
        let fits = state.bytes.fetch_add(bytes, Ordering::Relaxed) <= state.capacity_bytes.saturating_sub(bytes);
        if !fits || self.letters.try_send(letter.clone()).is_err() {
            state.bytes.fetch_sub(bytes, Ordering::Relaxed);
            state.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LetterReader {
    /// The flow that messages with letters must have.
    pub fn own_flow(&self) -> FlowId {
        self.state.own_flow
    }

    /// Number of letters that found the feed full.
    pub fn left_out(&self) -> u64 {
        self.state.left_out.load(Ordering::Relaxed)
    }

    /// Waits for the next letter; `None` when no more will come.
    pub async fn next(&mut self) -> Option<Arc<DeadLetter>> {
        let letter = self.letters.recv().await?;
        Some(self.taken(letter))
    }

    /// The next letter, if there is one.
    pub fn try_next(&mut self) -> Option<Arc<DeadLetter>> {
        let letter = self.letters.try_recv().ok()?;
        Some(self.taken(letter))
    }

    fn taken(&self, letter: Arc<DeadLetter>) -> Arc<DeadLetter> {
        self.state.bytes.fetch_sub(letter.bytes(), Ordering::Relaxed);
        letter
    }
}
