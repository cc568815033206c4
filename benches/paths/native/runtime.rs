//! The runtime of the libraries that run on Tokio.

use std::future::Future;

use anyhow::Result;

/// A runtime with two workers, the number of actix's arbiters and of cores of the machine on which the results were measured.
pub(super) fn run_on_tokio<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(work).await? })
}
