//! Buffers that a worker's connections share.
//!
//! A connection takes a buffer when there is something to read, and gives it back when
//! everything in it has been written: an idle connection has none. The list belongs to
//! a thread, so nothing is locked.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

/// Bytes of a buffer.
pub(crate) const SIZE: usize = 16 * 1024;

/// How many free buffers a thread keeps: more than are in use at a time where data flows
/// as fast as it is read.
const MAX_FREE: usize = 64;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`SIZE`] bytes, which goes back to its thread's list when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer(Box<[u8]>);

impl Buffer {
    /// Takes a free buffer, or makes one. What it contains is not defined.
    pub fn take() -> Self {
        let free = FREE.with_borrow_mut(Vec::pop);
        Self(free.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        // At the end of a thread the list may be gone already.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < MAX_FREE {
                free.push(bytes);
            }
        });
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> usize {
        FREE.with_borrow(Vec::len)
    }

    #[test]
    fn a_buffer_is_used_again() {
        let before = free();
        drop(Buffer::take());
        assert_eq!(free(), before.max(1));
        let buffer = Buffer::take();
        assert_eq!(free(), before.max(1) - 1);
        assert_eq!(buffer.len(), SIZE);
    }

    #[test]
    fn the_list_is_bounded() {
        let many: Vec<_> = (0..2 * MAX_FREE).map(|_| Buffer::take()).collect();
        drop(many);
        assert_eq!(free(), MAX_FREE);
    }
}
