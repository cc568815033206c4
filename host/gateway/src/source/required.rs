//! The start of a play that needs a broker: an actor directly under `/` that starts first, and without which the play ends.

use std::sync::Arc;

use playhouse_kernel::{
    ActorSpec, Address, Failure, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, RestartKind,
};

use super::supply::Supply;
use super::worker::CALL_TIME;

/// Connects once to the broker of a source. A connection that is lost later is the source's to replace.
struct RequiredBroker {
    source: Address,
    supply: Arc<dyn Supply>,
}

impl NativeActor for RequiredBroker {
    async fn init(&mut self, _: &mut NativeContext) -> NativeResult {
        let error = match tokio::time::timeout(CALL_TIME, self.supply.connect()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {}s", CALL_TIME.as_secs()),
        };
        let (kind, source) = (self.supply.kind(), &self.source);
        Err(Failure::Retry(format!("`{source}` is required, and has no connection to {kind}: {error}")))
    }

    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        Err(Failure::Reject(format!("`{}` takes no messages", ctx.address())))
    }
}

/// The actor at `address`, for the source at another one.
pub(super) fn spec(address: Address, source: &Address, supply: Arc<dyn Supply>) -> ActorSpec {
    let source = source.clone();
    let made = move || RequiredBroker { source: source.clone(), supply: supply.clone() };
    let mut spec = ActorSpec::new(address, NativeLauncher::new(made));
    spec.required = true;
    spec.restart.kind = RestartKind::Temporary;
    spec.limits.start_timeout = CALL_TIME * 2;
    spec
}
