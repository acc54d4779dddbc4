//! What a review takes in memory while it is worked on.
//!
//! JSON that is short on the wire is large once it is read: `{"a":0}` is an
//! entry in a map of its own, with room for ten more. A pod of a few megabytes
//! could take hundreds. So a body is weighed before it is read, and what is
//! worked on at a time is bounded by weight.

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::Limits;

/// Weights are accounted for in units of this many bytes.
const UNIT: usize = 1024;

/// What a mapping takes, with its first entries.
const MAPPING: usize = 640;
/// What a list takes.
const LIST: usize = 128;
/// What an entry of a mapping or an item of a list takes.
const ENTRY: usize = 64;

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
        let weight = weigh(body);
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

/// An upper estimate: brackets and commas within strings count, too.
fn weigh(body: &[u8]) -> usize {
    let parts: usize = body
        .iter()
        .map(|byte| match byte {
            b'{' => MAPPING,
            b'[' => LIST,
            b',' => ENTRY,
            _ => 0,
        })
        .sum();
    body.len() + parts
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
        let text = format!("[{}]", ["{}"; 1000].join(","));
        assert!(weigh(text.as_bytes()) > 200 * text.len());
        assert!(weigh("x".repeat(1000).as_bytes()) == 1000);
    }

    #[tokio::test]
    async fn rejects_what_is_too_heavy_by_itself() {
        let scales = Scales::new(4 * UNIT);
        let body = "{".repeat(10);
        let admitted = scales.admit(body.as_bytes(), &limits(4 * UNIT)).await;
        assert!(matches!(admitted, Err(Overweight::TooHeavy(weight)) if weight > 4 * UNIT));
    }

    #[tokio::test(start_paused = true)]
    async fn heavy_ones_are_worked_on_one_after_the_other() {
        let (scales, limits) = (Scales::new(4 * UNIT), limits(4 * UNIT));
        let body = vec![b'x'; 3 * UNIT];
        let first = scales.admit(&body, &limits).await.unwrap();
        assert_eq!(
            scales.admit(&body, &limits).await.unwrap_err(),
            Overweight::Overload
        );
        drop(first);
        assert!(scales.admit(&body, &limits).await.is_ok());
    }
}
