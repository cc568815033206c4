//! Files, folders and connections that guests have open: each actor may have a number of them, and all actors together as many as
//! the host does not need itself.

use std::sync::Arc;

use crate::accounts::Account;

/// How many files, folders and connections one actor may have open at a time.
#[derive(Debug, Clone)]
pub struct Descriptors(Arc<Account>);

impl Default for Descriptors {
    fn default() -> Self {
        Self::new(256)
    }
}

impl Descriptors {
    /// A bound of its own: at most `at_most` at a time.
    pub fn new(at_most: u64) -> Self {
        Self::with(at_most, None)
    }

    fn with(at_most: u64, above: Option<Arc<Account>>) -> Self {
        Self(Arc::new(Account::new("limits.descriptors".to_owned(), at_most, above)))
    }

    /// A bound of the same size for an actor that `parent` spawned. What it has open counts for the parent as well.
    pub(crate) fn below(&self, parent: &Self) -> Self {
        Self::with(self.0.most, Some(parent.0.clone()))
    }

    /// The right to have one more open; none when the actor, one of those above it, or all actors together have as many as they may.
    pub(crate) fn take(&self, shared: &Arc<Account>) -> Option<Descriptor> {
        self.0.take(1).ok()?;
        if shared.take(1).is_err() {
            self.0.give_back(1);
            return None;
        }
        Some(Descriptor { own: self.0.clone(), shared: shared.clone() })
    }
}

/// The right to have one file, folder or connection open. It is dropped after what it is for is closed.
#[derive(Debug)]
pub(crate) struct Descriptor {
    own: Arc<Account>,
    shared: Arc<Account>,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.own.give_back(1);
        self.shared.give_back(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(most: u64) -> Arc<Account> {
        Arc::new(Account::new("all".to_owned(), most, None))
    }

    #[test]
    fn descriptor_counts_until_it_is_dropped() {
        let (own, all) = (Descriptors::new(2), shared(u64::MAX));
        let (first, second) = (own.take(&all), own.take(&all));
        assert!(first.is_some() && second.is_some() && own.take(&all).is_none());
        drop(first);
        assert!(own.take(&all).is_some());
    }

    #[test]
    fn childs_descriptors_count_for_its_parent() {
        let (parent, all) = (Descriptors::new(3), shared(u64::MAX));
        let child = Descriptors::new(2).below(&parent);
        let held = [child.take(&all), child.take(&all), parent.take(&all)];
        assert!(held.iter().all(Option::is_some));
        assert!(parent.take(&all).is_none() && child.take(&all).is_none());
        drop(held);
        assert_eq!((parent.0.used(), child.0.used(), all.used()), (0, 0, 0));
    }

    #[test]
    fn descriptors_of_all_actors_are_bounded_together() {
        let (one, other, all) = (Descriptors::new(9), Descriptors::new(9), shared(2));
        let held = [one.take(&all), other.take(&all)];
        assert!(held.iter().all(Option::is_some));
        assert!(one.take(&all).is_none() && other.take(&all).is_none());
        assert_eq!((one.0.used(), other.0.used()), (1, 1));
        drop(held);
        assert!(other.take(&all).is_some());
    }
}
