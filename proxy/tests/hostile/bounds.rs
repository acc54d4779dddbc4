//! What a proxy under attack may have, in KiB: it follows from its buffers.

use crate::sizes::{BULK_OF_THREAD, FREE_OF_THREAD, SIZE};

/// Workers of each proxy.
pub const WORKERS: usize = 2;

/// The connections of 64 places: a full buffer in each direction on both sides.
pub const PLACES: u64 = kib(64 * 4 * SIZE);
/// What workers' buffers for bulk are larger than others, if all are in use.
pub const BULK: u64 = kib(WORKERS * BULK_OF_THREAD);
/// The free buffers that workers keep.
pub const FREE: u64 = kib(WORKERS * FREE_OF_THREAD);

const fn kib(bytes: usize) -> u64 {
    (bytes / 1024) as u64
}
