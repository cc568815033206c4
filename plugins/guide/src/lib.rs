//! Shows the functions of an actor's context, one for each message. An asker gets the answer; a refusal is
//! answered with one word for its kind, and a text.
//!
//! - Config: `children`, names of children that it spawns when it starts, separated by spaces; `plugin`, their plugin (`guide`).
//! - Messages, as text:
//!
//! | message | effect and answer |
//! |---|---|
//! | `who` | its name, address, parent, incarnation and the names of its children |
//! | `flow` | the message's sender, flow and hops |
//! | `find PATH` | the full address of the actor there, or `nobody` |
//! | `spawn NAME PLUGIN`, `stop NAME` | spawns or stops a child: `ok` |
//! | `news TEXT` | sends `note TEXT` to all children: their number |
//! | `all GROUP TEXT` | sends `note TEXT` to a group of actors: their number |
//! | `tell ADDR TEXT` | sends: `ok` |
//! | `ask ADDR TEXT` | asks: the reply |
//! | `remind MS TEXT` | sends `note TEXT` to itself after that number of milliseconds: `ok` |
//! | `every MS TEXT` | sends `note TEXT` to itself repeatedly: `ok` |
//! | `note TEXT` | prints its address and the text |
//! | `panic` | panics |

use std::time::Duration;

use playhouse_sdk::{
    Actor, AskError, Context, Message, Result, SendError, SpawnError, TimerError, anyhow, export_actor, reject,
};

#[derive(Default)]
struct Guide;

impl Actor for Guide {
    fn prepare_children(&mut self, ctx: &mut Context) -> Result {
        let plugin = ctx.config("plugin").unwrap_or_else(|| "guide".to_owned());
        for name in ctx.config("children").unwrap_or_default().split_whitespace() {
            ctx.spawn(name, &plugin)?;
        }
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        match answer(msg.text()?, ctx) {
            Ok(answer) => ctx.reply(answer),
            // A refusal of a known kind is the answer; other errors fail the message.
            Err(error) => match word(&error) {
                Some(word) => ctx.reply(format!("{word}: {error}")),
                None => return Err(error),
            },
        }
        Ok(())
    }
}

export_actor!(Guide);

fn answer(text: &str, ctx: &Context) -> Result<String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (first, last) = rest.split_once(' ').unwrap_or((rest, ""));
    let ms = || first.parse().map(Duration::from_millis).map_err(reject);
    let told = |count: u32| format!("{count} told");
    Ok(match verb {
        "who" => {
            let (name, children) = (ctx.name(), ctx.children().join(","));
            format!("{name} {} {} {} [{children}]", ctx.address(), ctx.parent(), ctx.incarnation())
        }
        "flow" => {
            let flow = ctx.flow().ok_or_else(|| anyhow::anyhow!("there is no current message"))?;
            format!("{} {} {}", ctx.sender().unwrap_or_else(|| "outside".to_owned()), flow.id, flow.hops)
        }
        "find" => ctx.lookup(first).unwrap_or_else(|| "nobody".to_owned()),
        "spawn" => ctx.spawn(first, last).map(|()| "ok".to_owned())?,
        "stop" => ctx.stop_child(first).map(|()| "ok".to_owned())?,
        "news" => ctx.tell_children(format!("note {rest}")).map(told)?,
        "all" => ctx.tell_all(first, format!("note {last}")).map(told)?,
        "tell" => ctx.tell(first, last).map(|()| "ok".to_owned())?,
        "ask" => String::from_utf8_lossy(&ctx.ask(first, last, Duration::from_millis(500))?).into_owned(),
        "remind" => ctx.tell_after(ms()?, ctx.address(), format!("note {last}")).map(|_| "ok".to_owned())?,
        "every" => ctx.tell_every(ms()?, ctx.address(), format!("note {last}")).map(|_| "ok".to_owned())?,
        "note" => {
            println!("{} {rest}", ctx.address());
            String::new()
        }
        "panic" => panic!("told to"),
        _ => return Err(reject(format!("`{verb}` is no word that this actor knows"))),
    })
}

/// One word for the kind of a refusal: each of them is a variant to match on.
fn word(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref() {
        return Some(send_word(error));
    }
    if let Some(error) = error.downcast_ref() {
        return Some(match error {
            AskError::NotSent(error) => send_word(error),
            AskError::Timeout => "timeout",
            AskError::Deadlock(_) => "deadlock",
            AskError::NoReply => "no-reply",
            AskError::Rejected(_) => "rejected",
            AskError::RetriesSpent(_) => "retries-spent",
            AskError::Failed(_) => "failed",
            AskError::Crashed(_) => "crashed",
            AskError::Restarting(_) => "restarting",
            AskError::ActorFailed(_) => "actor-failed",
            AskError::MailboxFull(_) => "mailbox-full",
            AskError::Stopped(_) => "stopped",
            AskError::StoppedByOperator(_) => "stopped-by-operator",
        });
    }
    if let Some(error) = error.downcast_ref() {
        return Some(match error {
            SpawnError::BadName(_) => "bad-name",
            SpawnError::UnknownPlugin(_) => "unknown-plugin",
            SpawnError::NotGranted(_) => "not-granted",
            SpawnError::Duplicate(_) => "duplicate",
            SpawnError::TooManyChildren { .. } => "too-many-children",
            SpawnError::SubtreeFull { .. } => "subtree-full",
            SpawnError::TooDeep => "too-deep",
            SpawnError::Circular(_) => "circular",
            SpawnError::Stopping => "stopping",
            SpawnError::NotLasting(_) => "not-lasting",
            SpawnError::ChildOfMember(_) => "child-of-member",
        });
    }
    error.downcast_ref().map(|error| match error {
        TimerError::NotSent(error) => send_word(error),
        TimerError::TooManyTimers { .. } => "too-many-timers",
    })
}

fn send_word(error: &SendError) -> &'static str {
    match error {
        SendError::BadAddress(_) => "bad-address",
        SendError::UnknownAddress(_) => "unknown-address",
        SendError::NotGranted(_) => "not-granted",
        SendError::TooLarge { .. } => "too-large",
        SendError::BadMetadata(_) => "bad-metadata",
    }
}

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;
    use playhouse_sdk::{ActorState, Envelope};

    use super::*;

    fn guide() -> ActorHarness<Guide> {
        let setup = ActorHarness::<Guide>::setup().address("/tower/guide").config("children", "ann bob");
        setup.actor("/tower/guide/old", ActorState::Running).start().expect("its children have good names")
    }

    fn said(harness: &mut ActorHarness<Guide>, text: &str) -> String {
        String::from_utf8(harness.ask(text).expect("answered")).expect("text")
    }

    #[test]
    fn who_and_find_describe_the_surroundings() {
        let mut harness = guide();
        assert_eq!(said(&mut harness, "who"), "guide /tower/guide /tower 1 [ann,bob,old]");
        assert_eq!(said(&mut harness, "find ann"), "/tower/guide/ann");
        assert_eq!(said(&mut harness, "find /nobody"), "nobody");
        let envelope = Envelope { sender: Some("/peer".to_owned()), hops: 2, asked: true, ..Envelope::default() };
        assert_eq!(harness.deliver(envelope, "flow"), Ok(Some(b"/peer 00000000000000000000000000000001 2".to_vec())));
    }

    #[test]
    fn tell_news_and_remind_send_messages() {
        let mut harness = guide();
        assert_eq!(said(&mut harness, "news x"), "3 told");
        assert_eq!(said(&mut harness, "stop bob"), "ok");
        assert_eq!(said(&mut harness, "all ** y"), "2 told");
        assert_eq!(said(&mut harness, "remind 20 z"), "ok");
        assert_eq!(harness.sent().len(), 5);
        harness.advance(Duration::from_millis(20));
        assert_eq!(harness.sent()[5], ("/tower/guide", "note z"));
    }

    #[test]
    fn refusal_is_answered_with_its_kind() {
        let refused = ActorHarness::<Guide>::setup().refuse("/full", SendError::NotGranted("/full".to_owned()));
        let full = |_: &[u8]| Err(AskError::MailboxFull("/busy".to_owned()));
        let mut harness =
            refused.answer("/busy", full).refuse_spawn("x", SpawnError::Stopping).start().expect("starts");
        assert!(said(&mut harness, "tell /full x").starts_with("not-granted: "));
        assert!(said(&mut harness, "ask /busy x").starts_with("mailbox-full: "));
        assert!(said(&mut harness, "ask /nobody x").starts_with("unknown-address: "));
        assert!(said(&mut harness, "spawn x guide").starts_with("stopping: "));
        assert!(said(&mut harness, "spawn a/b guide").starts_with("bad-name: "));
    }
}
