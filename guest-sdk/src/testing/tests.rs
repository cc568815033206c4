//! The rules of the test harness.

use std::fmt;
use std::time::Duration;

use super::*;
use crate::{
    Actor, ActorState, AskError, Context, Envelope, Failure, Message, Result, SendError, SpawnError, SpawnOptions,
    StopError, TimerError, TimerId, reject,
};

/// Follows the words of the message, one after another.
#[derive(Default)]
struct Puppet {
    timer: Option<TimerId>,
}

impl Actor for Puppet {
    fn init(&mut self, ctx: &mut Context) -> Result {
        if ctx.config("init").is_some() {
            ctx.reply("a reply");
        }
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        for word in msg.text()?.split(' ') {
            match word {
                "reject" => return Err(reject("told to").context("in the play")),
                "fail" => Err(fmt::Error)?,
                "reply" => ctx.reply("yes"),
                "reply-twice" => {
                    ctx.with_metadata("status", "201").reply("made")?;
                    ctx.reply("yes");
                }
                "envelope" => ctx.reply(format!("{:?}", ctx.envelope())),
                "top" => ctx.reply_json(&ctx.config_as::<u8>("top")?)?,
                "whoami" => ctx.reply_json(&(ctx.parent(), ctx.name(), ctx.sibling("x")))?,
                "ask" => ctx.reply(ctx.ask("/oracle", "why", Duration::from_secs(1))?),
                "spawn" => ctx.spawn_with("w", "worker", &SpawnOptions::new().config("k", "v"))?,
                "spawn-child" => ctx.spawn("child", "worker")?,
                "tell-all" => ctx.reply_json(&(ctx.tell_children("c")?, ctx.tell_all("/shop/**", "s")?))?,
                "tell-nobody" => ctx.reply_json(&ctx.tell_all("/nobody/*", "s")?)?,
                "spawn-bad" => ctx.spawn("a/b", "worker")?,
                "stop" => ctx.stop_child("w")?,
                "stop-child" => ctx.stop_child("child")?,
                "around" => ctx.reply(format!(
                    "{:?} {:?} {:?} {:?}",
                    ctx.children(),
                    ctx.lookup("w"),
                    ctx.status("/bank"),
                    ctx.status("child")
                )),
                "after" => self.timer = Some(ctx.tell_after(Duration::from_millis(30), ctx.address(), "once")?),
                "every" => self.timer = Some(ctx.tell_every(Duration::from_millis(20), "/a", "tick")?),
                "count" => ctx.count("orders", 2)?,
                "observe" => ctx.observe("amount", 0.5)?,
                "negative" => ctx.observe("amount", -0.5)?,
                "cancel" => self.timer.take().into_iter().for_each(|timer| ctx.cancel(timer)),
                to => ctx.tell(to, word)?,
            }
        }
        Ok(())
    }

    fn prepare_children(&mut self, ctx: &mut Context) -> Result {
        match ctx.config("prepare") {
            Some(name) => Ok(ctx.spawn(&name, "worker")?),
            None => Ok(()),
        }
    }
}

fn puppet() -> ActorHarness<Puppet> {
    ActorHarness::start().expect("its init does nothing")
}

#[test]
fn later_reply_replaces_the_metadata_too() -> Result {
    let mut harness = ActorHarness::<Puppet>::start()?;
    let reply = harness.ask_message(Message::new("reply-twice"))?;
    assert_eq!((reply.body, reply.metadata.is_empty()), (b"yes".to_vec(), true));
    Ok(())
}

#[test]
fn failed_message_has_no_effects() {
    let mut harness = puppet();
    assert!(harness.tell("/a reply fail").is_err());
    assert_eq!(harness.ask("/b"), Err(AskError::NoReply));
    assert_eq!(harness.sent(), [("/b", "/b")]);
}

#[test]
fn error_retries_unless_its_chain_has_a_reject() {
    let mut harness = puppet();
    assert!(matches!(harness.tell("fail"), Err(Failure::Retry(_))));
    assert_eq!(harness.tell("reject"), Err(Failure::Reject("in the play: told to".to_owned())));
}

#[test]
fn body_that_is_not_utf8_rejects() {
    let failure = puppet().tell([0xff]).unwrap_err();
    assert!(matches!(&failure, Failure::Reject(reason) if reason.contains("not UTF-8")), "{failure:?}");
}

#[test]
fn reply_to_a_tell_is_dropped() {
    assert_eq!(puppet().deliver(Envelope::default(), "reply"), Ok(None));
}

#[test]
fn reply_in_a_hook_fails_the_hook() {
    let error = ActorHarness::<Puppet>::setup().config("init", "reply").start().err().expect("no start");
    assert_eq!(error.to_string(), "`init` called `reply`, but a hook has no message to reply to");
}

#[test]
fn relative_address_is_a_child() {
    let mut harness = puppet();
    harness.tell("prompter").unwrap();
    assert_eq!(harness.sent(), [("/actor/prompter", "prompter")]);
}

#[test]
fn bad_address_and_a_refusal_fail_the_send() {
    let too_large = SendError::TooLarge { limit_bytes: 1 };
    let mut harness = ActorHarness::<Puppet>::setup().refuse("/full", too_large.clone()).start().unwrap();
    assert!(harness.tell("/no/:/address").unwrap_err().to_string().starts_with("bad address"));
    assert_eq!(harness.tell("/full"), Err(Failure::Retry(too_large.to_string())));
}

#[test]
fn ask_gets_the_scripted_answer_or_finds_no_actor() {
    let mut harness = ActorHarness::<Puppet>::setup().answer("/oracle", |_| Ok(b"because".into())).start().unwrap();
    assert_eq!(harness.ask("ask").unwrap(), b"because");
    assert_eq!(
        puppet().ask("ask"),
        Err(AskError::RetriesSpent("the question was not sent: no actor has the address `/oracle`".to_owned()))
    );
}

#[test]
fn addresses_know_their_parts() {
    let at = |address: &str| ActorHarness::<Puppet>::setup().address(address).start().unwrap().ask("whoami").unwrap();
    assert_eq!(at("/a"), br#"["/","a","/x"]"#);
    assert_eq!(at("/a/b"), br#"["/a","b","/a/x"]"#);
}

#[test]
fn config_value_that_does_not_parse_is_named() {
    let mut harness = ActorHarness::<Puppet>::setup().config("top", "many").start().unwrap();
    let expected = "config `top` = `many` is not a u8: invalid digit found in string";
    assert_eq!(harness.tell("top"), Err(Failure::Retry(expected.to_owned())));
    assert_eq!(puppet().ask("top").unwrap(), b"null");
}

#[test]
fn envelope_is_that_of_the_current_message() {
    let text = String::from_utf8(puppet().ask("envelope").unwrap()).unwrap();
    assert!(text.contains("attempt: 1, asked: true"), "{text}");
}

#[test]
fn children_come_and_go_with_the_turns_that_succeed() {
    let mut harness = ActorHarness::<Puppet>::setup().config("prepare", "first").start().unwrap();
    assert!(harness.tell("spawn w fail").is_err());
    assert_eq!(harness.children(), [("first", "worker")]);
    harness.tell("spawn w").unwrap();
    assert_eq!(
        harness.children()[1],
        Child { name: "w".into(), plugin: "worker".into(), config: vec![("k".into(), "v".into())] }
    );
    assert_eq!(harness.sent(), [("/actor/w", "w")]);
    let duplicate = SpawnError::Duplicate("/actor/w".into());
    assert_eq!(harness.tell("spawn"), Err(Failure::Retry(duplicate.to_string())));
    assert!(harness.tell("stop fail").is_err());
    harness.tell("stop").unwrap();
    assert_eq!(harness.children(), [("first", "worker")]);
    let unknown = StopError::UnknownAddress("/actor/w".into());
    assert_eq!(harness.tell("stop"), Err(Failure::Retry(unknown.to_string())));
}

#[test]
fn spawn_of_a_bad_or_taken_name_is_refused() {
    let full = SpawnError::TooManyChildren { most: 3 };
    let setup =
        ActorHarness::<Puppet>::setup().refuse_spawn("w", full.clone()).actor("/actor/child", ActorState::Running);
    let mut harness = setup.start().unwrap();
    assert_eq!(harness.tell("spawn"), Err(Failure::Retry(full.to_string())));
    assert!(harness.tell("spawn-bad").unwrap_err().to_string().starts_with("bad name"));
    assert!(harness.tell("spawn-child").unwrap_err().to_string().contains("exists already"));
    assert!(harness.tell("stop-child").unwrap_err().to_string().contains("is not a child that this actor spawned"));
    assert!(puppet().tell("spawn spawn").is_err());
}

#[test]
fn lookup_finds_the_actors_of_the_setup() {
    let setup = ActorHarness::<Puppet>::setup()
        .actor("/bank", ActorState::Stopped)
        .actor("/actor/child", ActorState::BackingOff);
    let mut harness = setup.start().unwrap();
    let around = |harness: &mut ActorHarness<Puppet>| String::from_utf8(harness.ask("around").unwrap()).unwrap();
    assert_eq!(around(&mut harness), r#"["child"] None Some(Stopped) Some(BackingOff)"#);
    harness.tell("spawn").unwrap();
    assert_eq!(around(&mut harness), r#"["child", "w"] Some("/actor/w") Some(Stopped) Some(BackingOff)"#);
}

#[test]
fn timers_send_when_due_until_they_are_cancelled() {
    let mut harness = puppet();
    assert!(harness.tell("after fail").is_err());
    harness.tell("after every").unwrap();
    assert_eq!(harness.timers().len(), 2);
    harness.advance(Duration::from_millis(45));
    assert_eq!(harness.sent(), [("/a", "tick"), ("/actor", "once"), ("/a", "tick")]);
    harness.tell("cancel").unwrap();
    harness.advance(Duration::from_secs(1));
    assert_eq!((harness.sent().len(), harness.timers().len()), (3, 0));
}

#[test]
fn timer_is_refused_like_a_send_and_beyond_its_limit() {
    let mut harness = ActorHarness::<Puppet>::setup().most_timers(1).start().unwrap();
    let too_many = TimerError::TooManyTimers { most: 1 }.to_string();
    assert_eq!(harness.tell("after after"), Err(Failure::Retry(too_many)));
    harness.tell("after cancel after").unwrap_err();
    let setup = ActorHarness::<Puppet>::setup().refuse("/a", SendError::NotGranted("/a".into()));
    let failure = setup.start().unwrap().tell("every").unwrap_err();
    assert!(failure.to_string().contains("may not send to `/a`"), "{failure}");
}

#[test]
fn broadcast_reaches_existing_actors_or_none() {
    let others = ["/shop", "/shop/till", "/shop/till/drawer", "/actor/child", "/bank"];
    let setup =
        others.iter().fold(ActorHarness::<Puppet>::setup(), |setup, other| setup.actor(other, ActorState::Running));
    let mut harness = setup
        .actor("/shop/old", ActorState::Ended)
        .refuse("/bank", SendError::TooLarge { limit_bytes: 1 })
        .start()
        .unwrap();
    assert_eq!(harness.ask("spawn tell-all").unwrap(), b"[2,2]");
    let sent = [("/actor/child", "c"), ("/actor/w", "c"), ("/shop/till", "s"), ("/shop/till/drawer", "s")];
    assert_eq!(harness.sent(), sent);
    assert_eq!(harness.tell("stop tell-all"), Ok(()));
    assert_eq!(harness.sent()[4..], [("/actor/child", "c"), ("/shop/till", "s"), ("/shop/till/drawer", "s")]);
    let nobody = "no actor has the address `/nobody`".to_owned();
    assert_eq!(harness.ask("tell-nobody"), Err(AskError::RetriesSpent(nobody)));
}

#[test]
fn failed_message_counts_and_observes_nothing() {
    let mut harness = ActorHarness::<Puppet>::setup().metrics(["orders", "amount"]).start().unwrap();
    harness.tell("count observe count").unwrap();
    assert!(harness.tell("count observe fail").is_err());
    assert_eq!((harness.counted("orders"), harness.observed("amount")), (4, vec![0.5]));
    assert_eq!((harness.counted("amount"), harness.observed("orders")), (0, vec![]));
}

#[test]
fn undeclared_metric_or_bad_value_is_an_error() {
    let mut harness = ActorHarness::<Puppet>::setup().metrics(["amount"]).start().unwrap();
    let undeclared = "`/actor` has no metric `orders`: add the name to `metrics` of its [[actor]] in the manifest";
    assert_eq!(harness.tell("count"), Err(Failure::Retry(undeclared.to_owned())));
    let negative = "`amount` of `/actor` cannot observe -0.5: a value is finite and not negative";
    assert_eq!(harness.tell("negative"), Err(Failure::Retry(negative.to_owned())));
    assert!(puppet().tell("count").is_ok(), "a test that declares no names allows all");
}

/// Counts, in its value and in the state.
#[derive(Default, Clone, serde::Serialize, serde::Deserialize)]
struct Counter {
    sum: u32,
}

impl Actor for Counter {
    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        self.sum += 1;
        let state = ctx.state();
        state.put(msg.text()?, &self.sum)?;
        match msg.text()? {
            "reject" => return Err(reject("told to")),
            "large" => state.put_bytes("large", [0; 11])?,
            "keys" => ctx.reply_json(&state.keys("")?)?,
            "delete" => state.keys("")?.iter().try_for_each(|key| state.delete(key))?,
            "short" => state.put_for("short", "v", Duration::from_millis(100))?,
            "short again" => state.put("short again", &state.get::<String>("short")?)?,
            "ever" => state.put_for("ever", "v", Duration::MAX)?,
            "json" => drop(state.get::<String>("json")?),
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn state_stays_over_a_restart_and_the_value_does_not() {
    let mut harness = ActorHarness::<Counter>::setup().state("old", &9).start().unwrap();
    harness.tell("a").unwrap();
    harness.tell("reject").unwrap_err();
    assert_eq!((harness.state_keys().join(" "), harness.state("a").unwrap()), ("a old".to_owned(), Some(1)));
    let mut harness = harness.restart().unwrap();
    assert_eq!(harness.actor().sum, 0);
    assert_eq!(harness.ask("keys").unwrap(), br#"["a","keys","old"]"#);
    harness.tell("delete").unwrap();
    assert_eq!(harness.state_keys(), [""; 0]);
}

#[test]
fn value_goes_when_its_time_is_over() {
    let setup = ActorHarness::<Counter>::setup().state("old", &1).state_expire(Duration::from_millis(500));
    let mut harness = setup.start().unwrap();
    for message in ["a", "short", "ever"] {
        harness.tell(message).unwrap();
    }
    harness.advance(Duration::from_millis(99));
    harness.tell("a").unwrap();
    assert_eq!(harness.state_keys(), ["a", "ever", "old", "short"]);
    harness.advance(Duration::from_millis(1));
    assert_eq!(harness.state_keys(), ["a", "ever", "old"]);
    harness.tell("short again").unwrap();
    assert_eq!(harness.state::<Option<String>>("short again").unwrap(), Some(None), "the actor does not see it either");
    let mut harness = harness.restart().unwrap();
    harness.advance(Duration::from_millis(498));
    assert_eq!(harness.state_keys(), ["a", "ever", "old", "short again"], "set again, it began anew");
    harness.advance(Duration::from_millis(1));
    assert_eq!(harness.state_keys(), ["ever", "old", "short again"]);
    harness.advance(Duration::from_hours(24 * 365 * 99));
    assert_eq!(harness.state_keys(), ["ever", "old"]);
}

#[test]
fn saved_value_stays_over_a_restart() {
    let mut harness = ActorHarness::<Counter>::setup().saved().start().unwrap();
    harness.tell("a").unwrap();
    harness.tell("reject").unwrap_err();
    assert_eq!(harness.actor().sum, 1, "put back");
    let mut harness = harness.restart().unwrap();
    harness.tell("b").unwrap();
    assert_eq!(harness.actor().sum, 2);
    let broken = ActorHarness::<Counter>::setup().saved().state("", "no counter").start();
    let error = format!("{:#}", broken.err().unwrap());
    assert!(error.starts_with("the saved state, key \"\", is not a "), "{error}");
}

#[test]
fn bounds_of_the_state_are_those_of_the_setup() {
    let mut harness = ActorHarness::<Counter>::setup().state_bounds(140, 10).start().unwrap();
    let said = |told: Result<(), Failure>| told.unwrap_err().to_string();
    assert_eq!(said(harness.tell("large")), "the value is larger than the 10 bytes that state.value allows");
    harness.tell("a").unwrap();
    harness.tell("b").unwrap();
    assert_eq!(said(harness.tell("c")), "the state would be larger than the 140 bytes that state.bytes allows");
    assert!(said(harness.tell("k".repeat(513))).contains("at most 512 bytes"));
    let mut without = ActorHarness::<Counter>::setup().without_state().start().unwrap();
    assert!(said(without.tell("a")).contains("`/actor` has no state"));
    let mut typed = ActorHarness::<Counter>::start().unwrap();
    assert!(said(typed.tell("json")).contains("the value of the key \"json\" is not the JSON expected"));
}

/// Sets a timer and a watch in `init`, and others with each message.
#[derive(Default)]
struct Guard;

impl Guard {
    fn set(ctx: &Context, to: &str) -> Result {
        ctx.watch(to)?;
        ctx.tell_after(Duration::from_secs(1), to, "")?;
        Ok(())
    }
}

impl Actor for Guard {
    fn init(&mut self, ctx: &mut Context) -> Result {
        if ctx.config("init").is_some() { Self::set(ctx, "/init") } else { Ok(()) }
    }

    fn msg_handler(&mut self, _: Message, ctx: &mut Context) -> Result {
        Self::set(ctx, "/message")
    }
}

fn watched(harness: &ActorHarness<Guard>) -> Vec<String> {
    harness.watched().into_iter().map(|(_, address)| address).collect()
}

#[test]
fn timers_and_watches_of_a_durable_actor_stay_over_a_restart() {
    let mut harness = ActorHarness::<Guard>::setup().config("init", "").durable().start().unwrap();
    harness.tell("").unwrap();
    let mut harness = harness.restart().unwrap();
    assert_eq!(watched(&harness), ["/message", "/init"], "those of `init` are set once");
    harness.advance(Duration::from_secs(1));
    let mut sent: Vec<_> = harness.sent().iter().map(|sent| sent.to.clone()).collect();
    sent.sort();
    assert_eq!(sent, ["/init", "/message"]);
}

#[test]
fn timers_and_watches_of_others_end_with_their_incarnation() {
    let mut harness = ActorHarness::<Guard>::setup().start().unwrap();
    harness.tell("").unwrap();
    let mut harness = harness.restart().unwrap();
    harness.advance(Duration::from_secs(1));
    assert_eq!((watched(&harness).len(), harness.sent().len()), (0, 0));
}

#[test]
fn durable_actor_with_a_watch_is_passivated() {
    for (is_durable, is_passivated) in [(true, true), (false, false)] {
        let setup = ActorHarness::<Guard>::setup();
        let setup = if is_durable { setup.durable() } else { setup };
        let mut harness = setup.start().unwrap();
        harness.tell("").unwrap();
        assert_eq!(harness.passivate_after(Duration::from_secs(9)).is_ok(), is_passivated);
    }
}

/// The names and the configs of the children.
fn children(harness: &ActorHarness<Puppet>) -> Vec<(String, usize)> {
    harness.children().into_iter().map(|child| (child.name, child.config.len())).collect()
}

#[test]
fn durable_children_of_a_durable_actor_stay_over_a_restart() {
    let setup = ActorHarness::<Puppet>::setup().durable().durable_plugin("worker");
    // `prepare_children` finds the one that is there, as a message spawned it.
    let mut harness = setup.config("prepare", "prepared").start().unwrap();
    harness.tell("spawn").unwrap();
    let mut harness = harness.restart().unwrap();
    assert_eq!(children(&harness), [("prepared".to_owned(), 0), ("w".to_owned(), 1)]);
    assert!(
        harness.tell("spawn").unwrap_err().to_string().contains("exists already"),
        "only the hooks of a start find it"
    );
    harness.tell("stop").unwrap();
    assert_eq!(children(&harness.restart().unwrap()), [("prepared".to_owned(), 0)]);
}

#[test]
fn children_in_memory_end_with_the_incarnation() {
    let mut harness = ActorHarness::<Puppet>::setup().durable().start().unwrap();
    harness.tell("spawn").unwrap();
    assert!(children(&harness.restart().unwrap()).is_empty());
}

#[test]
fn durable_child_needs_a_durable_parent() {
    let mut harness = ActorHarness::<Puppet>::setup().durable_plugin("worker").start().unwrap();
    let refused = harness.tell("spawn").unwrap_err().to_string();
    assert_eq!(refused, SpawnError::NotLasting("worker".to_owned()).to_string());
}
