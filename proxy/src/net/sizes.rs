//! How large buffers are, and how many of them a thread has. The tests that attack a proxy from
//! outside read this file, too.

/// Bytes of a buffer.
pub(crate) const SIZE: usize = 16 * 1024;
/// Bytes of a large buffer, which a head of the greatest length that is allowed fits in.
pub(crate) const LARGE: usize = 64 * 1024;
/// Bytes of a buffer for a connection that brings more at a time than the others hold.
pub(crate) const BULK: usize = 128 * 1024;

/// How many buffers for bulk a thread has at a time: 4 MiB of them.
pub(crate) const MAX_BULK: usize = 32;
/// How many of these it keeps when they are free.
pub(crate) const MAX_FREE_BULK: usize = 4;
/// How many pipes a thread has at a time, each of two descriptors and at most [`BULK`] bytes of the
/// kernel's.
pub(crate) const MAX_PIPES: usize = 32;
/// How many of these it keeps when they are free.
pub(crate) const MAX_FREE_PIPES: usize = 4;
/// How many free buffers a thread keeps, of those for what it receives and of those for what it
/// sends: more than are in use at a time where data flows as fast as it is read.
pub(crate) const MAX_FREE: usize = 64;

/// By how many bytes a thread's connections can have more than usual buffers: 3.5 MiB.
pub(crate) const BULK_OF_THREAD: usize = MAX_BULK * (BULK - SIZE);
/// Bytes of the free buffers that a thread keeps: 2.5 MiB.
#[allow(dead_code)] // only the tests from outside have to know
pub(crate) const FREE_OF_THREAD: usize = 2 * MAX_FREE * SIZE + MAX_FREE_BULK * BULK;
