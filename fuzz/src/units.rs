//! What bounds are counted in.

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
/// In nanoseconds.
pub(crate) const MILLISECOND: u64 = 1_000_000;
