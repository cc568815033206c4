//! Carries out the outputs of durable entries.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::output::Output;
use crate::journal::writer::Edge;
use crate::mailbox::Load;
use crate::mailbox::message_log::message_of;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{Message, records_of};

impl Edge<Output> for Routing {
    fn carry_out(&self, output: Output) {
        match output {
            Output::Answer(token, answer) => self.asks.answer(token, answer),
            Output::Deliver { target, records, load, reserved } => {
                self.deliver_durable(&target, &records, load, reserved);
            }
            Output::Feed(letter) => self.dead_letters.feed(&letter),
            Output::Ordered(answer) => answer(),
        }
    }

    fn settled(&self, entered: u64) {
        self.activity.end(entered);
    }
}

impl Routing {
    fn deliver_durable(&self, target: &Arc<Actor>, records: &[u8], load: Load, reserved: bool) {
        let accepted = if reserved {
            let mut wakers = Vec::new();
            let put = target.mailbox.put_reserved(records, load, &mut wakers);
            wakers.into_iter().for_each(Waker::wake);
            put
        } else {
            // Its overflow rule makes space.
            let pushed = target.mailbox.push(&**target, |space| _ = space.put_run(records, load.messages));
            pushed.map(|displaced| self.dead_letter(target, displaced, &DeadReason::Overflow, true))
        };
        if accepted.is_err() {
            // A stored message of a play that ends waits for the next run.
            let kept = |message: &Message| message.sequence() != 0 && self.host_ends.load(Ordering::Acquire);
            let left: Vec<_> = records_of(records).map(message_of).filter(|message| !kept(message)).collect();
            self.dead_letter(target, left, &target.closed_because(), false);
        }
    }
}
