//! kameo: multi-thread Tokio with two workers; unbounded mailboxes, so that a tell needs no await; macros and tracing
//! off.

use std::convert::Infallible;
use std::future::Future;

use anyhow::{Result, anyhow};
use kameo::prelude::{Actor, ActorRef, Context, Message, Spawn, mailbox};

use super::runtime::run_on_tokio;
use super::worker::{Msg, Next, Peer, Worker};

pub(crate) struct Kameo(ActorRef<Node>);

impl Clone for Kameo {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(crate) struct Node(Worker<Kameo>);

struct Question(Vec<u8>);

impl Actor for Node {
    type Args = Worker<Kameo>;
    type Error = Infallible;

    async fn on_start(worker: Worker<Kameo>, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(worker))
    }
}

impl Message<Msg<Kameo>> for Node {
    type Reply = ();

    async fn handle(&mut self, msg: Msg<Kameo>, ctx: &mut Context<Self, ()>) {
        if self.0.handle(msg, || Kameo(ctx.actor_ref().clone())) == Next::End {
            ctx.stop();
        }
    }
}

impl Message<Question> for Node {
    type Reply = Vec<u8>;

    async fn handle(&mut self, Question(question): Question, _: &mut Context<Self, Vec<u8>>) -> Vec<u8> {
        self.0.answer(question)
    }
}

impl Peer for Kameo {
    fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        run_on_tokio(work)
    }

    async fn start(worker: Worker<Self>) -> Result<Self> {
        let peer = Self::child(worker);
        peer.0.wait_for_startup().await;
        Ok(peer)
    }

    fn child(worker: Worker<Self>) -> Self {
        Self(Node::spawn_with_mailbox(worker, mailbox::unbounded()))
    }

    #[inline]
    fn tell(&self, msg: Msg<Self>) {
        // A send to an ended actor fails; sums at the end show whether a message was lost.
        let _ = self.0.tell(msg).try_send();
    }

    async fn ask(&self, question: Vec<u8>) -> Result<Vec<u8>> {
        self.0.ask(Question(question)).send().await.map_err(|error| anyhow!("{error}"))
    }

    async fn gone(self) {
        self.0.wait_for_shutdown().await;
    }
}
