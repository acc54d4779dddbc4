//! Requests from outside of the cluster that go on while something else happens.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{eventually::eventually, gateway::Gateway, http::get_of};

/// How long a visitor waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody who asks a gateway for a path of a host until told to end, over a connection for each request.
pub struct Visitors {
    end: oneshot::Sender<()>,
    answered: Arc<AtomicU64>,
    task: JoinHandle<BTreeMap<String, u64>>,
}

impl Visitors {
    /// Starts once the gateway answers with 200.
    pub async fn start(gateway: &Gateway, host: &str, path: &str) -> Self {
        gateway.answers(host, path, 200).await;
        let (end, mut ended) = oneshot::channel();
        let answered = Arc::new(AtomicU64::new(0));
        let (address, host, path) = (gateway.http(), host.to_owned(), path.to_owned());
        let count = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            let mut answers = BTreeMap::new();
            while ended.try_recv().is_err() {
                let answer = timeout(PATIENCE, get_of(&address, &host, &path)).await;
                let line = match answer.ok().flatten() {
                    Some(answer) => answer.lines().next().unwrap_or("nothing").to_owned(),
                    None => "no answer".to_owned(),
                };
                *answers.entry(line).or_default() += 1;
                count.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
            answers
        });
        let visitors = Self {
            end,
            answered,
            task,
        };
        visitors.go_on().await;
        visitors
    }

    /// Waits until some more requests have ended than by now.
    pub async fn go_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("more visits", async || {
            (self.answered.load(Ordering::Relaxed) > before + 20).then_some(())
        })
        .await;
    }

    /// Ends, having been answered by 200 each time.
    pub async fn finish(self) {
        // A task that has ended by itself has panicked, and says so below.
        let _ = self.end.send(());
        let answers = self.task.await.unwrap();
        assert!(
            !answers.is_empty() && answers.keys().all(|line| line.starts_with("HTTP/1.1 200 ")),
            "{answers:?}"
        );
    }
}
