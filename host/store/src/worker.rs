//! A thread that owns something blocking, such as a connection, and does one job after another.

use std::sync::mpsc;
use std::thread::JoinHandle;

use playhouse_kernel::StoreError;
use tokio::sync::oneshot;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The thread. Dropping this waits until all jobs are done and the state is dropped.
pub(crate) struct Worker<S> {
    jobs: Option<mpsc::Sender<Job<S>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts a thread that works on `state`.
    pub(crate) fn start(name: &str, mut state: S) -> Result<Self, StoreError> {
        let (jobs, inbox) = mpsc::channel::<Job<S>>();
        let work = move || {
            for job in inbox {
                job(&mut state);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Failed(format!("no thread for {name}: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a job. It is done even if nothing waits for the result.
    pub(crate) fn send(&self, job: impl FnOnce(&mut S) + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // A thread that has panicked takes no more jobs.
            let _ = jobs.send(Box::new(job));
        }
    }

    /// Queues a job, and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        self.send(move |state| drop(answer.send(job(state))));
        result.await.unwrap_or_else(|_| Err(StoreError::Failed("a thread of the store has ended".to_owned())))
    }
}

impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }
}
