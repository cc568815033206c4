//! actix: on one arbiter, the fastest way for most work, because no message crosses threads; and on two arbiters, with actors
//! on each in turn. The asker is a task on the first arbiter. `do_send` never waits, with any capacity of a mailbox.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::{Actor, ActorContext, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message};
use anyhow::Result;
use tokio::task::JoinHandle;

use super::worker::{Msg, Next, Peer, Worker};

pub(crate) struct Actix<const ARBITERS: usize>(Addr<Node<ARBITERS>>);

impl<const ARBITERS: usize> Clone for Actix<ARBITERS> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(crate) struct Node<const ARBITERS: usize>(Worker<Actix<ARBITERS>>);

struct Question(Vec<u8>);

impl<P: Peer> Message for Msg<P> {
    type Result = ();
}

impl Message for Question {
    type Result = Vec<u8>;
}

impl<const ARBITERS: usize> Actor for Node<ARBITERS> {
    type Context = Context<Self>;
}

impl<const ARBITERS: usize> Handler<Msg<Actix<ARBITERS>>> for Node<ARBITERS> {
    type Result = ();

    fn handle(&mut self, msg: Msg<Actix<ARBITERS>>, ctx: &mut Context<Self>) {
        if self.0.handle(msg, || Actix(ctx.address())) == Next::End {
            ctx.stop();
        }
    }
}

impl<const ARBITERS: usize> Handler<Question> for Node<ARBITERS> {
    type Result = Vec<u8>;

    fn handle(&mut self, Question(question): Question, _: &mut Context<Self>) -> Vec<u8> {
        self.0.answer(question)
    }
}

/// The thread that runs the workload.
static FIRST: OnceLock<ArbiterHandle> = OnceLock::new();
/// The second thread, with two arbiters.
static SECOND: OnceLock<ArbiterHandle> = OnceLock::new();
/// Number of actors so far. Every other actor, with the first one, runs on the second arbiter, so that an asker is on another
/// thread than the first actor.
static ACTORS: AtomicUsize = AtomicUsize::new(0);

impl<const ARBITERS: usize> Peer for Actix<ARBITERS> {
    fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        actix::System::new().block_on(async {
            let first = Arbiter::current();
            FIRST.get_or_init(|| first);
            if ARBITERS == 2 {
                SECOND.get_or_init(|| Arbiter::new().handle());
            }
            work.await
        })
    }

    async fn start(worker: Worker<Self>) -> Result<Self> {
        Ok(Self::child(worker))
    }

    fn child(worker: Worker<Self>) -> Self {
        if ARBITERS == 1 {
            return Self(Node(worker).start());
        }
        let home = [&SECOND, &FIRST][ACTORS.fetch_add(1, Ordering::Relaxed) % 2].get().expect("`run` sets it first");
        Self(Node::start_in_arbiter(home, |_| Node(worker)))
    }

    #[inline]
    fn tell(&self, msg: Msg<Self>) {
        self.0.do_send(msg);
    }

    async fn ask(&self, question: Vec<u8>) -> Result<Vec<u8>> {
        Ok(self.0.send(Question(question)).await?)
    }

    async fn gone(self) {
        while self.0.connected() {
            tokio::task::yield_now().await;
        }
    }

    fn task<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        actix::spawn(task)
    }
}
