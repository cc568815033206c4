//! The component interface of a mailbox plugin: the contract's exports in terms of a [`Mailbox`], and the panic hook. Public only
//! for the expansion of `export_mailbox!`.
#![allow(missing_docs)] // code for a macro, in components only

use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic;
use std::thread::LocalKey;

use super::arrivals::{Arrivals, Entry, Excess};
use super::plugin::{Mailbox, Taking};
use super::settings::{Settings, WhenFull};
use crate::bindings::mailbox_plugin::exports::playhouse::actor::mailbox;
use crate::bindings::mailbox_plugin::playhouse::actor::mailbox_host;
use crate::envelope::FlowId;
use crate::panic_text::panic_text;

/// A mailbox with a static slot, which only a macro in its own crate can declare.
pub trait Exported: Mailbox {
    fn slot() -> &'static LocalKey<RefCell<Self>>;
}

/// The exports of the world `mailbox-plugin` for the mailbox `M`.
pub struct Component<M>(PhantomData<M>);

impl<M: Exported> mailbox::Guest for Component<M> {
    fn policy(settings: mailbox::Settings) -> Result<mailbox::Rules, String> {
        // The hook runs at most once, since `panicked` does not return.
        panic::set_hook(Box::new(|panic| mailbox_host::panicked(&panic_text(panic), &[])));
        let mailbox::Settings { address, capacity, capacity_bytes, config } = settings;
        let settings = Settings { address, capacity, capacity_bytes, config: config.into_iter().collect() };
        let rules = M::slot().with_borrow_mut(|mailbox| mailbox.policy(&settings));
        let rules = rules.map_err(|error| format!("{error:#}"))?;
        let when_full = match rules.when_full {
            WhenFull::Block => mailbox::WhenFull::Block,
            WhenFull::Reject => mailbox::WhenFull::Reject,
            WhenFull::DropNewest => mailbox::WhenFull::DropNewest,
            WhenFull::Choose => mailbox::WhenFull::Choose,
        };
        Ok(mailbox::Rules { when_full, prefix_bytes: rules.prefix_bytes })
    }

    fn put(entries: Vec<mailbox::Entry>, prefixes: Vec<u8>, excess: mailbox::Excess) -> Vec<u64> {
        let entries = entries.into_iter().map(|entry| {
            let mailbox::Entry { key, sender, flow, hops, asked, bytes, prefix_end } = entry;
            let flow = FlowId((u128::from(flow.high) << 64) | u128::from(flow.low));
            Entry { key, sender, flow, hops, asked, bytes, prefix_end }
        });
        let mailbox::Excess { messages, bytes } = excess;
        let arrivals = Arrivals { entries: entries.collect(), prefixes, excess: Excess { messages, bytes } };
        M::slot().with_borrow_mut(|mailbox| mailbox.put(&arrivals))
    }

    fn take(most: u32, overdue: Option<u64>) -> Vec<u64> {
        M::slot().with_borrow_mut(|mailbox| mailbox.take(Taking { most: most as usize, overdue }))
    }

    fn size() -> u64 {
        M::slot().with_borrow(|mailbox| mailbox.size() as u64)
    }
}
