//! The tasks of a connection with HTTP/2, one for each of its requests: they end with the connection.

use std::future::Future;
use std::sync::Arc;

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::JoinSet;

/// The tasks of a connection. Dropping it ends them.
#[derive(Default)]
pub(super) struct StreamTasks(Arc<Mutex<JoinSet<()>>>);

/// Spawns tasks of a connection.
#[derive(Clone)]
pub(super) struct StreamExecutor(Arc<Mutex<JoinSet<()>>>);

impl StreamTasks {
    pub(super) fn executor(&self) -> StreamExecutor {
        StreamExecutor(self.0.clone())
    }
}

impl Drop for StreamTasks {
    fn drop(&mut self) {
        self.0.lock().abort_all();
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let mut tasks = self.0.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(future);
    }
}
