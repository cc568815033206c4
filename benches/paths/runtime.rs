//! The Tokio runtime of a run. All libraries that run on Tokio's pool of workers have as many.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};

static WORKERS: AtomicUsize = AtomicUsize::new(2);

pub(crate) fn set_workers(workers: usize) {
    WORKERS.store(workers, Relaxed);
}

pub(crate) fn multi_thread() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(WORKERS.load(Relaxed)).enable_all().build()?)
}
