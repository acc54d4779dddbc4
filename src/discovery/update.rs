//! What the thread of the model is told.

use std::sync::Arc;

use super::{client::Connect, convert::mesh::Mesh};
use crate::model::{Change, Event, Kind, Pod};

/// How many updates may wait for the model's thread; watches then wait, too.
pub(super) const UPDATES: usize = 4_096;

/// A message to the thread of the model.
#[derive(Debug)]
pub(super) enum Update {
    /// An object has changed.
    Object(Box<Event>),
    /// A pod has changed; with its `uid`, by which tokens name it.
    Pod {
        /// The pod.
        change: Box<Change<Pod>>,
        /// Its `metadata.uid`; empty for a deletion.
        uid: Arc<str>,
    },
    /// The last object is the new and valid spec of a rule that has this number among those of
    /// its kind.
    Seen(Kind, u64),
    /// The mesh's configuration has changed.
    Mesh(Box<Mesh>),
    /// The roots that proxies trust have changed, in PEM.
    Roots(Arc<str>),
    /// All objects of one more watch are known.
    Synced,
    /// A proxy has connected.
    Connect(Connect),
}
