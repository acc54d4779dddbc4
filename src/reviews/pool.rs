//! The threads that process reviews, and those that sign certificates.
//!
//! Processing a review only needs CPU time, up to tens of milliseconds for the largest
//! body. On a thread that also does I/O, it would delay every connection there. So there
//! is a fixed number of threads, one per core, which serve callers in turn: the reviews
//! of an address with many wait only for each other.

use std::{
    collections::{HashMap, VecDeque},
    io,
    num::NonZero,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use pillion_serve::Caller;

/// On a large node without a CPU limit, a thread for each core would only cost memory.
const MAX_THREADS: usize = 4;

/// The threads, and the queue of their jobs.
#[derive(Debug)]
pub(crate) struct Pool(Arc<Shared>);

/// Why a job has no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// The job did not finish in time.
    Late,
    /// The job panicked.
    Panicked,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The callers that have jobs, each once, in the order of their turns.
    turns: VecDeque<Caller>,
    jobs: HashMap<Caller, VecDeque<Job>>,
    next_number: u64,
    is_closed: bool,
}

struct Job {
    number: u64,
    run: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("callers", &self.turns.len())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts a thread for each core, up to four.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub(crate) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_threads(cores.min(MAX_THREADS))
    }

    /// Starts that many threads.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub(crate) fn with_threads(threads: usize) -> io::Result<Self> {
        Self::named("review", threads)
    }

    /// Starts that many threads, whose names begin with this one.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub(crate) fn named(name: &str, threads: usize) -> io::Result<Self> {
        let pool = Self(Arc::default());
        for number in 0..threads {
            let shared = Arc::clone(&pool.0);
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// Runs a job for a caller when it is the caller's turn. A job that has not begun when
    /// its time is up, or when the returned future is dropped, does not run.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        caller: Caller,
        time: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let (sender, outcome) = oneshot::channel();
        let run = Box::new(move || {
            // The receiver may have been dropped.
            let _ = sender.send(work());
        });
        let _waiting = Waiting {
            shared: &self.0,
            caller,
            number: self.0.lock().push(caller, run),
        };
        self.0.changed.notify_one();
        match timeout(time, outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(Unfinished::Panicked),
            Err(_) => Err(Unfinished::Late),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// Removes a job from the queue when it is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    caller: Caller,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.lock().remove(self.caller, self.number);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs while the lock is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        while !queue.is_closed {
            if let Some(job) = queue.pop() {
                drop(queue);
                // A panic ends the job and not the thread. It drops the sender, which
                // tells the caller.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job.run));
                queue = self.lock();
            } else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Queue {
    fn push(&mut self, caller: Caller, run: Box<dyn FnOnce() + Send>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let jobs = self.jobs.entry(caller).or_default();
        if jobs.is_empty() {
            self.turns.push_back(caller);
        }
        jobs.push_back(Job { number, run });
        number
    }

    fn pop(&mut self) -> Option<Job> {
        let caller = self.turns.pop_front()?;
        let jobs = self.jobs.get_mut(&caller)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.jobs.remove(&caller);
        } else {
            self.turns.push_back(caller);
        }
        job
    }

    fn remove(&mut self, caller: Caller, number: u64) {
        let Some(jobs) = self.jobs.get_mut(&caller) else {
            return;
        };
        jobs.retain(|job| job.number != number);
        if jobs.is_empty() {
            self.jobs.remove(&caller);
            self.turns.retain(|other| *other != caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn address(last: u8) -> Caller {
        Caller::of([10, 0, 0, last].into())
    }

    /// A pool of one thread that is busy until the sender is dropped.
    async fn busy_pool() -> (Arc<Pool>, mpsc::Sender<()>) {
        let pool = Arc::new(Pool::with_threads(1).unwrap());
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let busy = Arc::clone(&pool);
        tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                let _ = released.recv();
            };
            busy.run(address(0), LONG, work).await
        });
        has_begun.await.unwrap();
        (pool, release)
    }

    #[tokio::test]
    async fn callers_take_turns() {
        let (pool, release) = busy_pool().await;
        let (done, order) = mpsc::channel();
        let mut tasks = Vec::new();
        for (position, caller) in [1, 1, 1, 2, 3, 2].into_iter().enumerate() {
            let (task_pool, done) = (Arc::clone(&pool), done.clone());
            tasks.push(tokio::spawn(async move {
                let work = move || done.send(caller).unwrap();
                task_pool.run(address(caller), LONG, work).await
            }));
            let is_queued = || {
                pool.0
                    .lock()
                    .jobs
                    .values()
                    .map(VecDeque::len)
                    .sum::<usize>()
            };
            while is_queued() <= position {
                tokio::task::yield_now().await;
            }
        }
        drop((release, done));
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(order.iter().collect::<Vec<_>>(), [1, 2, 3, 1, 2, 1]);
    }

    #[tokio::test]
    async fn work_that_is_late_is_not_begun() {
        let (pool, release) = busy_pool().await;
        let (begun, has_begun) = mpsc::channel();
        let late = pool.run(address(1), Duration::from_millis(1), move || begun.send(()));
        assert_eq!(late.await.unwrap_err(), Unfinished::Late);
        assert!(pool.0.lock().jobs.is_empty());
        assert!(pool.0.lock().turns.is_empty());
        drop(release);
        assert_eq!(pool.run(address(1), LONG, || 7).await, Ok(7));
        assert!(has_begun.recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_and_no_thread() {
        let pool = Pool::with_threads(1).unwrap();
        let panicked = pool.run(address(1), LONG, || panic!("out of cheese"));
        assert_eq!(panicked.await, Err(Unfinished::Panicked));
        assert_eq!(pool.run(address(1), LONG, || 7).await, Ok(7));
    }
}
