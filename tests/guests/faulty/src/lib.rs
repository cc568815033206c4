//! A first-in, first-out mailbox plugin with faults: the config's `at` names the call (`policy`, `put`, `take`, `size`), `fault`
//! the fault in that call. Without `fault` it works correctly.
//!
//! | fault | effect |
//! |---|---|
//! | `refuse` | `policy` returns an error |
//! | `panic`, `trap`, `loop`, `memory`, `stack` | it panics, traps, loops, takes all memory, recurses |
//! | `third` | it prints its number of messages, and panics when the third comes alone: the next run gets three at once |
//! | `unknown`, `twice`, `none`, `greedy` | it returns an unknown key, one key twice, no key, more keys than wanted |
//! | `lies` | `size` is one too many |
//! | `print` | it writes to stdout and to stderr |

use std::collections::VecDeque;

use anyhow::bail;
use playhouse_sdk::mailbox::{Arrivals, Key, Mailbox, Rules, Settings, Taking, WhenFull};
use playhouse_sdk::{Result, export_mailbox};

#[derive(Default)]
struct Faulty {
    at: String,
    fault: String,
    waiting: VecDeque<Key>,
}

impl Faulty {
    fn at(&self, call: &str, keys: Vec<Key>) -> Vec<Key> {
        if self.at != call {
            return keys;
        }
        match self.fault.as_str() {
            "panic" => panic!("as its config says"),
            "trap" => std::process::abort(),
            "loop" => loop {
                std::hint::black_box(());
            },
            "memory" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1_u8; 1 << 20]);
                }
            }
            "stack" => vec![recurse(1)],
            "unknown" => vec![4711],
            "twice" => keys.into_iter().flat_map(|key| [key, key]).collect(),
            "none" => Vec::new(),
            "greedy" => keys.into_iter().chain(self.waiting.iter().copied()).collect(),
            "print" => {
                println!("a line of {call}");
                eprintln!("an error of {call}");
                keys
            }
            _ => keys,
        }
    }
}

fn recurse(n: u64) -> u64 {
    if std::hint::black_box(n) == 0 { 0 } else { recurse(n + 1) + std::hint::black_box(1) }
}

impl Mailbox for Faulty {
    fn policy(&mut self, settings: &Settings) -> Result<Rules> {
        let word = |key: &str| settings.config.get(key).cloned().unwrap_or_default();
        (self.at, self.fault) = (word("at"), word("fault"));
        if self.fault == "refuse" {
            bail!("not for {} with room for {}", settings.address, settings.capacity);
        }
        self.at("policy", Vec::new());
        Ok(Rules { when_full: WhenFull::Block, prefix_bytes: 0 })
    }

    fn put(&mut self, arrivals: &Arrivals) -> Vec<Key> {
        self.waiting.extend(arrivals.iter().map(|arrival| arrival.key));
        if self.fault == "third" {
            eprintln!("it has {}", self.waiting.len());
        }
        let third = self.fault == "third" && arrivals.len() == 1 && self.waiting.len() == 3;
        assert!(!third, "the third one came");
        self.at("put", Vec::new())
    }

    fn take(&mut self, taking: Taking) -> Vec<Key> {
        let most = taking.most.min(self.waiting.len());
        let keys = self.waiting.drain(..most).collect();
        self.at("take", keys)
    }

    fn size(&self) -> usize {
        self.at("size", Vec::new());
        self.waiting.len() + usize::from(self.fault == "lies")
    }
}

export_mailbox!(Faulty);
