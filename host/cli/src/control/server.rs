//! The running host's side of the control socket. Each connection has a task; requests of one connection are
//! done one after another.

mod letters;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Address, AskError, Kernel, SendError, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::protocol::{Body, Refusal, Request, Response, decode, encode};
use super::views::{ActorLine, Tree, fates};
use crate::manifest::{Play, nearest};

/// Most connections at once.
const CONNECTIONS: usize = 256;
/// How long a started request may pause, and how long a response may wait to be read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `stop` and `start` wait for the actor.
const SETTLING: Duration = Duration::from_secs(10);
/// Room in a request for all but the body.
const REQUEST_FRAME_BYTES: usize = 64 << 10;

/// What the server needs to know of the play.
#[derive(Clone)]
pub struct Host {
    kernel: Kernel,
    play: String,
    /// How long a tell waits for room, by address.
    patience: Arc<HashMap<Address, Duration>>,
    /// Longest request in bytes.
    longest_request: usize,
}

impl Host {
    /// A host that runs `play` in `kernel`.
    pub fn new(kernel: Kernel, play: &Play) -> Self {
        let patience =
            play.actors.iter().map(|actor| (actor.address.clone(), actor.settings.mailbox.block_timeout)).collect();
        let largest_body = play.settings().map(|settings| settings.message_bytes).max().unwrap_or_default();
        Self {
            kernel,
            play: play.name.clone(),
            patience: Arc::new(patience),
            // Base64 makes four bytes of three; twice the size leaves too large a body to a clear refusal.
            longest_request: largest_body.saturating_mul(2).saturating_add(REQUEST_FRAME_BYTES),
        }
    }

    /// Serves until it is dropped.
    pub async fn serve(self, listener: UnixListener) {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let Ok(permit) = free.clone().try_acquire_owned() else {
                        refuse(&stream);
                        continue;
                    };
                    let host = self.clone();
                    tokio::spawn(async move {
                        host.converse(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(target: "playhouse::control", "the control socket accepts nobody for now: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn converse(&self, mut stream: UnixStream) {
        let me = rustix::process::geteuid().as_raw();
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == me || peer.uid() == 0 => {}
            Ok(peer) => {
                return tracing::warn!(target: "playhouse::control", "refused a connection of user {}", peer.uid());
            }
            Err(error) => return tracing::warn!(target: "playhouse::control", "refused a connection: {error}"),
        }
        let mut buffer = Vec::new();
        while let Some(read) = self.read_line(&mut stream, &mut buffer).await {
            let line = read.and_then(|length| {
                let request = decode(&buffer[..length]);
                buffer.drain(..=length);
                request
            });
            let broken = line.as_ref().is_err_and(|refusal| refusal.kind == "too-large");
            let response = match line {
                Ok(request) => self.answer(request).await.unwrap_or_else(Response::Error),
                Err(refusal) => {
                    tracing::warn!(target: "playhouse::control", "a request was not understood: {refusal}");
                    Response::Error(refusal)
                }
            };
            let written = tokio::time::timeout(PATIENCE, stream.write_all(&encode(&response))).await;
            if broken || !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The length of the line at the front of `buffer`; none when there is no further one.
    async fn read_line(&self, stream: &mut UnixStream, buffer: &mut Vec<u8>) -> Option<Result<usize, Refusal>> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &buffer[searched..]) {
                return Some(Ok(searched + at));
            }
            searched = buffer.len();
            if searched > self.longest_request {
                let limit = self.longest_request;
                return Some(Err(Refusal::new("too-large", format!("a request has at most {limit} bytes here"))));
            }
            let reading = stream.read_buf(buffer);
            let read =
                if searched == 0 { reading.await } else { tokio::time::timeout(PATIENCE, reading).await.ok()? };
            if read.ok()? == 0 {
                return None;
            }
        }
    }

    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        match request {
            Request::Tree {} => {
                let actors = self.kernel.actors().await.iter().map(ActorLine::from).collect();
                let dead_letters = fates(&self.kernel.dead_letter_counts());
                Ok(Response::Tree(Tree { play: self.play.clone(), actors, dead_letters }))
            }
            Request::Tell { to, body } => match self.kernel.tell(&to, &body.0, self.patience(&to)).await {
                Ok(id) => Ok(Response::Told { id: id.to_string() }),
                Err(error) => Err(self.refusal(error).await),
            },
            Request::Ask { to, body, timeout_ms } => {
                match self.kernel.ask(&to, &body.0, Duration::from_millis(timeout_ms)).await {
                    Ok(reply) => Ok(Response::Answer { body: Body(reply) }),
                    Err(AskError::NotSent(error)) => Err(self.refusal(error).await),
                    Err(AskError::Timeout) => {
                        let waited = Duration::from_millis(timeout_ms);
                        Err(Refusal::new("no-reply", format!("`{to}` did not reply within {waited:?} (--timeout)")))
                    }
                    Err(error) => Err(Refusal::new("no-reply", format!("no reply from `{to}`: {error}"))),
                }
            }
            Request::Stop { address } => {
                let before = self.kernel.halt(&address).await;
                self.settle(&address, before, |state| !state.is_up() && !state.is_on_its_way()).await
            }
            Request::Start { address } => {
                let before = self.kernel.resume(&address).await;
                if before == Some(State::Ended) {
                    return Err(self.ended(&address).await);
                }
                let goes = |state| matches!(state, State::Starting | State::Stopping | State::Draining);
                self.settle(&address, before, |state| !goes(state)).await
            }
            Request::DeadLetters { which, bodies } => Ok(self.letters(which, bodies)),
            Request::DeadLetter { id } => self.letter(&id),
            Request::ReplayLetter { id } => self.replay(&id).await,
            Request::ReplayLetters { which } => Ok(self.replay_all(which).await),
            Request::DropLetter { id } => self.drop(&id),
            Request::DropLetters { which } => Ok(self.drop_all(which)),
        }
    }

    /// How long a message may wait for room.
    fn patience(&self, to: &Address) -> Duration {
        self.patience.get(to).copied().unwrap_or(PATIENCE)
    }

    /// Waits until the actor's state is one that `settled` accepts, and says what became of it.
    async fn settle(
        &self,
        address: &Address,
        before: Option<State>,
        settled: impl Fn(State) -> bool,
    ) -> Result<Response, Refusal> {
        let Some(before) = before else {
            return Err(self.refusal(SendError::UnknownAddress(address.clone())).await);
        };
        let until = tokio::time::Instant::now() + SETTLING;
        loop {
            let actors = self.kernel.actors().await;
            let Some(actor) = actors.iter().find(|actor| actor.address == *address) else {
                return Err(Refusal::new("refused", "the play is over"));
            };
            if settled(actor.state) || tokio::time::Instant::now() >= until {
                return Ok(Response::Moved { before: before.name().to_owned(), now: actor.state.name().to_owned() });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Why nobody can start this actor.
    async fn ended(&self, address: &Address) -> Refusal {
        let actors = self.kernel.actors().await;
        let crash = actors.iter().find(|actor| actor.address == *address).and_then(|actor| actor.last_crash.as_ref());
        let how = crash.map(|report| format!(", after it {}", report.crash.reason)).unwrap_or_default();
        let why = "by its `restart.kind` it is not started again; the play can be";
        Refusal::new("refused", format!("`{address}` has ended for good{how}: {why}"))
    }

    /// Why a message was not sent, with the address that may have been meant.
    async fn refusal(&self, error: SendError) -> Refusal {
        let SendError::UnknownAddress(wanted) = &error else {
            return Refusal::new("refused", error.to_string());
        };
        let actors = self.kernel.actors().await;
        let known: Vec<_> = actors.iter().map(|actor| actor.address.as_str()).collect();
        let hint = match nearest(wanted.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`playhouse tree` shows who is there".into(),
        };
        Refusal::new("unknown-address", format!("{error}: {hint}"))
    }
}

/// Says that there are enough connections. It fits into the socket's empty buffer, so nobody waits for it.
fn refuse(stream: &UnixStream) {
    let message = format!("the host has {CONNECTIONS} connections, and takes no more: try again later");
    let _ = stream.try_write(&encode(&Response::Error(Refusal::new("busy", message))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::{Client, ClientError};

    #[tokio::test]
    async fn one_connection_too_many_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).expect("bound");
        let kernel = Kernel::start(&playhouse_kernel::Plan::default()).expect("an empty plan is sound");
        let host = Host { kernel, play: "test".into(), patience: Arc::default(), longest_request: 1 << 10 };
        let serving = tokio::spawn(host.serve(listener));
        let said = tokio::task::spawn_blocking(move || {
            let _others: Vec<_> = (0..CONNECTIONS).map(|_| Client::connect(&path).expect("it listens")).collect();
            Client::connect(&path).expect("it listens").request(&Request::Tree {})
        });
        let said = said.await.expect("no panic");
        assert!(matches!(&said, Err(ClientError::Refused(refusal)) if refusal.kind == "busy"), "{said:?}");
        serving.abort();
    }
}
