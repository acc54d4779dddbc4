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

/// An answer's share.
#[derive(Debug)]
pub(super) struct Room {
    _share: Option<OwnedSemaphorePermit>,
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

    /// A share for an answer of this length.
    pub(super) fn room(&self, bytes: usize) -> Result<Room, Full> {
        if bytes <= UNIT {
            return Ok(Room::none());
        }
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Full)?;
        let all = Arc::clone(&self.0);
        let share = all.try_acquire_many_owned(wanted).map_err(|_| Full)?;
        Ok(Room {
            _share: Some(share),
        })
    }
}

impl Room {
    /// None, for what is too short to be accounted for.
    pub(super) fn none() -> Self {
        Self { _share: None }
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
        let budget = Budget::new(2 * UNIT);
        let room = budget.room(UNIT + 1).unwrap();
        assert!(budget.share().grow(1).is_err());
        assert!(budget.room(UNIT + 1).is_err());
        drop(room);
        assert!(budget.room(UNIT + 1).is_ok());
    }

    #[test]
    fn there_is_always_room_to_say_that_there_is_none() {
        assert!(Budget::new(0).room(UNIT).is_ok());
    }
}
