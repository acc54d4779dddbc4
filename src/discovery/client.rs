//! A proxy that is connected, as the model's thread knows it.

use std::{collections::HashMap, sync::Arc};

use pillion_xds::Snapshot;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::snapshots::{Class, Snapshots};
use crate::model::Key;

/// A proxy that has connected.
#[derive(Debug)]
pub(super) struct Connect {
    /// The pod that it runs in.
    pub pod: Key,
    /// The pod's `metadata.uid`; `None` for any pod of that name.
    pub uid: Option<Arc<str>>,
    /// Takes what the proxy may see, whenever that changes. The proxy is gone when nobody
    /// receives.
    pub snapshots: watch::Sender<Snapshot>,
    /// Cancelled when the pod is gone, or is another one of the same name.
    pub gone: CancellationToken,
}

/// A proxy that is connected.
#[derive(Debug)]
pub(super) struct Connected {
    connect: Connect,
    /// The class of proxies that see the same; `None` until it has got something.
    class: Option<Class>,
}

impl Connected {
    pub fn new(connect: Connect) -> Self {
        Self {
            connect,
            class: None,
        }
    }

    /// The pod that it runs in.
    pub fn pod(&self) -> &Key {
        &self.connect.pod
    }

    /// Whether its stream has ended.
    pub fn is_closed(&self) -> bool {
        self.connect.snapshots.is_closed()
    }

    /// Sends what it may see now. `is_new` says that the pod may be another client than
    /// before. Returns `false` when its stream has to end, because its pod is gone.
    ///
    /// A pod that is not known yet is waited for: watches may lag behind.
    pub fn send(
        &mut self,
        snapshots: &mut Snapshots,
        uids: &HashMap<Key, Arc<str>>,
        is_new: bool,
    ) -> bool {
        let class = self.class.as_ref().filter(|_| !is_new);
        let known = class.and_then(|class| snapshots.of_class(class));
        let snapshot = match known {
            Some(snapshot) => snapshot,
            None => {
                let uid = uids.get(&self.connect.pod);
                let is_another =
                    self.connect.uid.is_some() && uid.is_some() && uid != self.connect.uid.as_ref();
                let Some(client) = snapshots.client(&self.connect.pod).filter(|_| !is_another)
                else {
                    let waits = self.class.is_none() && !is_another;
                    if !waits {
                        self.connect.gone.cancel();
                    }
                    return waits;
                };
                let (class, snapshot) = snapshots.of(&client);
                self.class = Some(class);
                snapshot
            }
        };
        self.connect.snapshots.send_replace(snapshot);
        true
    }
}
