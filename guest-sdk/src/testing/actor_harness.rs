//! The harness for native tests of one actor.

use std::rc::Rc;
use std::time::Duration;

use super::fake_kernel::FakeKernel;
use crate::actor::Actor;
use crate::callback::{Callback, Ended, TaskDone};
use crate::envelope::Envelope;
use crate::errors::AskError;
use crate::failure::Failure;
use crate::instance::Instance;
use crate::message::Message;
use crate::notice::Notice;
use crate::reply::Reply;
use crate::result::Result;
use crate::saved::SavedFns;
use crate::supervisor::{ChildFailed, Directive, Supervisor};
use crate::timer::whole_millis;
use crate::watcher::Watcher;

mod recorded;
pub(super) mod setup;

/// A running actor, and all its sends so far.
///
/// It has many methods: one for each event that the host passes to an actor, and one for each kind of effect, so that a test finds
/// all of them in one place.
pub struct ActorHarness<A> {
    instance: Instance<A>,
    /// Reports the outcome of a message to the actor, if it has a callback.
    callback: Option<fn(&mut Instance<A>, TaskDone)>,
    /// The functions that keep the actor's value, if the setup says that it is saved.
    saved: Option<fn() -> SavedFns<A>>,
    kernel: Rc<FakeKernel>,
    attempts: u32,
}

impl<A: Actor> ActorHarness<A> {
    /// Delivers a message from outside that is not an ask.
    pub fn tell(&mut self, body: impl Into<Vec<u8>>) -> Result<(), Failure> {
        self.deliver(Envelope::default(), body).map(drop)
    }

    /// Delivers a message from outside and returns the reply, as an asker on the host would see it: a message that the handler
    /// rejects is [`AskError::Rejected`]; one that it would retry is [`AskError::RetriesSpent`], since this is its one attempt.
    pub fn ask(&mut self, body: impl Into<Vec<u8>>) -> Result<Vec<u8>, AskError> {
        self.ask_message(Message::new(body)).map(|reply| reply.body)
    }

    /// As [`ask`](Self::ask), for a message with metadata; returns the reply with its metadata.
    pub fn ask_message(&mut self, message: Message) -> Result<Reply, AskError> {
        let envelope = Envelope { asked: true, ..Envelope::default() };
        match self.deliver_message(envelope, message) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(AskError::NoReply),
            Err(Failure::Reject(reason)) => Err(AskError::Rejected(reason)),
            Err(Failure::Retry(reason)) => Err(AskError::RetriesSpent(reason)),
        }
    }

    /// Delivers a message in an envelope of your own; returns the reply if the envelope is of an ask.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Envelope, Message, Result, testing::ActorHarness};
    /// # #[derive(Default)] struct Last;
    /// impl Actor for Last {
    ///     fn msg_handler(&mut self, _: Message, ctx: &mut Context) -> Result {
    ///         match ctx.envelope() {
    ///             Some(envelope) if envelope.attempt == 3 => Ok(ctx.tell("/complaints", "third attempt")?),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Last>::start()?;
    /// harness.deliver(Envelope { attempt: 3, ..Envelope::default() }, "order")?;
    /// assert_eq!(harness.sent(), [("/complaints", "third attempt")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn deliver(&mut self, envelope: Envelope, body: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, Failure> {
        self.deliver_message(envelope, Message::new(body)).map(|reply| reply.map(|reply| reply.body))
    }

    /// As [`deliver`](Self::deliver), for a message with metadata; returns the reply with its metadata.
    pub fn deliver_message(&mut self, envelope: Envelope, message: Message) -> Result<Option<Reply>, Failure> {
        let (id, attempt, asked) = (envelope.id.clone(), envelope.attempt, envelope.asked);
        self.kernel.envelope.replace(Some(envelope));
        let handled = self.instance.handle(message);
        let metadata = self.kernel.reply_metadata.take();
        self.kernel.end_turn(handled.is_ok());
        let replied = asked && matches!(handled, Ok(Some(_)));
        self.call_back(id, attempt, handled.as_ref().map(|_| if replied { Ended::Replied } else { Ended::Done }));
        handled.map(|reply| reply.filter(|_| asked).map(|body| Reply { body, metadata }))
    }

    fn call_back(&mut self, id: String, attempt: u32, handled: Result<Ended, &Failure>) {
        let Some(callback) = self.callback else { return };
        let (ended, dead_letter) = match handled {
            Ok(ended) => (ended, false),
            Err(failure) => {
                let last = matches!(failure, Failure::Reject(_)) || attempt >= self.attempts;
                (Ended::Failed(failure.clone()), last)
            }
        };
        callback(&mut self.instance, TaskDone { id, attempt, ended, dead_letter });
        self.kernel.end_turn(true);
    }

    /// Runs the `shutdown` hook, as an orderly stop and passivation do.
    pub fn shutdown(&mut self) -> Result {
        let done = self.instance.shutdown();
        self.kernel.end_turn(done.is_ok());
        done
    }

    /// Passes a failed child to the actor; returns its directive.
    pub fn child_failed(&mut self, failure: ChildFailed) -> Directive
    where
        A: Supervisor,
    {
        let directive = self.instance.child_failed(failure);
        self.kernel.end_turn(true);
        directive
    }

    /// Reports the outcome of a message to the actor, in addition to the outcomes that the harness reports itself: for example of
    /// a message that crashed an earlier incarnation.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Callback, Context, Ended, Message, Result, TaskDone, testing::ActorHarness};
    /// # #[derive(Default)] struct Teller;
    /// # impl Actor for Teller { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
    /// impl Callback for Teller {
    ///     fn task_done(&mut self, task: TaskDone, ctx: &mut Context) -> Result {
    ///         match task.ended {
    ///             Ended::Crashed { kind, .. } => Ok(ctx.tell("/log", kind)?),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Teller>::setup().incarnation(2).with_callback().start()?;
    /// harness.task_done(TaskDone::new("5d1f", Ended::Crashed { kind: "panic".into(), reason: "panicked".into() }));
    /// assert_eq!(harness.sent(), [("/log", "panic")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn task_done(&mut self, task: TaskDone)
    where
        A: Callback,
    {
        self.instance.task_done(task);
        self.kernel.end_turn(true);
    }

    /// Delivers a notice about a watched actor.
    pub fn notice(&mut self, notice: Notice) -> Result<(), Failure>
    where
        A: Watcher,
    {
        let handled = self.instance.noticed(notice);
        self.kernel.end_turn(handled.is_ok());
        self.call_back(Envelope::default().id, 1, handled.as_ref().map(|()| Ended::Done));
        handled
    }

    /// Lets time pass: timers that come due send their messages, in order, which are in [`sent`](Self::sent).
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Cook;
    /// impl Actor for Cook {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         ctx.tell_after(Duration::from_mins(5), "/waiter", msg.body())?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Cook>::start()?;
    /// harness.tell("soup")?;
    /// harness.advance(Duration::from_mins(4));
    /// assert!(harness.sent().is_empty());
    /// harness.advance(Duration::from_mins(1));
    /// assert_eq!(harness.sent(), [("/waiter", "soup")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn advance(&mut self, time: Duration) {
        self.kernel.advance(whole_millis(time));
    }
}
