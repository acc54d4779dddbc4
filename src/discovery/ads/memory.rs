//! The memory that all streams make the service take together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The most bytes of it: a stream may take 4 MiB, which a pod's four streams and many pods would
/// add up.
const MOST: usize = 96 << 20;

/// The memory that all streams take.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<AtomicUsize>);

/// What one stream takes, until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    memory: Memory,
    bytes: AtomicUsize,
}

impl Memory {
    /// The charge of a stream that takes nothing yet.
    pub fn charge(&self) -> Charge {
        Charge {
            memory: self.clone(),
            bytes: AtomicUsize::new(0),
        }
    }
}

impl Charge {
    /// Takes this many bytes instead of those before, if there is room for them. Who takes less
    /// than before always has room.
    pub fn set(&self, bytes: usize) -> bool {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if bytes <= before {
            self.memory.0.fetch_sub(before - bytes, Ordering::Relaxed);
            return true;
        }
        let more = bytes - before;
        self.memory.0.fetch_add(more, Ordering::Relaxed) + more <= MOST
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_who_would_take_more_than_there_is() {
        let memory = Memory::default();
        let streams: Vec<_> = (0..24).map(|_| memory.charge()).collect();
        assert!(streams.iter().all(|stream| stream.set(4 << 20)));
        let last = memory.charge();
        assert!(!last.set(1));
        drop(last);
        let last = memory.charge();
        assert!(streams[0].set(1 << 20));
        assert!(last.set(3 << 20));
        drop((streams, last));
        assert_eq!(memory.0.load(Ordering::Relaxed), 0);
    }
}
