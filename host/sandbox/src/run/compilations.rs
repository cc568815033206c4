//! The origin of the machine code of a component, and the counts of the loaded ones by it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The origin of the machine code of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiled {
    /// The code was compiled before, and read from the cache.
    FromCache,
    /// The code was compiled now, in this time.
    Fresh(Duration),
    /// The code was compiled now, because the cache's entry was damaged.
    Rebuilt {
        /// The fault of the entry.
        why: String,
        /// The duration of the compilation.
        took: Duration,
    },
}

/// The loaded components of a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compilations {
    /// Components that were compiled since the cache did not have them.
    pub fresh: u64,
    /// Components whose code came from the cache.
    pub from_cache: u64,
    /// Components that were compiled since the entry of the cache was damaged.
    pub rebuilt: u64,
    /// The time of all compilations.
    pub took: Duration,
    /// Bytes of the machine code of all components.
    pub code_bytes: u64,
}

impl Compilations {
    fn add(&mut self, compiled: &Compiled, code_bytes: u64) {
        let (count, took) = match compiled {
            Compiled::Fresh(took) => (&mut self.fresh, *took),
            Compiled::FromCache => (&mut self.from_cache, Duration::ZERO),
            Compiled::Rebuilt { took, .. } => (&mut self.rebuilt, *took),
        };
        *count += 1;
        self.took += took;
        self.code_bytes += code_bytes;
    }
}

/// The counts of a sandbox.
#[derive(Default)]
pub(crate) struct CompilationCounts(Mutex<Compilations>);

impl CompilationCounts {
    pub(crate) fn add(&self, compiled: &Compiled, code_bytes: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(compiled, code_bytes);
    }

    pub(crate) fn read(&self) -> Compilations {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_origin_of_code_has_a_count() {
        let counts = CompilationCounts::default();
        let second = Duration::from_secs(1);
        counts.add(&Compiled::Fresh(second), 10);
        counts.add(&Compiled::FromCache, 20);
        counts.add(&Compiled::FromCache, 30);
        counts.add(&Compiled::Rebuilt { why: "cut off".into(), took: second * 2 }, 40);
        let wanted = Compilations { fresh: 1, from_cache: 2, rebuilt: 1, took: second * 3, code_bytes: 100 };
        assert_eq!(counts.read(), wanted);
    }
}
