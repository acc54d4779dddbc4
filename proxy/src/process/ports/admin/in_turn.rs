//! Answers that take a while to write.

use std::sync::Arc;

use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};

/// Has one written at a time, and not on the thread that answers the kubelet.
#[derive(Debug, Clone)]
pub(super) struct InTurn(Arc<Semaphore>);

impl Default for InTurn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl InTurn {
    /// Does the work when its turn has come. Once begun, it keeps its turn to the end, even if
    /// nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// When the work has panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        // It is never closed.
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let working = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        working.await
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::mpsc};

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_turn() {
        let in_turn = InTurn::default();
        let (begun, begins) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let first = in_turn.clone();
        let waiting = tokio::spawn(async move {
            first
                .run(move || {
                    begun.send(()).unwrap();
                    ends.recv().unwrap();
                })
                .await
        });
        tokio::task::spawn_blocking(move || begins.recv().unwrap())
            .await
            .unwrap();
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        // Nobody else has asked for a turn yet.
        assert_eq!(in_turn.0.available_permits(), 0);
        let mut second = pin!(in_turn.run(|| "second"));
        assert!(second.as_mut().now_or_never().is_none());
        end.send(()).unwrap();
        assert_eq!(second.await.unwrap(), "second");
    }
}
