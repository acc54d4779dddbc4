//! What a review takes in memory while it is worked on.
//!
//! JSON that is short on the wire is large once it is read: `{"a":0}` is an
//! entry in a map of its own, with room for ten more. A pod of a few megabytes
//! could take hundreds. So a body is weighed before it is read, and what is
//! worked on at a time is bounded by weight.

use memchr::{memchr_iter, memmem};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::Limits;

/// Weights are accounted for in units of this many bytes.
const UNIT: usize = 1024;

/// Bodies up to this length are not weighed: as many as there are threads come
/// to a few megabytes at most.
const SMALL: usize = 8 * UNIT;

/// What a mapping takes, with room for its first entries.
const MAPPING: usize = 640;
/// What a list takes.
const LIST: usize = 128;
/// What an entry of a mapping or an item of a list takes.
const ENTRY: usize = 128;

/// The memory for reviews that are worked on.
#[derive(Debug)]
pub(super) struct Scales(Semaphore);

/// Why a review can't be worked on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overweight {
    /// It would take this many bytes.
    TooHeavy(usize),
    /// There are too many others.
    Overload,
}

impl Scales {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS)))
    }

    /// Waits for a share of the memory, for as long as a body may take.
    pub(super) async fn admit(
        &self,
        body: &[u8],
        limits: &Limits,
    ) -> Result<SemaphorePermit<'_>, Overweight> {
        let weight = match body.len() {
            0..=SMALL => 0,
            // Most are light even so, and the closer look takes longer.
            _ => Some(weigh_at_most(body))
                .filter(|most| *most <= limits.working_bytes / 8)
                .unwrap_or_else(|| weigh(body)),
        };
        if weight > limits.working_bytes {
            return Err(Overweight::TooHeavy(weight));
        }
        let units = u32::try_from(weight / UNIT).map_err(|_| Overweight::TooHeavy(weight))?;
        match timeout(limits.body, self.0.acquire_many(units)).await {
            Ok(Ok(share)) => Ok(share),
            Ok(Err(_)) | Err(_) => Err(Overweight::Overload),
        }
    }
}

/// An estimate of what the JSON comes to: more than it takes where parts of it
/// stand within strings. An injection copies parts of it, up to twice.
fn weigh(body: &[u8]) -> usize {
    let pairs = |pair: &[u8]| memmem::find_iter(body, pair).count();
    // Empty ones take nothing, and before a backslash it is a string: the keys of
    // a pod's managedFields are full of them (`k:{\"name\":\"a\"}`).
    let nothing = MAPPING * (pairs(b"{}") + pairs(b"{\\")) + LIST * pairs(b"[]");
    weigh_at_most(body) - nothing
}

/// The same as if there was nothing that takes nothing.
fn weigh_at_most(body: &[u8]) -> usize {
    let count = |byte| memchr_iter(byte, body).count();
    body.len() + MAPPING * count(b'{') + LIST * count(b'[') + ENTRY * count(b',')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(working_bytes: usize) -> Limits {
        Limits {
            working_bytes,
            body: Duration::from_secs(1),
            ..Limits::default()
        }
    }

    #[test]
    fn what_is_short_can_be_heavy() {
        let text = format!("[{}]", ["{\"\":0}"; 1000].join(","));
        assert!(weigh(text.as_bytes()) > 80 * text.len());
        let empty = format!("[{}]", ["{}"; 1000].join(","));
        assert!(weigh(empty.as_bytes()) < 50 * empty.len());
        assert!(weigh("x".repeat(1000).as_bytes()) == 1000);
    }

    #[tokio::test]
    async fn rejects_what_is_too_heavy_by_itself() {
        let scales = Scales::new(2 * SMALL);
        let body = "{".repeat(SMALL + 1);
        let admitted = scales.admit(body.as_bytes(), &limits(2 * SMALL)).await;
        assert!(matches!(admitted, Err(Overweight::TooHeavy(weight)) if weight > 2 * SMALL));
    }

    #[tokio::test(start_paused = true)]
    async fn heavy_ones_are_worked_on_one_after_the_other() {
        let (scales, limits) = (Scales::new(2 * SMALL), limits(2 * SMALL));
        let body = vec![b'x'; SMALL + UNIT];
        let first = scales.admit(&body, &limits).await.unwrap();
        assert_eq!(
            scales.admit(&body, &limits).await.unwrap_err(),
            Overweight::Overload
        );
        drop(first);
        assert!(scales.admit(&body, &limits).await.is_ok());
    }
}
