//! An operator's ask, and the way out when it has no reply.

use std::time::Duration;

use playhouse_kernel::{Address, AskError};

use super::Server;
use crate::control::protocol::{Body, Refusal, Response};

impl Server {
    pub(super) async fn ask(&self, to: &Address, body: &[u8], timeout: Duration) -> Result<Response, Refusal> {
        let error = match self.kernel.ask(to, body, timeout).await {
            Ok(reply) => return Ok(Response::Answer { body: Body(reply) }),
            Err(AskError::NotSent(error)) => return Err(self.refusal(error).await),
            Err(error) => error,
        };
        let message = match &error {
            AskError::Timeout => {
                format!("`{to}` did not reply within {timeout:?} (--timeout); it may still handle the message")
            }
            AskError::StoppedByOperator(_) => {
                let way_out = format!(
                    "`playhouse start {to}` starts it; then ask again, since a question is not handled after its time"
                );
                format!("`{to}` is stopped by an operator, and did not start within {timeout:?} (--timeout): {way_out}")
            }
            AskError::Stopped => format!("no reply: {}", self.why_ended(to).await),
            AskError::ActorFailed(_) => {
                let failed = self.failed_above(to).await;
                let way_out = format!("`playhouse start {failed}` makes a trial start at once");
                format!("no reply from `{to}`: {error}; {way_out}")
            }
            error => format!("no reply from `{to}`: {error}"),
        };
        Err(Refusal::new(error.kind(), message))
    }

    /// The actor whose failure keeps this one from its start: this one, or one above it.
    async fn failed_above(&self, address: &Address) -> Address {
        let actors = self.kernel.actors().await;
        let failed = actors.into_iter().find(|actor| actor.address == *address).and_then(|actor| actor.failed);
        failed.map_or_else(|| address.clone(), |failed| failed.actor.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use playhouse_kernel::{
        ActorSpec, FamilySpec, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan,
        SupervisionSpec,
    };

    use super::*;
    use crate::control::whole_tree::WholeTree;

    struct Fragile;

    impl NativeActor for Fragile {
        async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
            panic!("as told")
        }
    }

    #[tokio::test]
    async fn failed_member_is_the_one_to_start() {
        let address = |text| Address::parse(text).expect("an address");
        let family = FamilySpec::new(10, 10).created_by(Address::root(), 10);
        let code = NativeLauncher::new(|| Fragile);
        let idle_stop = Some(Duration::from_mins(1));
        let spec = ActorSpec { family: Some(Arc::new(family)), idle_stop, ..ActorSpec::new(address("/m"), code) };
        let supervision = SupervisionSpec { intensity: 0, ..SupervisionSpec::default() };
        let plan = Plan { actors: vec![spec], supervision, ..Plan::default() };
        let kernel = Kernel::start(&plan).expect("the plan is sound");
        kernel.wait_booted().await;
        let tree = WholeTree::new(kernel, "test".into(), None, playhouse_gateway::Statuses::default());
        let server = Server::new(tree, Arc::default(), 1 << 10);
        let bad = address("/m/bad");
        let ask = || server.ask(&bad, b"x", Duration::from_mins(1));
        assert_eq!(ask().await.expect_err("it crashes").kind, "crashed");
        let refusal = ask().await.expect_err("it is failed");
        assert_eq!(refusal.kind, "actor-failed");
        assert!(refusal.message.ends_with("; `playhouse start /m/bad` makes a trial start at once"), "{refusal}");
    }
}
