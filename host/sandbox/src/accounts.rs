//! Counts of several incarnations together: the memory of an actor and all below it, and that of all guests. A growth is
//! counted by each account from the actor's own up to that of the sandbox, or refused by one of them and counted by none.

use std::any::Any;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use playhouse_kernel::{Address, Bounds, Usage};

/// Where the use of one actor's incarnations is counted, and that of what it spawns.
#[derive(Debug, Clone)]
pub struct Accounts {
    memory: Arc<MemoryAccount>,
    /// The account is of this actor and all below it.
    own: bool,
}

impl Accounts {
    pub(crate) fn of_sandbox(memory: Arc<MemoryAccount>) -> Self {
        Self { memory, own: false }
    }

    /// The accounts of what is below an actor with these bounds, and of an actor there: its own if it has a limit, in bytes of
    /// memory, for itself and all below it.
    pub(crate) fn below(&self, within: &Bounds, address: &Address, subtree_memory: Option<u64>) -> Self {
        let above = within.accounts.clone().and_then(|above| above.downcast::<MemoryAccount>().ok());
        let above = above.unwrap_or_else(|| self.memory.clone());
        let Some(most_bytes) = subtree_memory else { return Self { memory: above, own: false } };
        let key = format!("`limits.subtree.memory` of `{address}`");
        Self { memory: Arc::new(MemoryAccount::new(key, most_bytes, Some(above))), own: true }
    }

    pub(crate) fn memory(&self) -> &Arc<MemoryAccount> {
        &self.memory
    }

    /// As the kernel hands them on to what the actor spawns.
    pub(crate) fn handed_on(&self) -> Arc<dyn Any + Send + Sync> {
        self.memory.clone()
    }

    pub(crate) fn usage(&self) -> Vec<Usage> {
        let MemoryAccount { used_bytes, most_bytes, .. } = &*self.memory;
        let memory = Usage { key: "memory", used: used_bytes.load(Relaxed), most: *most_bytes };
        self.own.then_some(memory).into_iter().collect()
    }
}

/// Bytes of memories and tables, as large as they were made or grew, whether their pages were used or not.
#[derive(Debug)]
pub(crate) struct MemoryAccount {
    /// For people.
    pub(crate) key: String,
    pub(crate) most_bytes: u64,
    used_bytes: AtomicU64,
    above: Option<Arc<Self>>,
}

impl MemoryAccount {
    pub(crate) fn new(key: String, most_bytes: u64, above: Option<Arc<Self>>) -> Self {
        Self { key, most_bytes, used_bytes: AtomicU64::new(0), above }
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Relaxed)
    }

    fn chain(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        iter::successors(Some(self), |account| account.above.as_ref())
    }

    /// `Err` is the account that has no room.
    fn take(self: &Arc<Self>, more_bytes: u64) -> Result<(), Arc<Self>> {
        for (taken, account) in self.chain().enumerate() {
            let fits = |used: u64| used.checked_add(more_bytes).filter(|wanted| *wanted <= account.most_bytes);
            if account.used_bytes.try_update(Relaxed, Relaxed, fits).is_err() {
                for account in self.chain().take(taken) {
                    account.used_bytes.fetch_sub(more_bytes, Relaxed);
                }
                return Err(account.clone());
            }
        }
        Ok(())
    }

    fn give_back(self: &Arc<Self>, bytes: u64) {
        for account in self.chain() {
            account.used_bytes.fetch_sub(bytes, Relaxed);
        }
    }
}

/// The memory of one incarnation, given back when the last of those that hold it is dropped: after the store, whose pages it counts.
#[derive(Debug)]
pub(crate) struct Held {
    account: Arc<MemoryAccount>,
    bytes: AtomicU64,
}

impl Held {
    pub(crate) fn new(account: &Arc<MemoryAccount>) -> Arc<Self> {
        Arc::new(Self { account: account.clone(), bytes: AtomicU64::new(0) })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn grow(&self, more_bytes: u64) -> Result<(), Arc<MemoryAccount>> {
        self.account.take(more_bytes)?;
        self.bytes.fetch_add(more_bytes, Relaxed);
        Ok(())
    }

    /// A growth did not happen after all.
    pub(crate) fn shrink(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.account.give_back(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.give_back(self.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> (Accounts, Accounts, Accounts) {
        let all = Accounts::of_sandbox(Arc::new(MemoryAccount::new("all".to_owned(), 100, None)));
        let address = |at| Address::parse(at).expect("good");
        let top = all.below(&Bounds::NONE, &address("/a"), Some(50));
        let within = Bounds { accounts: Some(top.handed_on()), ..Bounds::NONE };
        let below = all.below(&within, &address("/a/b"), Some(40));
        (all, top, below)
    }

    fn used(accounts: &[&Accounts]) -> Vec<u64> {
        accounts.iter().map(|accounts| accounts.memory.used_bytes()).collect()
    }

    #[test]
    fn growth_counts_in_all_accounts_above_or_in_none() {
        let (all, top, below) = accounts();
        let (first, second, third) = (Held::new(&below.memory), Held::new(&top.memory), Held::new(&all.memory));
        assert!(first.grow(30).is_ok());
        assert_eq!(first.grow(11).expect_err("too much").key, "`limits.subtree.memory` of `/a/b`");
        assert!(second.grow(15).is_ok());
        assert_eq!(first.grow(6).expect_err("too much").key, "`limits.subtree.memory` of `/a`");
        assert!(third.grow(53).is_ok());
        assert_eq!(second.grow(3).expect_err("too much").key, "all");
        assert_eq!(used(&[&all, &top, &below]), [98, 45, 30]);
    }

    #[test]
    fn drop_gives_back_what_an_incarnation_held() {
        let (all, top, below) = accounts();
        for _ in 0..10_000 {
            let held = Held::new(&below.memory);
            assert!(held.grow(30).is_ok() && held.grow(30).is_err());
            held.shrink(5);
        }
        assert_eq!(used(&[&all, &top, &below]), [0, 0, 0]);
    }
}
