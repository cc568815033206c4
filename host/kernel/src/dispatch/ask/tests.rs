//! Tests of the graph of waits.

use super::*;

/// Actors `/a`, `/b` ...; `instances` holds the number of instances of each.
struct Cast {
    asks: Asks,
    addresses: Vec<Address>,
    instances: &'static [usize],
    /// The shared instance of each; none without an entry.
    shared: &'static [Option<u64>],
}

impl Cast {
    fn new(instances: &'static [usize]) -> Self {
        let addresses = ["/a", "/b", "/c"].map(|a| Address::parse(a).expect("good")).into();
        Self { asks: Asks::default(), addresses, instances, shared: &[] }
    }

    fn endpoint(&self, n: usize) -> AskEndpoint<'_> {
        let shared = self.shared.get(n).copied().flatten();
        AskEndpoint { id: ActorId(n as u64 + 1), instances: self.instances[n], address: &self.addresses[n], shared }
    }

    /// An ask from the instance `instance` of `from` to `to`; or the cycle that it would close.
    fn ask(&self, from: usize, instance: usize, to: usize) -> Result<(OpenAsk<'_>, Waiting<'_>), String> {
        let ask = self.asks.open(self.endpoint(to).id, Instant::now());
        let waiting =
            self.asks.wait_for(self.endpoint(from), instance, self.endpoint(to), (ask.token(), Instant::now()));
        waiting.map(|waiting| (ask, waiting)).map_err(|error| error.to_string())
    }

    fn circle(&self, from: usize, instance: usize, to: usize) -> Option<String> {
        self.ask(from, instance, to).err()
    }
}

#[test]
fn cycle_of_waits_is_refused_and_named() {
    let cast = Cast::new(&[1, 1, 1]);
    let _ab = cast.ask(0, 0, 1).expect("no circle");
    let bc = cast.ask(1, 0, 2).expect("no circle");
    assert_eq!(cast.circle(2, 0, 0), Some("deadlock: /c -> /a -> /b -> /c".into()));
    assert_eq!(cast.circle(2, 0, 2), Some("deadlock: /c -> /c".into()));
    drop(bc);
    assert_eq!(cast.circle(2, 0, 0), None);
}

#[test]
fn free_instance_prevents_a_deadlock() {
    let cast = Cast::new(&[2, 1, 1]);
    let own = cast.ask(0, 0, 0).expect("its other instance answers");
    assert_eq!(cast.circle(0, 1, 0), Some("deadlock: /a -> /a".into()), "the last free instance");
    drop(own);
    let _ab = cast.ask(0, 0, 1).expect("no circle");
    let _ba = cast.ask(1, 0, 0).expect("the other instance of /a is free");
    let _ac = cast.ask(0, 1, 2).expect("/c is free");
    assert_eq!(cast.circle(2, 0, 0), Some("deadlock: /c -> /a -> /c".into()), "no instance of /a is free now");
}

#[test]
fn answer_ends_the_wait_of_its_asker() {
    let cast = Cast::new(&[1, 1]);
    let (ask, _ab) = cast.ask(0, 0, 1).expect("no circle");
    assert_eq!(cast.circle(1, 0, 0), Some("deadlock: /b -> /a -> /b".into()));
    cast.asks.answer(ask.token(), Err(AskError::NoReply));
    assert_eq!(cast.circle(1, 0, 0), None);
}

#[test]
fn actors_that_share_an_instance_wait_together() {
    let cast = Cast { shared: &[Some(7), None, Some(7)], ..Cast::new(&[1, 1, 1]) };
    let shares = "; /c shares an instance with /a";
    assert_eq!(cast.circle(0, 0, 2), Some(format!("deadlock: /a -> /c -> /a{shares}")));
    let ab = cast.ask(0, 0, 1).expect("no circle");
    assert_eq!(cast.circle(1, 0, 2), Some(format!("deadlock: /b -> /c -> /b{shares}")));
    drop(ab);
    let _bc = cast.ask(1, 0, 2).expect("nothing waits in the instance");
    assert_eq!(cast.circle(0, 0, 1), Some(format!("deadlock: /a -> /b -> /a{shares}")));
}
