//! A bench actor for every native library, with the same behaviour as the guest in `benches/driver`.

use std::future::Future;
use std::sync::Arc;

use anyhow::Result;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::body::{self, WINDOW, per_turn};

/// Number of children of each actor of a skynet.
const CHILDREN: u64 = 10;

/// The address of an actor that runs a [`Worker`].
pub(crate) trait Peer: Clone + Send + Sync + 'static {
    /// Runs a workload on the runtime of the library's actors: the asker is a task among them, as in a server.
    fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T>;
    /// Starts an actor from outside; the actor is up when this returns.
    fn start(worker: Worker<Self>) -> impl Future<Output = Result<Self>> + Send;
    /// Starts an actor from an actor's handler.
    fn child(worker: Worker<Self>) -> Self;
    /// Sends without waiting.
    fn tell(&self, msg: Msg<Self>);
    /// Sends and waits for the reply.
    fn ask(&self, question: Vec<u8>) -> impl Future<Output = Result<Vec<u8>>> + Send;
    /// Waits until an actor that was told to stop has ended.
    fn gone(self) -> impl Future<Output = ()> + Send;
    /// Runs a task beside the calling one.
    fn task<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        tokio::spawn(task)
    }
}

/// The messages of the actors. Rare variants are boxed, so that no variant is larger than a body.
pub(crate) enum Msg<P> {
    /// Owned data: the source allocates it, and it is moved to the sink.
    Body(Vec<u8>),
    /// Sends `count` bodies.
    Go { count: u64, bytes: usize, acked: bool },
    /// Continues the last order.
    More,
    /// Half a window has arrived.
    Ack,
    /// Resets the count and the sum, and notifies after this many bodies.
    Want(u64, Arc<Notify>),
    /// The receivers of bodies, and the receiver of acknowledgements.
    Link(Box<(Vec<P>, Option<P>)>),
    /// Spawns children.
    Grow(Box<Branch<P>>),
    /// The sum of the numbers of a child's leaves.
    Grown(u64),
    /// Stops the actor.
    Stop,
}

/// An order to spawn children down to `leaves` leaves; the first leaf has the number `first`.
pub(crate) struct Branch<P> {
    pub(crate) first: u64,
    pub(crate) leaves: u64,
    pub(crate) parent: Option<P>,
}

/// The handling of a body by an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Counted and summed.
    Sink,
    /// Sent on.
    Relay,
    /// Counted, summed, and sent back with the next number.
    Ping,
}

/// Whether the actor continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Live,
    End,
}

/// The state of a bench actor.
pub(crate) struct Worker<P> {
    role: Role,
    to: Vec<P>,
    next: usize,
    ack: Option<P>,
    bell: Option<Arc<Notify>>,
    want: u64,
    count: u64,
    sum: u64,
    /// The part of a `Go` order that is still to send.
    template: Vec<u8>,
    number: u64,
    left: u64,
    /// Number of bodies that may be sent before the next acknowledgement.
    credit: u64,
    /// Whether a [`Msg::More`] is in flight.
    more: bool,
}

impl<P: Peer> Worker<P> {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            to: Vec::new(),
            next: 0,
            ack: None,
            bell: None,
            want: 0,
            count: 0,
            sum: 0,
            template: Vec::new(),
            number: 0,
            left: 0,
            credit: 0,
            more: false,
        }
    }

    /// Handles one message. `me` gives the actor's own address.
    #[inline]
    pub(crate) fn handle(&mut self, msg: Msg<P>, me: impl FnOnce() -> P) -> Next {
        match msg {
            Msg::Body(body) => self.body(body),
            Msg::Go { count, bytes, acked } => {
                (self.template, self.number, self.left) = (body::template(bytes), 0, count);
                (self.credit, self.more) = (if acked { WINDOW } else { u64::MAX }, false);
                self.burst(me);
            }
            Msg::More => {
                self.more = false;
                self.burst(me);
            }
            Msg::Ack => {
                self.credit += WINDOW / 2;
                self.burst(me);
            }
            Msg::Want(want, bell) => (self.want, self.count, self.sum, self.bell) = (want, 0, 0, Some(bell)),
            Msg::Link(link) => (self.to, self.ack) = *link,
            Msg::Grow(branch) => return self.grow(*branch, me),
            Msg::Grown(sum) => return self.grown(sum),
            Msg::Stop => return Next::End,
        }
        Next::Live
    }

    /// The reply to an ask: the count and the sum for `sum`, otherwise the body of the ask.
    pub(crate) fn answer(&self, question: Vec<u8>) -> Vec<u8> {
        if question == b"sum" { format!("{} {}", self.count, self.sum).into_bytes() } else { question }
    }

    fn body(&mut self, mut body: Vec<u8>) {
        match self.role {
            Role::Sink => self.arrived(&body),
            Role::Relay => self.next_target().tell(Msg::Body(body)),
            Role::Ping => {
                self.arrived(&body);
                if self.left > 0 {
                    self.left -= 1;
                    body::set_number(&mut body, self.number);
                    self.number += 1;
                    self.next_target().tell(Msg::Body(body));
                }
            }
        }
    }

    /// Sends the bodies of one turn, and tells itself to continue.
    fn burst(&mut self, me: impl FnOnce() -> P) {
        let most = if self.role == Role::Ping { 1 } else { per_turn(self.template.len()) };
        let count = most.min(self.credit).min(self.left);
        for _ in 0..count {
            let mut body = self.template.clone();
            body::set_number(&mut body, self.number);
            self.number += 1;
            self.next_target().tell(Msg::Body(body));
        }
        self.left -= count;
        self.credit -= count;
        if self.left > 0 && self.credit > 0 && !self.more && self.role != Role::Ping {
            self.more = true;
            me().tell(Msg::More);
        }
    }

    fn arrived(&mut self, body: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(body::sum(body));
        if self.count.is_multiple_of(WINDOW / 2)
            && let Some(ack) = &self.ack
        {
            ack.tell(Msg::Ack);
        }
        self.ring_if_complete();
    }

    fn ring_if_complete(&self) {
        if self.count == self.want
            && let Some(bell) = &self.bell
        {
            bell.notify_one();
        }
    }

    /// Spawns children or reports a leaf. A parent, if there is one, becomes the only receiver.
    fn grow(&mut self, Branch { first, leaves, parent }: Branch<P>, me: impl FnOnce() -> P) -> Next {
        if leaves == 1 {
            if let Some(parent) = parent {
                parent.tell(Msg::Grown(first));
            }
            return Next::End;
        }
        (self.to, self.count, self.sum) = (parent.into_iter().collect(), 0, 0);
        let (me, each) = (me(), leaves / CHILDREN);
        for child in 0..CHILDREN {
            let branch = Branch { first: first + child * each, leaves: each, parent: Some(me.clone()) };
            P::child(Self::new(Role::Sink)).tell(Msg::Grow(Box::new(branch)));
        }
        Next::Live
    }

    fn grown(&mut self, sum: u64) -> Next {
        self.count += 1;
        self.sum += sum;
        if self.count < CHILDREN {
            return Next::Live;
        }
        if let Some(parent) = self.to.first() {
            parent.tell(Msg::Grown(self.sum));
            return Next::End;
        }
        self.ring_if_complete();
        Next::Live
    }

    fn next_target(&mut self) -> &P {
        let to = self.next;
        self.next = if to + 1 == self.to.len() { 0 } else { to + 1 };
        &self.to[to]
    }
}
