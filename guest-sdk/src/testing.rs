//! A stage for one actor: the rules of the host for a handler and its hooks, played natively, without host or wasm.
//!
//! ```
//! use playhouse_sdk::testing::Stage;
//! use playhouse_sdk::{Actor, Context, Failure, Message, Result, reject};
//!
//! #[derive(Default)]
//! struct Waiter { kitchen: String }
//!
//! impl Actor for Waiter {
//!     fn init(&mut self, ctx: &mut Context) -> Result {
//!         self.kitchen = ctx.config("kitchen").unwrap_or_else(|| ctx.sibling("kitchen"));
//!         Ok(())
//!     }
//!
//!     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
//!         ctx.tell(&self.kitchen, msg.body())?;
//!         match msg.text()? {
//!             "fugu" => Err(reject("nobody here can cook that")),
//!             dish => Ok(ctx.reply(format!("one {dish}, coming"))),
//!         }
//!     }
//! }
//!
//! let mut stage = Stage::<Waiter>::setup().address("/bar/waiter").start()?;
//!
//! assert_eq!(stage.ask("soup")?, b"one soup, coming");
//! assert_eq!(stage.tell("fugu"), Err(Failure::Reject("nobody here can cook that".into())));
//! assert_eq!(stage.sent(), [("/bar/kitchen", "soup")]); // what the failed message sent is dropped
//! # Ok::<(), playhouse_sdk::Error>(())
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use crate::instance::Instance;
use crate::kernel::Kernel;
use crate::{Actor, AskError, Envelope, Failure, Message, Result, SendError};

/// A running actor, and all that it sent so far.
pub struct Stage<A> {
    instance: Instance<A>,
    kernel: Rc<FakeKernel>,
}

impl<A: Actor> Stage<A> {
    /// What to arrange before the start. The actor's address is `/actor` unless told otherwise.
    pub fn setup() -> Setup<A> {
        let kernel = FakeKernel { address: "/actor".to_owned(), incarnation: 1, ..FakeKernel::default() };
        Setup { kernel, actor: PhantomData }
    }

    /// Starts the actor with nothing arranged, and runs its `init`.
    pub fn start() -> Result<Self> {
        Self::setup().start()
    }

    /// Delivers a message from outside that nobody waits for.
    pub fn tell(&mut self, body: impl Into<Vec<u8>>) -> Result<(), Failure> {
        self.deliver(Envelope::default(), body).map(drop)
    }

    /// Delivers a message from outside and returns the reply, as an asker on the host would see it: a failed message
    /// is [`AskError::Failed`].
    pub fn ask(&mut self, body: impl Into<Vec<u8>>) -> Result<Vec<u8>, AskError> {
        let envelope = Envelope { asked: true, ..Envelope::default() };
        match self.deliver(envelope, body) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(AskError::NoReply),
            Err(Failure::Reject(reason) | Failure::Retry(reason)) => Err(AskError::Failed(reason)),
        }
    }

    /// Delivers a message in an envelope of your making; returns the reply if somebody waits for it.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Envelope, Message, Result, testing::Stage};
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
    /// let mut stage = Stage::<Last>::start()?;
    /// stage.deliver(Envelope { attempt: 3, ..Envelope::default() }, "order")?;
    /// assert_eq!(stage.sent(), [("/complaints", "third attempt")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn deliver(&mut self, envelope: Envelope, body: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, Failure> {
        let asked = envelope.asked;
        self.kernel.envelope.replace(Some(envelope));
        let handled = self.instance.handle(Message::new(body));
        self.kernel.end_turn(handled.is_ok());
        handled.map(|reply| reply.filter(|_| asked))
    }

    /// Runs the `shutdown` hook, as an orderly stop does.
    pub fn shutdown(&mut self) -> Result {
        let done = self.instance.shutdown();
        self.kernel.end_turn(done.is_ok());
        done
    }

    /// The actor's state.
    pub fn actor(&self) -> &A {
        &self.instance.actor
    }

    /// All that was told and delivered, from `init` on.
    pub fn sent(&self) -> Vec<Sent> {
        self.kernel.sent.borrow().clone()
    }

    /// All that was asked, from `init` on. A question leaves at once, so a failure does not take it back.
    pub fn asked(&self) -> Vec<Sent> {
        self.kernel.asked.borrow().clone()
    }
}

/// What to arrange before the start of an actor.
///
/// ```
/// # use playhouse_sdk::{Actor, AskError, Context, Message, Result, SendError, testing::Stage};
/// # use std::time::Duration;
/// # #[derive(Default)] struct Clerk;
/// impl Actor for Clerk {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         let price = ctx.ask("/prices", msg.body(), Duration::from_secs(1))?;
///         Ok(ctx.tell("/till", price)?)
///     }
/// }
///
/// let mut stage = Stage::<Clerk>::setup()
///     .answer("/prices", |item| if item == b"tea" { Ok(b"3".into()) } else { Err(AskError::Timeout) })
///     .start()?;
/// stage.tell("tea")?;
/// assert_eq!(stage.tell("gold").unwrap_err().to_string(), "no reply in time");
/// assert_eq!(stage.asked(), [("/prices", "tea"), ("/prices", "gold")]);
/// assert_eq!(stage.sent(), [("/till", "3")]);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub struct Setup<A> {
    kernel: FakeKernel,
    actor: PhantomData<A>,
}

impl<A: Actor> Setup<A> {
    /// The actor's own address.
    pub fn address(mut self, address: &str) -> Self {
        check_address(address).expect("an actor's own address is absolute and valid");
        address.clone_into(&mut self.kernel.address);
        self
    }

    /// The number of this run of the actor.
    pub fn incarnation(mut self, incarnation: u64) -> Self {
        self.kernel.incarnation = incarnation;
        self
    }

    /// A value of the manifest's `config` table.
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.kernel.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Who answers when the actor asks this absolute address. An ask to any other finds nobody.
    pub fn answer(mut self, to: &str, answer: impl FnMut(&[u8]) -> Result<Vec<u8>, AskError> + 'static) -> Self {
        self.kernel.answers.get_mut().insert(to.to_owned(), Box::new(answer));
        self
    }

    /// Refuses whatever is sent to this absolute address. A tell to any other is accepted.
    pub fn refuse(mut self, to: &str, error: SendError) -> Self {
        self.kernel.refusals.insert(to.to_owned(), error);
        self
    }

    /// Starts the actor and runs its `init`.
    pub fn start(self) -> Result<Stage<A>> {
        let kernel = Rc::new(self.kernel);
        let instance = Instance::start(Rc::clone(&kernel))?;
        kernel.end_turn(true);
        Ok(Stage { instance, kernel })
    }
}

/// A message that the actor sent. Compares with a pair of address and body: `("/till", "3")`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// The receiver's absolute address.
    pub to: String,
    /// The body.
    pub body: Vec<u8>,
}

impl<B: AsRef<[u8]>> PartialEq<(&str, B)> for Sent {
    fn eq(&self, (to, body): &(&str, B)) -> bool {
        self.to == *to && self.body == body.as_ref()
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.to, String::from_utf8_lossy(&self.body)).fmt(f)
    }
}

/// A message from outside, at its first attempt, that nobody waits for.
impl Default for Envelope {
    fn default() -> Self {
        Self { id: "0".repeat(32), sender: None, flow: "0".repeat(16), hops: 0, attempt: 1, asked: false }
    }
}

type Answer = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, AskError>>;

#[derive(Default)]
struct FakeKernel {
    address: String,
    incarnation: u64,
    config: HashMap<String, String>,
    answers: RefCell<HashMap<String, Answer>>,
    refusals: HashMap<String, SendError>,
    /// Of the message in hand.
    envelope: RefCell<Option<Envelope>>,
    /// Told in the turn in hand: moves to `sent`, or is dropped.
    told: RefCell<Vec<Sent>>,
    sent: RefCell<Vec<Sent>>,
    asked: RefCell<Vec<Sent>>,
}

impl FakeKernel {
    fn end_turn(&self, commit: bool) {
        self.envelope.take();
        let told = self.told.take();
        if commit {
            self.sent.borrow_mut().extend(told);
        }
    }

    fn address_message(&self, to: &str, body: &[u8]) -> Result<Sent, SendError> {
        let to = if to.starts_with('/') { to.to_owned() } else { format!("{}/{to}", self.address) };
        check_address(&to)?;
        match self.refusals.get(&to) {
            Some(error) => Err(error.clone()),
            None => Ok(Sent { to, body: body.to_owned() }),
        }
    }
}

impl Kernel for Rc<FakeKernel> {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn config(&self, key: &str) -> Option<String> {
        self.config.get(key).cloned()
    }

    fn envelope(&self) -> Option<Envelope> {
        self.envelope.borrow().clone()
    }

    fn tell(&self, to: &str, body: &[u8]) -> Result<(), SendError> {
        let message = self.address_message(to, body)?;
        self.told.borrow_mut().push(message);
        Ok(())
    }

    fn ask(&self, to: &str, body: &[u8], _timeout: Duration) -> Result<Vec<u8>, AskError> {
        let question = self.address_message(to, body)?;
        let mut answers = self.answers.borrow_mut();
        let answer = answers.get_mut(&question.to).ok_or_else(|| SendError::UnknownAddress(question.to.clone()))?;
        self.asked.borrow_mut().push(question);
        answer(body)
    }
}

/// The host's rule: segments of `[A-Za-z0-9_-]{1,64}`, at most 16 of them.
fn check_address(address: &str) -> Result<(), SendError> {
    let fits = |segment: &str| {
        (1..=64).contains(&segment.len())
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let segments: Vec<&str> = address.strip_prefix('/').unwrap_or_default().split('/').collect();
    if segments.len() <= 16 && segments.iter().copied().all(fits) {
        return Ok(());
    }
    let reason = format!("{address:?} is not 1 to 16 times `/` and 1 to 64 letters, digits, `_` or `-`");
    Err(SendError::BadAddress(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, reject};

    /// Does what the message says, one word after another.
    #[derive(Default)]
    struct Puppet;

    impl Actor for Puppet {
        fn init(&mut self, ctx: &mut Context) -> Result {
            if ctx.config("init").is_some() {
                ctx.reply("a reply to nobody");
            }
            Ok(())
        }

        fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
            for word in msg.text()?.split(' ') {
                match word {
                    "reject" => return Err(reject("told to").context("in the play")),
                    "fail" => Err(fmt::Error)?,
                    "reply" => ctx.reply("yes"),
                    "envelope" => ctx.reply(format!("{:?}", ctx.envelope())),
                    "top" => ctx.reply_json(&ctx.config_as::<u8>("top")?)?,
                    "whoami" => ctx.reply_json(&(ctx.parent(), ctx.name(), ctx.sibling("x")))?,
                    "ask" => ctx.reply(ctx.ask("/oracle", "why", Duration::from_secs(1))?),
                    to => ctx.tell(to, word)?,
                }
            }
            Ok(())
        }
    }

    fn puppet() -> Stage<Puppet> {
        Stage::start().expect("its init does nothing")
    }

    #[test]
    fn a_failed_message_leaves_nothing_behind() {
        let mut stage = puppet();
        assert!(stage.tell("/a reply fail").is_err());
        assert_eq!(stage.ask("/b"), Err(AskError::NoReply));
        assert_eq!(stage.sent(), [("/b", "/b")]);
    }

    #[test]
    fn a_plain_error_retries_and_a_reject_anywhere_in_the_chain_rejects() {
        let mut stage = puppet();
        assert!(matches!(stage.tell("fail"), Err(Failure::Retry(_))));
        assert_eq!(stage.tell("reject"), Err(Failure::Reject("in the play: told to".to_owned())));
    }

    #[test]
    fn a_body_that_is_not_utf8_rejects() {
        let failure = puppet().tell([0xff]).unwrap_err();
        assert!(matches!(&failure, Failure::Reject(reason) if reason.contains("not UTF-8")), "{failure:?}");
    }

    #[test]
    fn a_reply_that_nobody_waits_for_is_dropped() {
        assert_eq!(puppet().deliver(Envelope::default(), "reply"), Ok(None));
    }

    #[test]
    fn a_reply_in_a_hook_fails_the_hook() {
        let error = Stage::<Puppet>::setup().config("init", "reply").start().err().expect("no start");
        assert_eq!(error.to_string(), "`init` called `reply`, but a hook has no message to reply to");
    }

    #[test]
    fn a_relative_address_is_a_child() {
        let mut stage = puppet();
        stage.tell("prompter").unwrap();
        assert_eq!(stage.sent(), [("/actor/prompter", "prompter")]);
    }

    #[test]
    fn a_bad_address_and_a_refusal_fail_the_send() {
        let too_large = SendError::TooLarge { limit_bytes: 1 };
        let mut stage = Stage::<Puppet>::setup().refuse("/full", too_large.clone()).start().unwrap();
        assert!(stage.tell("/no/:/address").unwrap_err().to_string().starts_with("bad address"));
        assert_eq!(stage.tell("/full"), Err(Failure::Retry(too_large.to_string())));
    }

    #[test]
    fn an_ask_is_answered_by_the_script_or_finds_nobody() {
        let mut stage = Stage::<Puppet>::setup().answer("/oracle", |_| Ok(b"because".into())).start().unwrap();
        assert_eq!(stage.ask("ask").unwrap(), b"because");
        assert_eq!(
            puppet().ask("ask"),
            Err(AskError::Failed("the question was not sent: no actor has the address `/oracle`".to_owned()))
        );
    }

    #[test]
    fn addresses_know_their_parts() {
        let at = |address: &str| Stage::<Puppet>::setup().address(address).start().unwrap().ask("whoami").unwrap();
        assert_eq!(at("/a"), br#"["/","a","/x"]"#);
        assert_eq!(at("/a/b"), br#"["/a","b","/a/x"]"#);
    }

    #[test]
    fn a_config_value_that_does_not_parse_is_named() {
        let mut stage = Stage::<Puppet>::setup().config("top", "many").start().unwrap();
        let expected = "config `top` = `many` is not a u8: invalid digit found in string";
        assert_eq!(stage.tell("top"), Err(Failure::Retry(expected.to_owned())));
        assert_eq!(puppet().ask("top").unwrap(), b"null");
    }

    #[test]
    fn the_envelope_is_that_of_the_message_in_hand() {
        let text = String::from_utf8(puppet().ask("envelope").unwrap()).unwrap();
        assert!(text.contains("attempt: 1, asked: true"), "{text}");
    }
}
