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
use crate::supervisor::{ChildFailed, Directive, Supervisor};
use crate::watcher::Watcher;

/// One incarnation, from `init` to `shutdown`.
pub struct Instance<A> {
    pub(crate) actor: A,
    ctx: Context,
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

    pub(crate) fn start(kernel: KernelHandle) -> Result<Self> {
        let mut instance = Self { actor: A::default(), ctx: Context::new(kernel) };
        instance.hook("init", A::init)?;
        Ok(instance)
    }

    /// Returns the reply, if there is one.
    pub(crate) fn handle(&mut self, msg: Message) -> Result<Option<Vec<u8>>, Failure> {
        let handled = self.actor.msg_handler(msg, &mut self.ctx);
        let reply = self.ctx.take_reply();
        handled.map(|()| reply).map_err(Failure::from)
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
        handled.map_err(Failure::from)
    }

    pub(crate) fn child_failed(&mut self, failure: ChildFailed) -> Directive
    where
        A: Supervisor,
    {
        let directive = self.actor.child_failed(failure, &mut self.ctx);
        let replied = self.ctx.take_reply().is_some();
        assert!(!replied, "`child_failed` called `reply`, but a hook has no message to reply to");
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
        if let Err(error) = told {
            eprintln!("`task_done` about the message {id} failed: {error:#}");
        }
    }

    fn hook(&mut self, name: &str, hook: fn(&mut A, &mut Context) -> Result) -> Result {
        hook(&mut self.actor, &mut self.ctx)?;
        if self.ctx.take_reply().is_some() {
            bail!("`{name}` called `reply`, but a hook has no message to reply to");
        }
        Ok(())
    }
}
