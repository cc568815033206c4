//! The amount of work.

/// How much work is done.
#[derive(Clone, Copy)]
pub struct Effort {
    pub quick: bool,
    pub rounds: usize,
}

impl Effort {
    /// `full`, or a hundredth of it in a quick run.
    pub fn of(self, full: usize) -> usize {
        if self.quick { (full / 100).max(10) } else { full }
    }
}
