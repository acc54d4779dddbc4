//! Asks DNS again and again, for as long as somebody wants to know.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    question::Question,
    resolver::{Resolver, Servers},
};

/// Names that are asked for at a time.
const AT_A_TIME: usize = 16;
/// Addresses that a name may have.
const MAX_ADDRESSES: usize = 1_024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer holds for at least and at most so long, whatever it says.
const HOLDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// The first pause after a failure, and the longest. Each is twice as long as the one before.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The addresses of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub question: Question,
    /// Empty if there has never been an answer.
    pub addresses: Vec<IpAddr>,
}

/// Asks for the names that are wanted.
#[derive(Debug)]
pub(crate) struct Asker {
    tasks: HashMap<Question, JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    answers: mpsc::Sender<Answer>,
    places: Semaphore,
    resolver: Resolver,
}

impl Asker {
    /// Sends each answer that differs from the one before.
    pub fn new(servers: Servers, answers: mpsc::Sender<Answer>) -> Self {
        Self {
            tasks: HashMap::new(),
            shared: Arc::new(Shared {
                answers,
                places: Semaphore::new(AT_A_TIME),
                resolver: Resolver::new(servers),
            }),
        }
    }

    /// Asks for these, and for no others any more. The store shares the places out.
    pub fn want(&mut self, questions: &BTreeSet<Question>) {
        self.tasks.retain(|question, task| {
            let stays = questions.contains(question);
            if !stays {
                task.abort();
            }
            stays
        });
        for question in questions {
            if self.tasks.contains_key(question) {
                continue;
            }
            let asks = Arc::clone(&self.shared).ask(question.clone());
            self.tasks.insert(question.clone(), tokio::spawn(asks));
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// Asks for as long as somebody listens. The last good answer stays when there is none.
    async fn ask(self: Arc<Self>, question: Question) {
        let mut last: Option<Vec<IpAddr>> = None;
        let mut pause = PAUSES.0;
        loop {
            let pause = match self.once(&question).await {
                Ok((addresses, holds)) => {
                    pause = PAUSES.0;
                    if last.as_ref() != Some(&addresses) {
                        tracing::debug!(name = %question.name, ?addresses, "resolved");
                        last = Some(addresses.clone());
                        if self.tell(&question, addresses).await.is_err() {
                            return;
                        }
                    }
                    question.refresh.unwrap_or(holds).clamp(HOLDS.0, HOLDS.1)
                }
                Err(error) => {
                    tracing::warn!(name = %question.name, %error, "can't be resolved");
                    // Who waits for an answer should not wait for ever.
                    if last.is_none() {
                        last = Some(Vec::new());
                        if self.tell(&question, Vec::new()).await.is_err() {
                            return;
                        }
                    }
                    let now = pause;
                    pause = (pause * 2).min(PAUSES.1);
                    now
                }
            };
            sleep(pause).await;
        }
    }

    async fn once(&self, question: &Question) -> Result<(Vec<IpAddr>, Duration), Failure> {
        // It is never closed.
        let _place = self.places.acquire().await;
        let lookup = self.resolver.lookup(&question.name, question.family);
        let (mut addresses, holds) = timeout(PATIENCE, lookup).await??;
        // Servers turn their answers around: only others are news.
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        Ok((addresses, holds))
    }

    async fn tell(&self, question: &Question, addresses: Vec<IpAddr>) -> Result<(), Gone> {
        let answer = Answer {
            question: question.clone(),
            addresses,
        };
        self.answers.send(answer).await.map_err(|_| Gone)
    }
}

/// Nobody listens any more.
struct Gone;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer within {PATIENCE:?}")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Lookup(#[from] hickory_resolver::net::NetError),
}

#[cfg(test)]
mod tests;
