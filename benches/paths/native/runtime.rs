//! The runtime of the libraries that run on Tokio.

use std::future::Future;

use anyhow::Result;

/// Runs on a runtime with as many workers as Playhouse has: two by default, the number of actix's arbiters and of cores of the machine on
/// which the results were measured.
pub(super) fn run_on_tokio<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = crate::runtime::multi_thread()?;
    runtime.block_on(async { tokio::spawn(work).await? })
}
