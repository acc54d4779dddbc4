//! Buffers that a worker's connections share.
//!
//! A connection takes a buffer when there is something to read, and gives it back when
//! everything in it has been written: an idle connection has none. The list belongs to
//! a thread, so nothing is locked.

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
};

use super::sizes::{BULK, LARGE, MAX_BULK, MAX_FREE, MAX_FREE_BULK, SIZE};

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static FREE_BULK: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    /// Those in use.
    static BULK_IN_USE: Cell<usize> = const { Cell::new(0) };
    static FREE_OUTPUT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`SIZE`] bytes or for bulk, which goes back to its thread's list when it is
/// dropped; or one of [`LARGE`] bytes, which does not.
#[derive(Debug)]
pub(crate) struct Buffer(Box<[u8]>);

impl Buffer {
    /// Takes a free buffer, or makes one. What it contains is not defined.
    pub fn take() -> Self {
        let free = FREE.with_borrow_mut(Vec::pop);
        Self(free.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice()))
    }

    /// Takes a buffer for bulk, or one as small as the others when too many have these.
    pub fn bulk() -> Self {
        let in_use = BULK_IN_USE.get();
        if in_use >= MAX_BULK {
            return Self::take();
        }
        BULK_IN_USE.set(in_use + 1);
        let free = FREE_BULK.with_borrow_mut(Vec::pop);
        Self(free.unwrap_or_else(|| vec![0; BULK].into_boxed_slice()))
    }

    /// Makes a large buffer that begins with these bytes.
    pub fn large(bytes: &[u8]) -> Self {
        let mut buffer = vec![0; LARGE].into_boxed_slice();
        let known = bytes.len().min(LARGE);
        buffer[..known].copy_from_slice(&bytes[..known]);
        Self(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        let (list, most) = match bytes.len() {
            SIZE => (&FREE, MAX_FREE),
            BULK => {
                let _ = BULK_IN_USE.try_with(|in_use| in_use.set(in_use.get().saturating_sub(1)));
                (&FREE_BULK, MAX_FREE_BULK)
            }
            _ => return,
        };
        // At the end of a thread the list may be gone already.
        let _ = list.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < most {
                free.push(bytes);
            }
        });
    }
}

/// Takes an empty buffer for what is to be sent, with room for [`SIZE`] bytes.
pub(crate) fn take_output() -> Vec<u8> {
    let free = FREE_OUTPUT.with_borrow_mut(Vec::pop);
    free.unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// Gives such a buffer back.
pub(crate) fn give_output(mut bytes: Vec<u8>) {
    let _ = FREE_OUTPUT.try_with(|free| {
        let mut free = free.borrow_mut();
        // One that has grown by a large head would stay large.
        if (SIZE..=2 * SIZE).contains(&bytes.capacity()) && free.len() < MAX_FREE {
            bytes.clear();
            free.push(bytes);
        }
    });
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
    fn few_connections_have_buffers_for_bulk() {
        let sizes = |buffers: &[Buffer]| buffers.iter().filter(|it| it.len() == BULK).count();
        for _ in 0..2 {
            let many: Vec<_> = (0..2 * MAX_BULK).map(|_| Buffer::bulk()).collect();
            assert_eq!(sizes(&many), MAX_BULK);
            assert!(many.iter().all(|it| it.len() >= SIZE));
            drop(many);
            assert_eq!(FREE_BULK.with_borrow(Vec::len), MAX_FREE_BULK);
        }
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        let before = free();
        let buffer = Buffer::large(b"head");
        assert_eq!((buffer.len(), &buffer[..4]), (LARGE, &b"head"[..]));
        drop(buffer);
        assert_eq!(free(), before);
    }

    #[test]
    fn the_list_is_bounded() {
        let many: Vec<_> = (0..2 * MAX_FREE).map(|_| Buffer::take()).collect();
        drop(many);
        assert_eq!(free(), MAX_FREE);
    }
}
