//! The counts of the gateways without a server, for the metrics.

use playhouse_gateway::Traffic;
use playhouse_gateway::traffic::{Count, Counted, Counts};
use playhouse_observe::{GatewayFacts, GatewayRole, LinkFacts};

/// The counts now.
pub(crate) fn facts(traffic: &Traffic) -> Vec<GatewayFacts> {
    let facts = |(address, counted): (playhouse_kernel::Address, Counted)| {
        let (role, events) = read(&counted);
        GatewayFacts { gateway: address.to_string(), role, events }
    };
    traffic.all().into_iter().map(facts).collect()
}

fn read(counted: &Counted) -> (GatewayRole, Vec<(&'static str, u64)>) {
    let events = |counts: &[(&'static str, &Count)]| counts.iter().map(|(name, count)| (*name, count.get())).collect();
    match counted {
        Counted::Source(kind, counts) => {
            let Counts { messages, done, repeated, given_back, refused, missing, .. } = &**counts;
            let named = [
                ("taken", messages),
                ("done", done),
                ("repeated", repeated),
                ("given_back", given_back),
                ("refused", refused),
                ("missing", missing),
            ];
            (GatewayRole::Source(link(kind, counts)), events(&named))
        }
        Counted::Sink(kind, counts) => {
            let named = [("done", &counts.done), ("repeated", &counts.repeated), ("refused", &counts.refused)];
            (GatewayRole::Sink(link(kind, counts)), events(&named))
        }
        Counted::Cron(counts) => {
            let named = [
                ("run", &counts.runs),
                ("failed", &counts.failed),
                ("skipped", &counts.skipped),
                ("missed", &counts.missed),
                ("refused", &counts.refused),
            ];
            (GatewayRole::Cron, events(&named))
        }
        Counted::Letters(counts) => {
            let named = [("sent", &counts.sent), ("refused", &counts.refused), ("left_out", &counts.left_out)];
            (GatewayRole::Letters, events(&named))
        }
    }
}

fn link(kind: &'static str, counts: &Counts) -> LinkFacts {
    LinkFacts { kind, connected: counts.connected.get(), disconnects: counts.disconnects.get() }
}
