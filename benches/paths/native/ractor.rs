//! ractor: multi-thread Tokio with two workers; unbounded mailboxes, because ractor has no others; no span for each message (its
//! feature is off), no `async-trait`.

use std::future::Future;

use anyhow::{Result, anyhow};
use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::runtime::run_on_tokio;
use super::worker::{Msg, Next, Peer, Worker};

#[derive(Clone)]
pub(crate) struct Ractor(ActorRef<Mail>);

/// All messages in one enum, as ractor requires.
pub(crate) enum Mail {
    Told(Msg<Ractor>),
    Asked(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

struct Node;

impl Actor for Node {
    type Msg = Mail;
    type State = Worker<Ractor>;
    type Arguments = Worker<Ractor>;

    async fn pre_start(&self, _: ActorRef<Mail>, worker: Worker<Ractor>) -> Result<Worker<Ractor>, ActorProcessingErr> {
        Ok(worker)
    }

    async fn handle(
        &self,
        myself: ActorRef<Mail>,
        mail: Mail,
        worker: &mut Worker<Ractor>,
    ) -> Result<(), ActorProcessingErr> {
        match mail {
            Mail::Told(msg) => {
                if worker.handle(msg, || Ractor(myself.clone())) == Next::End {
                    myself.stop(None);
                }
            }
            Mail::Asked(question, port) => port.send(worker.answer(question))?,
        }
        Ok(())
    }
}

impl Peer for Ractor {
    fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        run_on_tokio(work)
    }

    async fn start(worker: Worker<Self>) -> Result<Self> {
        Ok(Self(Node::spawn(None, Node, worker).await?.0))
    }

    fn child(worker: Worker<Self>) -> Self {
        Self(
            ractor::ActorRuntime::spawn_instant(None, Node, worker)
                .expect("an actor without a name cannot have a name in use")
                .0,
        )
    }

    #[inline]
    fn tell(&self, msg: Msg<Self>) {
        // A send to an ended actor fails; sums at the end show whether a message was lost.
        let _ = self.0.send_message(Mail::Told(msg));
    }

    async fn ask(&self, question: Vec<u8>) -> Result<Vec<u8>> {
        match self.0.call(|port| Mail::Asked(question, port), None).await {
            Ok(CallResult::Success(reply)) => Ok(reply),
            Ok(_) => Err(anyhow!("it is gone")),
            Err(error) => Err(anyhow!("{error}")),
        }
    }

    async fn gone(self) {
        // An error means that the actor has already ended.
        let _ = self.0.wait(None).await;
    }
}
