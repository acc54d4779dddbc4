//! The memory for request bodies that are being read and responses that are being sent.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Memory is accounted for in units of this many bytes. A response of no more than
/// one is free, so that an error can always be sent.
const UNIT: usize = 1024;

/// A budget of memory; each body and each response holds its part of it while it lasts.
#[derive(Debug)]
pub struct Budget(Arc<Semaphore>);

/// The budget is used up.
#[derive(Debug)]
pub struct Full;

/// The part of a request body, which grows with it.
#[derive(Debug)]
pub struct Share<'a> {
    all: &'a Semaphore,
    held: Option<SemaphorePermit<'a>>,
}

/// The part of a response, of each of two budgets; nothing for a response that is
/// too short to be accounted for.
#[derive(Debug, Default)]
pub struct Room {
    _shares: Option<[OwnedSemaphorePermit; 2]>,
}

impl Budget {
    /// Creates a budget of this many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// An empty share.
    #[must_use]
    pub fn share(&self) -> Share<'_> {
        Share {
            all: &self.0,
            held: None,
        }
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Full> {
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Full)?;
        let all = Arc::clone(&self.0);
        all.try_acquire_many_owned(wanted).map_err(|_| Full)
    }
}

impl Room {
    /// Room for a response of this length.
    ///
    /// # Errors
    ///
    /// When one of the budgets has not enough left.
    pub fn of([first, second]: [&Budget; 2], bytes: usize) -> Result<Self, Full> {
        if bytes <= UNIT {
            return Ok(Self::default());
        }
        Ok(Self {
            _shares: Some([first.take(bytes)?, second.take(bytes)?]),
        })
    }
}

impl Share<'_> {
    /// Grows to a body of this many bytes.
    ///
    /// # Errors
    ///
    /// When the budget has not enough left; the share stays as it is.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let held = self.held.as_ref().map_or(0, SemaphorePermit::num_permits);
        let wanted = bytes.div_ceil(UNIT).saturating_sub(held);
        if wanted == 0 {
            return Ok(());
        }
        let wanted = u32::try_from(wanted).map_err(|_| Full)?;
        let more = self.all.try_acquire_many(wanted).map_err(|_| Full)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_with_its_body_until_nothing_is_left() {
        let budget = Budget::new(2 * UNIT);
        let mut share = budget.share();
        assert!(share.grow(1).is_ok());
        assert!(share.grow(2 * UNIT).is_ok());
        assert!(share.grow(2 * UNIT + 1).is_err());
        assert!(budget.share().grow(1).is_err());
        drop(share);
        assert!(budget.share().grow(2 * UNIT).is_ok());
    }

    #[test]
    fn an_answer_shares_the_memory_with_bodies() {
        let (own, all) = (Budget::new(8 * UNIT), Budget::new(2 * UNIT));
        let room = Room::of([&own, &all], UNIT + 1).unwrap();
        assert!(all.share().grow(1).is_err());
        assert!(Room::of([&own, &all], UNIT + 1).is_err());
        drop(room);
        assert!(own.share().grow(8 * UNIT).is_ok());
        assert!(Room::of([&own, &all], UNIT + 1).is_ok());
    }

    #[test]
    fn there_is_always_room_to_say_that_there_is_none() {
        let budget = Budget::new(0);
        assert!(Room::of([&budget, &budget], UNIT).is_ok());
    }
}
