//! How many streams each pod has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::model::Key;

/// The most streams of a pod. A proxy has one, and a second while it connects again.
pub(super) const STREAMS: usize = 4;

/// The streams by pod.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<Key, usize>>>);

/// A stream that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    streams: Streams,
    pod: Key,
}

impl Streams {
    /// Counts a stream; `None` if the pod has too many.
    pub fn admit(&self, pod: &Key) -> Option<Admitted> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = streams.entry(pod.clone()).or_default();
        if *count >= STREAMS {
            return None;
        }
        *count += 1;
        Some(Admitted {
            streams: self.clone(),
            pod: pod.clone(),
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut streams = self
            .streams
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = streams.get_mut(&self.pod) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&self.pod);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_four_streams_at_most() {
        let streams = Streams::default();
        let (pod, other) = (Key::new("shop", "web-1"), Key::new("shop", "web-2"));
        let mut open: Vec<_> = (0..STREAMS).map(|_| streams.admit(&pod).unwrap()).collect();
        assert!(streams.admit(&pod).is_none());
        assert!(streams.admit(&other).is_some());
        open.pop();
        assert!(streams.admit(&pod).is_some());
        drop(open);
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
