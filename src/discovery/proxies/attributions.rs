//! Work on refusals, done elsewhere than where connections are served: to find the rules of a
//! resource takes milliseconds, and any pod can cause it.

use tokio::{sync::mpsc, task::spawn_blocking};

/// How many pieces of work may wait. A stream has one for each kind at most.
const WAITING: usize = 1_024;

type Work = Box<dyn FnOnce() + Send>;

/// Takes work.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Attributions(mpsc::Sender<Work>);

impl Attributions {
    /// Work that nobody does.
    pub fn undone() -> Self {
        Self(mpsc::channel(1).0)
    }

    /// Returns what takes work, and the task that has it done, one piece after the other.
    pub fn new() -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, mut waiting) = mpsc::channel::<Work>(WAITING);
        let run = async move {
            while let Some(work) = waiting.recv().await {
                if spawn_blocking(work).await.is_err() {
                    tracing::error!(
                        "a refusal can't be read because of a bug in Pillion: please report it"
                    );
                }
            }
        };
        (Self(sender), run)
    }

    /// Has something done later. Returns `false` if too much waits.
    pub(super) fn add(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.0.try_send(Box::new(work)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn work_is_bounded_and_done_in_order() {
        let (attributions, run) = Attributions::new();
        let done = Arc::new(Mutex::new(Vec::new()));
        for number in 0..=WAITING {
            let done = Arc::clone(&done);
            let taken = attributions.add(move || done.lock().unwrap().push(number));
            assert_eq!(taken, number < WAITING);
        }
        drop(attributions);
        run.await;
        let done = done.lock().unwrap();
        assert_eq!(*done, (0..WAITING).collect::<Vec<_>>());
    }
}
