//! The memory of request bodies: all that a server holds at a time have a limit together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of the bodies that a server holds.
pub(super) struct Bodies {
    held: AtomicUsize,
    most: usize,
}

/// The part of one body, until it is dropped.
pub(super) struct Held<'b> {
    bodies: &'b Bodies,
    bytes: usize,
}

impl Bodies {
    pub(super) fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    pub(super) fn begin(&self) -> Held<'_> {
        Held { bodies: self, bytes: 0 }
    }
}

impl Held<'_> {
    /// Adds bytes; `false` if they are too many.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.bodies.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.bodies.most
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.bodies.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_a_limit_together() {
        let bodies = Bodies::new(10);
        let (mut one, mut two) = (bodies.begin(), bodies.begin());
        assert!(one.add(6) && !two.add(5));
        drop(one);
        assert!(two.add(5));
        drop(two);
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0);
    }
}
