//! The memory for bodies that are being read and answers that are being sent.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Memory is accounted for in units of this many bytes. An answer of no more is
/// not, so that there is always room to say that there is none.
const UNIT: usize = 1024;

/// The memory; each body and each answer holds its share while it is there.
#[derive(Debug)]
pub(super) struct Budget(Arc<Semaphore>);

/// There is no memory left.
#[derive(Debug)]
pub(super) struct Full;

/// A body's share, which grows with it.
#[derive(Debug)]
pub(super) struct Share<'a> {
    all: &'a Semaphore,
    held: Option<SemaphorePermit<'a>>,
}

/// An answer's share of each budget; none, for what is too short to be accounted
/// for.
#[derive(Debug, Default)]
pub(super) struct Room {
    _shares: Option<[OwnedSemaphorePermit; 2]>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// An empty share.
    pub(super) fn share(&self) -> Share<'_> {
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
    /// For an answer of this length.
    pub(super) fn of([first, second]: [&Budget; 2], bytes: usize) -> Result<Self, Full> {
        if bytes <= UNIT {
            return Ok(Self::default());
        }
        Ok(Self {
            _shares: Some([first.take(bytes)?, second.take(bytes)?]),
        })
    }
}

impl Share<'_> {
    /// Takes more, for a body that has come to so many bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
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
