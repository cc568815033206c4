//! A thread that owns something blocking, such as a connection, and does one job after another.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use playhouse_kernel::StoreError;
use tokio::sync::oneshot;

/// Most jobs whose results wait for one another.
const TOGETHER: usize = 16;
/// A result waits for no job that begins this long after it.
const TOGETHER_FOR: Duration = Duration::from_micros(200);

/// A job gives its result away when it is called for that.
type Job<S> = Box<dyn FnOnce(&mut S) -> Answer + Send>;
type Answer = Box<dyn FnOnce() + Send>;

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
            let mut answers = Vec::with_capacity(TOGETHER);
            while let Ok(job) = inbox.recv() {
                // Each result wakes its task, which may wake a thread. Results of jobs that wait already are given together.
                answers.push(job(&mut state));
                let first = Instant::now();
                while answers.len() < TOGETHER
                    && first.elapsed() < TOGETHER_FOR
                    && let Ok(job) = inbox.try_recv()
                {
                    answers.push(job(&mut state));
                }
                answers.drain(..).for_each(|answer| answer());
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Failed(format!("no thread for {name}: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a job. It is done even if nothing waits for the result.
    pub(crate) fn send(&self, job: impl FnOnce(&mut S) + Send + 'static) {
        self.queue(|state| {
            job(state);
            Box::new(|| ())
        });
    }

    fn queue(&self, job: impl FnOnce(&mut S) -> Answer + Send + 'static) {
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
        self.queue(move |state| {
            let done = job(state);
            Box::new(move || drop(answer.send(done)))
        });
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
