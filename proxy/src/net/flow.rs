//! How much a connection brings at a time.

use super::sizes::SIZE;

/// A response may come in a large read and small ones before the next large one comes.
const BULK_READS: u8 = 4;

/// What the last reads of a connection brought.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// For so many reads more is expected than usual buffers hold.
    bulk: u8,
}

impl Flow {
    /// Whether one of the last reads brought as much as a usual buffer holds, so the next one may
    /// bring more.
    pub fn is_bulk(&self) -> bool {
        self.bulk > 0
    }

    /// A read has brought so many bytes, where there was room for so many.
    pub fn brought(&mut self, received: usize, room: usize) {
        self.bulk = match received >= room.min(SIZE) {
            true => BULK_READS,
            false => self.bulk.saturating_sub(1),
        };
    }
}
