//! A gateway's own account of itself: one line for `playhouse tree`, such as the time of the next run, or the last error of a
//! broker.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use playhouse_kernel::Address;

/// The longest line that is kept, in bytes.
const MOST_BYTES: usize = 256;

/// The current lines of all gateways. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Statuses(Arc<Mutex<HashMap<Address, String>>>);

impl Statuses {
    /// Replaces the line of a gateway.
    pub fn set(&self, address: &Address, line: impl Into<String>) {
        let mut line = line.into();
        if line.len() > MOST_BYTES {
            let end = (0..=MOST_BYTES).rev().find(|end| line.is_char_boundary(*end)).unwrap_or_default();
            line.truncate(end);
        }
        self.0.lock().insert(address.clone(), line);
    }

    /// Removes the line of a gateway that is gone.
    pub fn remove(&self, address: &Address) {
        self.0.lock().remove(address);
    }

    /// The line of a gateway.
    pub fn get(&self, address: &Address) -> Option<String> {
        self.0.lock().get(address).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_line_is_cut_between_characters() {
        let (statuses, address) = (Statuses::default(), Address::parse("/gate/a").expect("good"));
        statuses.set(&address, format!("a{}", "é".repeat(200)));
        assert_eq!(statuses.get(&address).map(|line| line.len()), Some(255));
        statuses.remove(&address);
        assert_eq!(statuses.get(&address), None);
    }
}
