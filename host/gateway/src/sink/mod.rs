//! Sinks: actors whose messages leave for a broker, a server or a file. They get messages after the commit of the turn that sent
//! them, deliver them in order, and end each one when the receiver outside has it.
//!
//! A broken connection is waited for, and costs no attempt. A refusal of one message is tried again in place, so that no later
//! message overtakes it; at the last attempt the message becomes a dead letter.

mod behavior;
mod outlet;

use std::sync::Arc;

use playhouse_kernel::ActorSpec;

use crate::{Common, Placed};
pub use outlet::{Delivered, Delivery, Outgoing, Outlet, SinkSettings, Trouble};

/// Places a sink.
pub fn place(settings: SinkSettings, outlet: Arc<dyn Outlet>, common: &Common, placed: &mut Placed) {
    let counts = common.traffic.sink(&settings.address, outlet.kind());
    let mut spec =
        ActorSpec::new(settings.address.clone(), behavior::code(&settings, outlet, &common.statuses, counts));
    spec.mailbox = settings.mailbox;
    spec.limits.message_bytes = settings.message_bytes;
    // The tries are made in place. The kernel's own would let later messages overtake.
    spec.restart.attempts = 1;
    placed.sinks.push(spec);
}
