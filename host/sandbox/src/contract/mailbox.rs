//! The types of the interface `mailbox` in `wit/actor.wit`, as Rust. Wasmtime checks each of them against a component when it
//! is loaded.

use std::sync::Arc;

use playhouse_kernel as kernel;
use wasmtime::component::{ComponentType, Lift, Lower, TypedFunc};

pub(crate) type PolicyParams = (Settings,);
pub(crate) type PolicyResults = (Result<Rules, String>,);
pub(crate) type Policy = TypedFunc<PolicyParams, PolicyResults>;
/// The prefixes are shared with the kernel, which uses their buffer again.
pub(crate) type PutParams = (Vec<Entry>, Arc<Vec<u8>>, Excess);
pub(crate) type PutResults = (Vec<u64>,);
pub(crate) type Put = TypedFunc<PutParams, PutResults>;
pub(crate) type TakeParams = (u32, Option<u64>);
pub(crate) type TakeResults = (Vec<u64>,);
pub(crate) type Take = TypedFunc<TakeParams, TakeResults>;
pub(crate) type SizeResults = (u64,);
pub(crate) type Size = TypedFunc<(), SizeResults>;

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct FlowId {
    high: u64,
    low: u64,
}

impl From<kernel::FlowId> for FlowId {
    fn from(flow: kernel::FlowId) -> Self {
        Self { high: (flow.0 >> 64) as u64, low: flow.0 as u64 }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) capacity: u64,
    #[component(name = "capacity-bytes")]
    pub(crate) capacity_bytes: u64,
    pub(crate) config: Vec<(String, String)>,
}

#[derive(ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // made by its number, as the guest gave it
pub(crate) enum WhenFull {
    #[component(name = "block")]
    Block,
    #[component(name = "reject")]
    Reject,
    #[component(name = "drop-newest")]
    DropNewest,
    #[component(name = "choose")]
    Choose,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Rules {
    #[component(name = "when-full")]
    when_full: WhenFull,
    #[component(name = "prefix-bytes")]
    prefix_bytes: u32,
}

impl From<Rules> for kernel::Rules {
    fn from(rules: Rules) -> Self {
        let when_full = match rules.when_full {
            WhenFull::Block => kernel::WhenFull::Block,
            WhenFull::Reject => kernel::WhenFull::Reject,
            WhenFull::DropNewest => kernel::WhenFull::DropNewest,
            WhenFull::Choose => kernel::WhenFull::Choose,
        };
        Self { when_full, prefix_bytes: rules.prefix_bytes }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Entry {
    key: u64,
    sender: u64,
    flow: FlowId,
    hops: u32,
    asked: bool,
    bytes: u32,
    #[component(name = "prefix-end")]
    prefix_end: u32,
}

impl From<&kernel::Entry> for Entry {
    fn from(entry: &kernel::Entry) -> Self {
        let kernel::Entry { key, sender, flow, hops, asked, bytes, prefix_end } = *entry;
        Self { key, sender, flow: flow.into(), hops, asked, bytes, prefix_end }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Excess {
    messages: u32,
    bytes: u64,
}

impl From<kernel::Excess> for Excess {
    fn from(excess: kernel::Excess) -> Self {
        let kernel::Excess { messages, bytes } = excess;
        Self { messages, bytes }
    }
}
