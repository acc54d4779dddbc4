//! Caches the API server's answers about tokens for at most a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;

use super::answer::{Identity, Refusal};

/// How long an accepted token is not asked about again: so long may a revoked token be used.
const ACCEPTED: Duration = Duration::from_mins(1);
/// How long a refused token is not asked about again.
const REFUSED: Duration = Duration::from_secs(10);
/// How many accepted tokens are remembered, and how many refused ones: anybody can send those,
/// and they must not take the place of the others.
const TOKENS: usize = 8_192;

/// The SHA-256 of a token, so that no token is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    pub fn of(token: &str) -> Self {
        Self(digest(&SHA256, token.as_bytes()).as_ref().to_vec())
    }
}

type Answer = Result<Identity, Refusal>;

/// Answers by tokens' fingerprints.
#[derive(Debug, Default)]
pub(super) struct Cache {
    accepted: Mutex<Answers<Identity>>,
    refused: Mutex<Answers<Refusal>>,
}

/// Answers of one kind, each with the time until which it holds.
#[derive(Debug)]
struct Answers<T>(HashMap<Fingerprint, (T, Instant)>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Answers<T> {
    fn get(&self, token: &Fingerprint) -> Option<T> {
        let (answer, until) = self.0.get(token)?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    fn put(&mut self, token: Fingerprint, answer: T, keep: Duration) {
        let now = Instant::now();
        if self.0.len() >= TOKENS {
            self.0.retain(|_, (_, until)| now < *until);
        }
        if self.0.len() >= TOKENS {
            // Without room, each token is asked about each time.
            return;
        }
        self.0.insert(token, (answer, now + keep));
    }
}

fn lock<T>(answers: &Mutex<Answers<T>>) -> MutexGuard<'_, Answers<T>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    /// Returns the answer for a token, if there was one just now.
    pub fn get(&self, token: &Fingerprint) -> Option<Answer> {
        let accepted = lock(&self.accepted).get(token).map(Ok);
        accepted.or_else(|| lock(&self.refused).get(token).map(Err))
    }

    /// Remembers an answer, for no longer than the token lasts.
    pub fn put(&self, token: Fingerprint, answer: Answer, lasts: Duration) {
        match answer {
            Ok(identity) => lock(&self.accepted).put(token, identity, ACCEPTED.min(lasts)),
            Err(refusal) => lock(&self.refused).put(token, refusal, REFUSED),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::model::Key;

    fn identity() -> Answer {
        Ok(Identity {
            pod: Key::new("shop", "web-1"),
            uid: None,
            account: "web".into(),
            lasts: Duration::ZERO,
        })
    }

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn an_accepted_token_is_asked_about_after_a_minute() {
        let cache = Cache::default();
        cache.put(Fingerprint::of("a"), identity(), LONG);
        advance(ACCEPTED - Duration::from_secs(1)).await;
        assert!(cache.get(&Fingerprint::of("a")).is_some());
        assert!(cache.get(&Fingerprint::of("b")).is_none());
        advance(Duration::from_secs(1)).await;
        assert!(cache.get(&Fingerprint::of("a")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_does_not_outlive_the_token() {
        let cache = Cache::default();
        cache.put(Fingerprint::of("a"), identity(), Duration::from_secs(5));
        advance(Duration::from_secs(5)).await;
        assert!(cache.get(&Fingerprint::of("a")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn is_bounded() {
        let cache = Cache::default();
        for token in 0..=TOKENS {
            let refused = Err(Refusal::NoPod);
            cache.put(Fingerprint::of(&token.to_string()), refused, LONG);
        }
        assert!(cache.get(&Fingerprint::of("0")).is_some());
        assert!(cache.get(&Fingerprint::of(&TOKENS.to_string())).is_none());
        // Refused ones don't take the place of accepted ones.
        cache.put(Fingerprint::of("accepted"), identity(), LONG);
        assert!(cache.get(&Fingerprint::of("accepted")).is_some());
        advance(REFUSED).await;
        cache.put(Fingerprint::of("new"), identity(), LONG);
        assert!(cache.get(&Fingerprint::of("new")).is_some());
    }
}
