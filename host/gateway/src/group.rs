//! Groups: actors that only hold others, so that these have a parent. `/gate` is one, and so is `/out` above a sink `/out/mail`.

use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Failure, Message, NativeActor, NativeContext, NativeLauncher, NativeResult,
};

/// The address above all gateways that take messages in. It is not for other actors.
pub const GATES: &str = "/gate";

/// An actor that only holds others. Messages to it become dead letters.
#[derive(Debug, Clone, Copy)]
pub struct Group;

impl NativeActor for Group {
    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        Err(Failure::Reject(format!("`{}` only holds others, and takes no messages", ctx.address())))
    }
}

/// Adds a group for each address above `address` that `has` no actor, the highest first.
pub fn place_groups_above(address: &Address, has: impl Fn(&Address) -> bool, actors: &mut Vec<ActorSpec>) {
    let above = std::iter::successors(address.parent(), Address::parent).take_while(|above| !above.is_root());
    let mut missing: Vec<_> =
        above.filter(|above| !has(above) && !actors.iter().any(|actor| actor.address == *above)).collect();
    missing.reverse();
    actors.extend(missing.into_iter().map(|address| ActorSpec::new(address, NativeLauncher::new(|| Group))));
}

/// Adds the group above the gateways if it is missing, and gives each of them at least `shutdown` to stop.
pub(crate) fn place_gates_group(shutdown: Duration, gates: &mut Vec<ActorSpec>) {
    if !gates.iter().any(|actor| actor.address.as_str() == GATES)
        && let Ok(address) = Address::parse(GATES)
    {
        gates.insert(0, ActorSpec::new(address, NativeLauncher::new(|| Group)));
    }
    if let Some(group) = gates.iter_mut().find(|actor| actor.address.as_str() == GATES) {
        group.supervision.shutdown = group.supervision.shutdown.max(shutdown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_placed_once_and_highest_first() {
        let address = |text: &str| Address::parse(text).expect("good");
        let mut actors = Vec::new();
        for sink in ["/out/eu/mail", "/out/eu/bills", "/shop/log"] {
            place_groups_above(&address(sink), |other| *other == address("/shop"), &mut actors);
        }
        let placed: Vec<_> = actors.iter().map(|actor| actor.address.as_str()).collect();
        assert_eq!(placed, ["/out", "/out/eu"]);
    }
}
