//! The answer to an operator who asks why an actor does not go on.

use playhouse_kernel::{Address, SendError};

use super::Server;
use crate::control::protocol::{Refusal, Response};

impl Server {
    /// Why an actor does not go on.
    pub(super) async fn why(&self, address: &Address) -> Result<Response, Refusal> {
        match self.tree.why(address).await {
            Some(why) => Ok(Response::Why(Box::new(why))),
            None => Err(self.refusal(SendError::UnknownAddress(address.clone())).await),
        }
    }
}
