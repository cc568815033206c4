//! The native actors beside a hostile guest: the parent that spawns the guest, and an actor that never answers.

use playhouse_kernel::{
    Behavior, BoxFuture, ChildFailed, Config, Crash, CrashReason, Directive, Launcher, Outcome, Turn,
};
use tokio::sync::mpsc;

/// An actor that takes messages and never finishes one.
pub struct Silent;

/// The parent, which spawns the guest and passes on the reason of its failure.
pub struct Pen(pub mpsc::UnboundedSender<CrashReason>);

enum Run {
    Silent(Turn),
    Pen(Turn, mpsc::UnboundedSender<CrashReason>),
}

impl Launcher for Silent {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async { Ok(Box::new(Run::Silent(turn)) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &'static str {
        "silent"
    }
}

impl Launcher for Pen {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async { Ok(Box::new(Run::Pen(turn, self.0.clone())) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &'static str {
        "pen"
    }

    fn supervises(&self) -> bool {
        true
    }
}

impl Behavior for Run {
    fn turn(&mut self) -> &mut Turn {
        let (Self::Silent(turn) | Self::Pen(turn, _)) = self;
        turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let turn = match self {
                Self::Silent(_) => return std::future::pending().await,
                Self::Pen(turn, _) => turn,
            };
            while turn.current().is_some() {
                let order = String::from_utf8_lossy(turn.body()).into_owned();
                if let Some(messages) = order.strip_prefix("begin ") {
                    turn.spawn("guest", "hostile", Config::new()).unwrap();
                    (0..messages.parse().unwrap()).for_each(|_| turn.tell("guest", b"go").unwrap());
                } else {
                    // The guest may have ended by itself.
                    let _ = turn.stop("guest");
                }
                turn.finish(Outcome::Done(Some(b"done".to_vec())));
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
