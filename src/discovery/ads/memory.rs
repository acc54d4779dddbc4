//! The memory that streams make the service take for names that it does not have. What they take for
//! those that it has grows with the mesh, and not with what clients say.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use pillion_xds::limits::MAX_STREAM_BYTES;

use crate::model::Key;

/// The most bytes of it.
const MOST: usize = 96 << 20;
/// The most bytes of a pod, in all its streams: those of one stream. A proxy that connects again
/// after thousands of resources have gone names all of them, and would be refused for ever if it
/// could not do so until it is told.
const MOST_OF_POD: usize = MAX_STREAM_BYTES;
/// The bytes that a pod may take whatever the others take, so that a few pods can't keep all proxies
/// out: these name little that does not exist.
const SHARE: usize = 64 << 10;

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
    /// Returns an error if there is no room for them; those before are still taken. Who takes no more
    /// than before always has room.
    pub fn set(&self, bytes: usize) -> Result<(), Full> {
        if bytes == self.bytes.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut taken = self.memory.taken();
        let before = self.bytes.load(Ordering::Relaxed);
        let all = (taken.all + bytes).saturating_sub(before);
        let of_pod = taken.pods.get(&self.pod).copied().unwrap_or_default();
        let of_pod = (of_pod + bytes).saturating_sub(before);
        if bytes > before {
            if of_pod > MOST_OF_POD {
                return Err(Full::Pod);
            }
            if all > MOST && of_pod > SHARE {
                return Err(Full::All);
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        taken.all = all;
        if of_pod == 0 {
            taken.pods.remove(&self.pod);
        } else {
            taken.pods.insert(self.pod.clone(), of_pod);
        }
        Ok(())
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
    use std::collections::BTreeMap;

    use futures::stream;
    use pillion_envoy_api::{envoy::service::discovery::v3::DeltaDiscoveryRequest, type_url};
    use pillion_xds::{
        Snapshot, resources,
        server::{Observer, serve_delta},
    };
    use tokio::sync::{mpsc, watch};

    use super::*;

    /// Sees nothing but what a stream takes.
    struct Room(Charge);

    impl Observer for Room {
        fn has_room(&self, bytes: usize) -> bool {
            self.0.set(bytes).is_ok()
        }
    }

    fn pod(number: usize) -> Key {
        Key::new("shop", format!("web-{number}"))
    }

    #[test]
    fn refuses_who_would_take_more_than_there_is() {
        let memory = Memory::default();
        let streams = all_taken(&memory);
        let last = memory.charge(&pod(streams.len()));
        assert_eq!(last.set(SHARE + 1), Err(Full::All));
        // Who asks for nothing of its own has room.
        assert_eq!(memory.charge(&pod(streams.len() + 1)).set(0), Ok(()));
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
        assert_eq!(one.set(MOST_OF_POD), Ok(()));
        assert_eq!(two.set(1), Err(Full::Pod));
        let other = memory.charge(&pod(1));
        assert_eq!(other.set(MOST_OF_POD), Ok(()));
    }

    #[test]
    fn who_takes_little_has_room_whatever_others_take() {
        let memory = Memory::default();
        let _streams = all_taken(&memory);
        let (one, two) = (memory.charge(&pod(98)), memory.charge(&pod(98)));
        assert_eq!(one.set(SHARE / 2), Ok(()));
        assert_eq!(two.set(SHARE / 2), Ok(()));
        assert_eq!(two.set(SHARE / 2 + 1), Err(Full::All));
    }

    #[test]
    fn what_is_refused_is_not_taken() {
        let memory = Memory::default();
        let stream = memory.charge(&pod(0));
        assert_eq!(stream.set(7), Ok(()));
        assert_eq!(stream.set(MOST_OF_POD + 1), Err(Full::Pod));
        assert_eq!(memory.taken().all, 7);
        assert_eq!(memory.taken().pods[&pod(0)], 7);
        drop(stream);
        assert_eq!(memory.taken().all, 0);
    }

    /// It held their clusters and endpoints, and says so.
    #[tokio::test]
    async fn a_proxy_may_come_back_after_thousands_of_services_have_gone() {
        let all = (0..8_000)
            .map(|number| format!("outbound|80||service-{number}.shop.svc.cluster.local"));
        let claims: BTreeMap<_, _> = all.map(|name| (name, "1".to_owned())).collect();
        let snapshot = Snapshot::new()
            .with(type_url::CLUSTER, resources([]))
            .with(type_url::CLUSTER_LOAD_ASSIGNMENT, resources([]));
        let clusters = DeltaDiscoveryRequest {
            type_url: type_url::CLUSTER.to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            initial_resource_versions: claims.clone(),
            ..DeltaDiscoveryRequest::default()
        };
        let assignments = DeltaDiscoveryRequest {
            type_url: type_url::CLUSTER_LOAD_ASSIGNMENT.to_owned(),
            resource_names_subscribe: claims.keys().cloned().collect(),
            initial_resource_versions: claims,
            ..DeltaDiscoveryRequest::default()
        };
        let (_sender, snapshots) = watch::channel(snapshot);
        let (sender, mut responses) = mpsc::channel(8);
        let requests = stream::iter([Ok(clusters), Ok(assignments)]);
        let memory = Memory::default();
        serve_delta(requests, snapshots, sender, &Room(memory.charge(&pod(0)))).await;
        while let Some(response) = responses.recv().await {
            assert!(response.is_ok(), "{response:?}");
        }
    }

    /// Streams of other pods that take all there is.
    fn all_taken(memory: &Memory) -> Vec<Charge> {
        let pods = 0..MOST / MOST_OF_POD;
        let streams: Vec<_> = pods.map(|number| memory.charge(&pod(number))).collect();
        assert!(streams.iter().all(|stream| stream.set(MOST_OF_POD).is_ok()));
        streams
    }
}
