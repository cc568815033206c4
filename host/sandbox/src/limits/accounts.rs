//! Counts of several incarnations together: the memory and the descriptors of an actor and all actors below it, and those of all
//! guests. An amount is counted by each account from the actor's own up to that of the sandbox; if one of them refuses it, no
//! account counts it.

use std::any::Any;
use std::borrow::Cow;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use playhouse_kernel::{Address, Bounds, Resource, ResourceUse, Usage};

/// Limits on the use of an actor and all actors below it together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubtreeLimits {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Files, folders and connections that are open at a time.
    pub descriptors: Option<u64>,
}

/// The accounts that count the use of one actor's incarnations, and of the actors that it spawns.
#[derive(Debug, Clone)]
pub struct Accounts {
    memory: Arc<Account>,
    descriptors: Arc<Account>,
    /// The limits of this actor on its subtree; each one that is set has an account of its own.
    own: SubtreeLimits,
}

impl Accounts {
    pub(crate) fn of_sandbox(memory: Arc<Account>, descriptors: Arc<Account>) -> Self {
        Self { memory, descriptors, own: SubtreeLimits::default() }
    }

    /// The accounts of an actor whose parent has the bounds `within`: new ones where the actor has a limit for itself and all
    /// actors below it, otherwise those of its parent.
    pub(crate) fn below(&self, within: &Bounds, address: &Address, own: SubtreeLimits) -> Self {
        let above = within.accounts.as_ref().and_then(|above| above.downcast_ref::<Self>()).unwrap_or(self);
        let account = |above: &Arc<Account>, key: &str, most: Option<u64>| match most {
            None => above.clone(),
            Some(most) => {
                let key = format!("`limits.subtree.{key}` of `{address}`");
                Arc::new(Account::new(key, most, Some(above.clone())))
            }
        };
        Self {
            memory: account(&above.memory, "memory", own.memory_bytes),
            descriptors: account(&above.descriptors, "descriptors", own.descriptors),
            own,
        }
    }

    /// Whether both count in the same places.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory) && Arc::ptr_eq(&self.descriptors, &other.descriptors)
    }

    pub(crate) fn memory(&self) -> &Arc<Account> {
        &self.memory
    }

    pub(crate) fn descriptors(&self) -> &Arc<Account> {
        &self.descriptors
    }

    /// The accounts in the form that the kernel passes to the actors that this one spawns.
    pub(crate) fn passed_on(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::new(self.clone())
    }

    pub(crate) fn usage(&self) -> Vec<Usage> {
        let usage =
            |key, account: &Account, own: Option<u64>| own.map(|most| Usage { key, used: account.used(), most });
        let memory = usage("memory", &self.memory, self.own.memory_bytes);
        memory.into_iter().chain(usage("descriptors", &self.descriptors, self.own.descriptors)).collect()
    }
}

/// A count with a limit: of bytes of memories and tables, whether their pages are used or not, or of descriptors.
#[derive(Debug)]
pub(crate) struct Account {
    /// The name of the limit, for errors.
    pub(crate) key: Cow<'static, str>,
    pub(crate) most: u64,
    used: AtomicU64,
    above: Option<Arc<Self>>,
    /// Whether a refusal was logged.
    said: AtomicBool,
}

impl Account {
    pub(crate) fn new(key: impl Into<Cow<'static, str>>, most: u64, above: Option<Arc<Self>>) -> Self {
        Self { key: key.into(), most, used: AtomicU64::new(0), above, said: AtomicBool::new(false) }
    }

    /// Whether this is the first refusal to the owner of this account, which is logged.
    pub(crate) fn is_first_refusal(&self) -> bool {
        !self.said.swap(true, Relaxed)
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    fn chain(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        iter::successors(Some(self), |account| account.above.as_ref())
    }

    /// Counts `more` in this account and all above it. `Err` is the account whose limit would be exceeded.
    pub(crate) fn take(self: &Arc<Self>, more: u64) -> Result<(), Arc<Self>> {
        for (taken, account) in self.chain().enumerate() {
            let fits = |used: u64| used.checked_add(more).filter(|wanted| *wanted <= account.most);
            if account.used.try_update(Relaxed, Relaxed, fits).is_err() {
                for account in self.chain().take(taken) {
                    account.used.fetch_sub(more, Relaxed);
                }
                return Err(account.clone());
            }
        }
        Ok(())
    }

    pub(crate) fn give_back(self: &Arc<Self>, less: u64) {
        for account in self.chain() {
            account.used.fetch_sub(less, Relaxed);
        }
    }
}

/// The memory of one incarnation, given back when its last holder is dropped: after the store, whose pages it counts.
#[derive(Debug)]
pub(crate) struct Held {
    account: Arc<Account>,
    /// The counts of the actor, for readers.
    uses: Arc<ResourceUse>,
    bytes: AtomicU64,
}

impl Held {
    pub(crate) fn new(account: &Arc<Account>, uses: &Arc<ResourceUse>) -> Arc<Self> {
        Arc::new(Self { account: account.clone(), uses: uses.clone(), bytes: AtomicU64::new(0) })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn grow(&self, more: u64) -> Result<(), Arc<Account>> {
        self.account.take(more)?;
        self.uses.take(Resource::Memory, more);
        self.bytes.fetch_add(more, Relaxed);
        Ok(())
    }

    /// Takes back the count of a growth that did not happen.
    pub(crate) fn shrink(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.uses.give_back(Resource::Memory, bytes);
        self.account.give_back(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.uses.give_back(Resource::Memory, self.bytes());
        self.account.give_back(self.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Descriptors;

    fn accounts() -> (Accounts, Accounts, Accounts) {
        let account = || Arc::new(Account::new("all", 100, None));
        let all = Accounts::of_sandbox(account(), account());
        let limits = |n| SubtreeLimits { memory_bytes: Some(n), descriptors: Some(n) };
        let address = |at| Address::parse(at).expect("good");
        let top = all.below(&Bounds::NONE, &address("/a"), limits(50));
        let within = Bounds { accounts: Some(top.passed_on()), ..Bounds::NONE };
        let below = all.below(&within, &address("/a/b"), limits(40));
        (all, top, below)
    }

    fn held(accounts: &Accounts) -> Arc<Held> {
        Held::new(&accounts.memory, &Arc::default())
    }

    fn used(accounts: &[&Accounts]) -> Vec<u64> {
        accounts.iter().map(|accounts| accounts.memory.used()).collect()
    }

    #[test]
    fn growth_counts_in_all_accounts_above_or_in_none() {
        let (all, top, below) = accounts();
        let (first, second, third) = (held(&below), held(&top), held(&all));
        assert!(first.grow(30).is_ok());
        assert_eq!(first.grow(11).expect_err("too much").key, "`limits.subtree.memory` of `/a/b`");
        assert!(second.grow(15).is_ok());
        assert_eq!(first.grow(6).expect_err("too much").key, "`limits.subtree.memory` of `/a`");
        assert!(third.grow(53).is_ok());
        assert_eq!(second.grow(3).expect_err("too much").key, "all");
        assert_eq!(used(&[&all, &top, &below]), [98, 45, 30]);
    }

    #[test]
    fn descriptors_of_a_subtree_are_bounded_together() {
        let account = |most| Arc::new(Account::new("all", most, None));
        let all = Accounts::of_sandbox(account(100), account(100));
        let address = |at| Address::parse(at).expect("good");
        let limit = SubtreeLimits { descriptors: Some(3), ..SubtreeLimits::default() };
        let top = all.below(&Bounds::NONE, &address("/a"), limit);
        let within = Bounds { accounts: Some(top.passed_on()), ..Bounds::NONE };
        let children = ["/a/b", "/a/c"].map(|at| all.below(&within, &address(at), SubtreeLimits::default()));
        let take = |accounts: &Accounts| Descriptors::new(9).take(accounts.descriptors(), None);
        let held = [take(&children[0]), take(&children[1]), take(&top)];
        assert!(held.iter().all(Result::is_ok));
        assert!([&children[0], &children[1], &top].into_iter().all(|accounts| take(accounts).is_err()));
        assert_eq!(top.usage(), [Usage { key: "descriptors", used: 3, most: 3 }]);
        assert!(children[0].usage().is_empty() && take(&all).is_ok());
        drop(held);
        assert_eq!(top.usage(), [Usage { key: "descriptors", used: 0, most: 3 }]);
    }

    #[test]
    fn drop_gives_back_what_an_incarnation_held() {
        let (all, top, below) = accounts();
        let uses = Arc::default();
        for _ in 0..10_000 {
            let held = Held::new(&below.memory, &uses);
            assert!(held.grow(30).is_ok() && held.grow(30).is_err());
            held.shrink(5);
            assert_eq!(uses.read().memory_bytes, 25);
        }
        assert_eq!(uses.read().memory_bytes, 0);
        assert_eq!(used(&[&all, &top, &below]), [0, 0, 0]);
    }
}
