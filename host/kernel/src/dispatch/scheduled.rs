//! The place of an incarnation's task in Tokio's scheduler.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use crate::dispatch::actor_task::ActorTask;
use crate::dispatch::hops;

/// The Tokio task of an actor's task: its place in the scheduler.
pub(crate) struct Scheduled(Arc<ActorTask>);

impl Scheduled {
    pub(crate) fn new(future: BoxFuture<'static, ()>) -> Self {
        Self(ActorTask::new(future))
    }
}

impl Future for Scheduled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = &self.0;
        task.scheduled_by(cx.waker());
        hops::run(task);
        if task.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
