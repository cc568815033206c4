//! The native actors beside a hostile guest: the parent that spawns the guest, and an actor that never answers.

use playhouse_kernel::{
    Behavior, BoxFuture, ChildFailed, Config, Crash, CrashReason, Directive, Hand, Launcher, Outcome,
};
use tokio::sync::mpsc;

/// An actor that takes messages and never finishes one.
pub struct Silent;

/// The parent, which spawns the guest and passes on the reason of its failure.
pub struct Pen(pub mpsc::UnboundedSender<CrashReason>);

enum Run {
    Silent(Hand),
    Pen(Hand, mpsc::UnboundedSender<CrashReason>),
}

impl Launcher for Silent {
    fn launch(&self, hand: Hand) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async { Ok(Box::new(Run::Silent(hand)) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &'static str {
        "silent"
    }
}

impl Launcher for Pen {
    fn launch(&self, hand: Hand) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async { Ok(Box::new(Run::Pen(hand, self.0.clone())) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &'static str {
        "pen"
    }

    fn supervises(&self) -> bool {
        true
    }
}

impl Behavior for Run {
    fn hand(&mut self) -> &mut Hand {
        let (Self::Silent(hand) | Self::Pen(hand, _)) = self;
        hand
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let hand = match self {
                Self::Silent(_) => return std::future::pending().await,
                Self::Pen(hand, _) => hand,
            };
            while hand.current().is_some() {
                let order = String::from_utf8_lossy(hand.body()).into_owned();
                if let Some(messages) = order.strip_prefix("begin ") {
                    hand.spawn("guest", "hostile", Config::new()).unwrap();
                    (0..messages.parse().unwrap()).for_each(|_| hand.tell("guest", b"go").unwrap());
                } else {
                    // The guest may have ended by itself.
                    let _ = hand.stop("guest");
                }
                hand.finish(Outcome::Done(Some(b"done".to_vec())));
            }
            Ok(())
        })
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        if let Self::Pen(_, tell) = self {
            let _ = tell.send(failure.report.crash.reason.clone());
        }
        Box::pin(async { Ok(Directive::Stop) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}
