//! The memory that streams make the service take for names that it does not have. What they take for
//! those that it has grows with the mesh, and not with what clients say.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::model::Key;

/// The most bytes of it.
const MOST: usize = 96 << 20;
/// The most bytes of a pod, in all its streams: some thousand names.
const MOST_OF_POD: usize = 1 << 20;

/// The memory that all streams take.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    pods: HashMap<Key, usize>,
}

/// What one stream takes, until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    memory: Memory,
    pod: Key,
    bytes: AtomicUsize,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The pod takes too much.
    Pod,
    /// All pods together do.
    All,
}

impl Memory {
    /// The charge of a pod's stream that takes nothing yet.
    pub fn charge(&self, pod: &Key) -> Charge {
        Charge {
            memory: self.clone(),
            pod: pod.clone(),
            bytes: AtomicUsize::new(0),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Takes this many bytes instead of those before.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no room for them. Who takes no more than before always has room.
    pub fn set(&self, bytes: usize) -> Result<(), Full> {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if bytes == before {
            return Ok(());
        }
        let mut taken = self.memory.taken();
        taken.all = (taken.all + bytes).saturating_sub(before);
        let all = taken.all;
        let of_pod = taken.pods.entry(self.pod.clone()).or_default();
        *of_pod = (*of_pod + bytes).saturating_sub(before);
        let of_pod = *of_pod;
        if of_pod == 0 {
            taken.pods.remove(&self.pod);
        }
        if bytes < before {
            Ok(())
        } else if of_pod > MOST_OF_POD {
            Err(Full::Pod)
        } else if all > MOST {
            Err(Full::All)
        } else {
            Ok(())
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        // Less is always possible.
        let _ = self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(number: usize) -> Key {
        Key::new("shop", format!("web-{number}"))
    }

    #[test]
    fn refuses_who_would_take_more_than_there_is() {
        let memory = Memory::default();
        let streams: Vec<_> = (0..96).map(|number| memory.charge(&pod(number))).collect();
        assert!(streams.iter().all(|stream| stream.set(1 << 20).is_ok()));
        let last = memory.charge(&pod(96));
        assert_eq!(last.set(1), Err(Full::All));
        // Who asks for nothing of its own has room.
        assert_eq!(memory.charge(&pod(97)).set(0), Ok(()));
        drop(last);
        let last = memory.charge(&pod(96));
        assert_eq!(streams[0].set(1 << 10), Ok(()));
        assert_eq!(last.set(1 << 19), Ok(()));
        drop((streams, last));
        let taken = memory.taken();
        assert_eq!((taken.all, taken.pods.len()), (0, 0));
    }

    #[test]
    fn a_pod_takes_no_more_by_several_streams() {
        let memory = Memory::default();
        let (one, two) = (memory.charge(&pod(0)), memory.charge(&pod(0)));
        assert_eq!(one.set(1 << 20), Ok(()));
        assert_eq!(two.set(1), Err(Full::Pod));
        let other = memory.charge(&pod(1));
        assert_eq!(other.set(1 << 20), Ok(()));
    }
}
