//! The memory of one incarnation, summed over all its memories and tables.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::accounts::{Account, Held};
use super::incarnation::Limits;
use super::parts::{ELEMENT_BYTES, MOST_CORE_INSTANCES, MOST_MEMORIES, MOST_TABLE_ELEMENTS, MOST_TABLES};

/// Memories and tables of one store, against its limit.
pub(crate) struct MemoryLimiter {
    limit_bytes: u64,
    /// The key of that limit, for operators.
    pub(crate) limit_key: &'static str,
    held: Arc<Held>,
    /// The part of the held bytes that was counted for the present growth.
    growing_bytes: u64,
    /// The refusal of a growth during the current message: a trap that follows is most likely due to it.
    pub(crate) refused: Option<Refused>,
    /// `limits.resources`, and below it `play.limits.stack`: for reports only, since wasmtime enforces both.
    pub(crate) most_resources: usize,
    pub(crate) stack_bytes: usize,
}

/// The limit that refused a growth.
#[derive(Debug, Clone)]
pub(crate) enum Refused {
    /// All memories and tables together would be larger than the limit.
    Memory,
    /// The use that an account counts together would be larger than its limit.
    Account(Arc<Account>),
    /// One table would be larger than a table of the pool.
    Table,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits, held: Arc<Held>, stack_bytes: usize) -> Self {
        let (limit_bytes, most_resources) = (limits.memory_bytes, limits.resources);
        let limit_key = "limits.memory";
        Self { limit_bytes, limit_key, held, growing_bytes: 0, refused: None, most_resources, stack_bytes }
    }

    /// The memory of an instance that several actors share.
    pub(crate) fn of_several(self) -> Self {
        Self { limit_key: "limits.memory, common to all actors that share the instance,", ..self }
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Wasmtime refuses a growth beyond `maximum` in any case, so such a growth is not counted here.
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>, each_bytes: u64) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.growing_bytes = 0;
            return true;
        }
        let more_bytes = (desired.saturating_sub(current) as u64).saturating_mul(each_bytes);
        self.growing_bytes = 0;
        if self.held.bytes().saturating_add(more_bytes) > self.limit_bytes {
            self.refused = Some(Refused::Memory);
        } else if let Err(account) = self.held.grow(more_bytes) {
            self.refused = Some(Refused::Account(account));
        } else {
            self.growing_bytes = more_bytes;
            return true;
        }
        false
    }

    /// Takes back the count of a granted growth for which the system had no memory.
    fn grow_failed(&mut self) {
        self.held.shrink(std::mem::take(&mut self.growing_bytes));
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, maximum, 1))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A growth beyond a smaller maximum meets the guest's own bound, not the pool's.
        if desired > MOST_TABLE_ELEMENTS && maximum == Some(MOST_TABLE_ELEMENTS) {
            self.refused = Some(Refused::Table);
        }
        Ok(self.grow(current, desired, maximum, ELEMENT_BYTES))
    }

    fn instances(&self) -> usize {
        MOST_CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MOST_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MOST_TABLES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(memory_bytes: u64, account_bytes: u64) -> MemoryLimiter {
        let account = Arc::new(Account::new("the test", account_bytes, None));
        MemoryLimiter::new(&Limits { memory_bytes, ..Limits::default() }, Held::new(&account, &Arc::default()), 0)
    }

    #[test]
    fn account_refuses_a_growth_within_the_own_limit() {
        let mut limiter = limiter(100, 50);
        assert!(!limiter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(matches!(&limiter.refused, Some(Refused::Account(account)) if account.key == "the test"));
        assert!(limiter.memory_growing(0, 50, None).expect("it never fails"));
    }

    #[test]
    fn growth_that_the_system_refuses_is_not_counted() {
        let mut limiter = limiter(100, 100);
        for _ in 0..3 {
            assert!(limiter.memory_growing(0, 60, None).expect("it never fails"));
            limiter.memory_grow_failed(wasmtime::Error::msg("no memory")).expect("it never fails");
        }
        assert!(limiter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(limiter.memory_growing(60, 110, Some(100)).expect("it never fails"), "wasmtime refuses it");
        limiter.memory_grow_failed(wasmtime::Error::msg("over its maximum")).expect("it never fails");
        assert_eq!(limiter.held.bytes(), 60);
    }

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = limiter(100, u64::MAX);
        assert!(limiter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(limiter.table_growing(0, 5, None).expect("it never fails"));
        assert!(limiter.refused.is_none());
        assert!(!limiter.memory_growing(60, 61, None).expect("it never fails"));
        assert!(matches!(limiter.refused, Some(Refused::Memory)));
    }

    #[test]
    fn growth_beyond_the_own_maximum_is_not_counted() {
        let mut limiter = limiter(100, u64::MAX);
        for _ in 0..10 {
            assert!(limiter.memory_growing(10, 60, Some(50)).expect("it never fails"));
        }
        assert!(limiter.memory_growing(0, 100, None).expect("it never fails"));
        assert!(limiter.refused.is_none());
    }
}
