//! Files, folders and connections that guests have open: each actor has a limit of its own, and all actors together have the
//! limit of the process, minus the host's reserve.

use std::sync::Arc;

use playhouse_kernel::{AboutRun, LogEvent, Resource, ResourceUse};

use super::accounts::Account;

use crate::events::DescriptorRefused;

/// The limit on files, folders and connections that one actor has open at a time.
#[derive(Debug, Clone)]
pub struct Descriptors {
    own: Arc<Account>,
}

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
        let key = "its `limits.descriptors`, or that of an actor above it";
        Self { own: Arc::new(Account::new(key, at_most, above)) }
    }

    /// The limit.
    pub fn at_most(&self) -> u64 {
        self.own.most
    }

    /// A bound of the same size for an actor that `parent` spawned. Its open descriptors count for the parent as well.
    pub(crate) fn below(&self, parent: &Self) -> Self {
        Self::with(self.own.most, Some(parent.own.clone()))
    }

    /// Counts one more open descriptor. `Err` is the account whose limit is reached: of the actor, of one above it, or of all
    /// together. `uses` are the counts of the actor, for readers.
    pub(crate) fn take(
        &self,
        shared: &Arc<Account>,
        uses: Option<&Arc<ResourceUse>>,
    ) -> Result<Descriptor, Arc<Account>> {
        self.own.take(1)?;
        shared.take(1).inspect_err(|_| self.own.give_back(1))?;
        if let Some(uses) = uses {
            uses.take(Resource::Open, 1);
        }
        Ok(Descriptor { own: self.own.clone(), shared: shared.clone(), uses: uses.cloned() })
    }

    /// Logs the first refusal of a descriptor to the actor by `account`.
    pub(crate) fn say_refused(&self, subject: AboutRun<'_, Option<u64>>, account: &Account) {
        if self.own.is_first_refusal() {
            DescriptorRefused { subject, most: account.most, key: &account.key }.log();
        }
    }
}

/// The count of one open file, folder or connection. It is dropped after that is closed.
#[derive(Debug)]
pub(crate) struct Descriptor {
    own: Arc<Account>,
    shared: Arc<Account>,
    uses: Option<Arc<ResourceUse>>,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(uses) = &self.uses {
            uses.give_back(Resource::Open, 1);
        }
        self.own.give_back(1);
        self.shared.give_back(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(descriptors: &Descriptors) -> u64 {
        descriptors.own.used()
    }

    fn shared(most: u64) -> Arc<Account> {
        Arc::new(Account::new("all", most, None))
    }

    #[test]
    fn descriptor_counts_until_it_is_dropped() {
        let (own, all, uses) = (Descriptors::new(2), shared(u64::MAX), Arc::default());
        let (first, second) = (own.take(&all, Some(&uses)), own.take(&all, Some(&uses)));
        assert!(first.is_ok() && second.is_ok() && own.take(&all, None).is_err());
        assert_eq!(uses.read().open, 2);
        drop(first);
        assert_eq!(uses.read().open, 1);
        assert!(own.take(&all, None).is_ok());
    }

    #[test]
    fn childs_descriptors_count_for_its_parent() {
        let (parent, all) = (Descriptors::new(3), shared(u64::MAX));
        let child = Descriptors::new(2).below(&parent);
        let held = [child.take(&all, None), child.take(&all, None), parent.take(&all, None)];
        assert!(held.iter().all(Result::is_ok));
        assert!(parent.take(&all, None).is_err() && child.take(&all, None).is_err());
        drop(held);
        assert_eq!((used(&parent), used(&child), all.used()), (0, 0, 0));
    }

    #[test]
    fn descriptors_of_all_actors_are_bounded_together() {
        let (one, other, all) = (Descriptors::new(9), Descriptors::new(9), shared(2));
        let held = [one.take(&all, None), other.take(&all, None)];
        assert!(held.iter().all(Result::is_ok));
        assert!([&one, &other].into_iter().all(|own| own.take(&all, None).is_err_and(|account| account.key == "all")));
        assert_eq!((used(&one), used(&other)), (1, 1));
        drop(held);
        assert!(other.take(&all, None).is_ok());
    }
}
