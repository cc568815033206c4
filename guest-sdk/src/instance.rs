//! One actor with its context: runs the handler and the hooks, and converts their results for the interfaces above. This module
//! knows neither WIT nor tests.

use anyhow::bail;

use crate::actor::Actor;
use crate::callback::{Callback, TaskDone};
use crate::context::Context;
use crate::failure::Failure;
use crate::gate::{Decision, Gate};
use crate::kernel_handle::KernelHandle;
use crate::message::Message;
use crate::notice::Notice;
use crate::result::Result;
use crate::saved::{Saved, SavedFns};
use crate::supervisor::{ChildFailed, Directive, Supervisor};
use crate::watcher::Watcher;

/// One incarnation, from `init` to `shutdown`.
pub struct Instance<A> {
    pub(crate) actor: A,
    ctx: Context,
    /// None unless the actor's whole value is kept in its state.
    saved: Option<Saved<A>>,
}

impl<A: Actor> Instance<A> {
    /// Calls the gate, before there is an actor value.
    pub(crate) fn decide_to_start(kernel: KernelHandle) -> Decision
    where
        A: Gate,
    {
        let mut ctx = Context::new(kernel);
        let decision = A::decide_to_start(&mut ctx);
        let replied = ctx.take_reply().is_some();
        assert!(!replied, "`decide_to_start` called `reply`, but a hook has no message to reply to");
        decision
    }

    /// `saved`: the functions that keep the actor's value, if it is saved.
    pub(crate) fn start(kernel: KernelHandle, saved: Option<SavedFns<A>>) -> Result<Self> {
        let (actor, saved) = match saved {
            Some(saved) => {
                let (actor, saved) = Saved::load(saved, &kernel)?;
                (actor, Some(saved))
            }
            None => (A::default(), None),
        };
        let mut instance = Self { actor, ctx: Context::new(kernel), saved };
        instance.hook("init", A::init)?;
        Ok(instance)
    }

    /// Returns the reply, if there is one.
    pub(crate) fn handle(&mut self, msg: Message) -> Result<Option<Vec<u8>>, Failure> {
        let handled = self.actor.msg_handler(msg, &mut self.ctx);
        let reply = self.ctx.take_reply();
        self.end(handled).map(|()| reply).map_err(Failure::from)
    }

    pub(crate) fn prepare_children(&mut self) -> Result {
        self.hook("prepare_children", A::prepare_children)
    }

    pub(crate) fn shutdown(&mut self) -> Result {
        self.hook("shutdown", A::shutdown)
    }

    pub(crate) fn noticed(&mut self, notice: Notice) -> Result<(), Failure>
    where
        A: Watcher,
    {
        let handled = self.actor.noticed(notice, &mut self.ctx);
        self.ctx.take_reply();
        self.end(handled).map_err(Failure::from)
    }

    pub(crate) fn child_failed(&mut self, failure: ChildFailed) -> Directive
    where
        A: Supervisor,
    {
        let directive = self.actor.child_failed(failure, &mut self.ctx);
        let replied = self.ctx.take_reply().is_some();
        assert!(!replied, "`child_failed` called `reply`, but a hook has no message to reply to");
        self.end(Ok(())).unwrap_or_else(|error| panic!("the actor cannot be saved after `child_failed`: {error:#}"));
        directive
    }

    pub(crate) fn task_done(&mut self, task: TaskDone)
    where
        A: Callback,
    {
        let id = task.id.clone();
        let told = self.actor.task_done(task, &mut self.ctx);
        let replied = self.ctx.take_reply().is_some();
        assert!(!replied, "`task_done` called `reply`, but a hook has no message to reply to");
        if let Err(error) = self.end(told) {
            eprintln!("`task_done` about the message {id} failed: {error:#}");
        }
    }

    fn hook(&mut self, name: &str, hook: fn(&mut A, &mut Context) -> Result) -> Result {
        hook(&mut self.actor, &mut self.ctx)?;
        if self.ctx.take_reply().is_some() {
            bail!("`{name}` called `reply`, but a hook has no message to reply to");
        }
        self.end(Ok(()))
    }

    /// Keeps the actor's value after a message or hook, or puts the one before back when it failed, if the value is saved.
    #[inline]
    fn end(&mut self, handled: Result) -> Result {
        let Some(saved) = &mut self.saved else { return handled };
        let ended = handled.and_then(|()| saved.keep(&self.actor, self.ctx.kernel()));
        if ended.is_err() {
            self.actor = saved.before();
        }
        ended
    }
}
