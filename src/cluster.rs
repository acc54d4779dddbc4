//! API server calls that all roles share: calls with a timeout, watches of single objects,
//! Events, Leases, and whether the cluster's nodes support native sidecars.

mod errors;
mod events;
mod lease;
mod native_sidecars;
mod timeout;

use std::{fmt::Debug, pin::Pin};

use anyhow::Context as _;
use futures::Stream;
use kube::{
    Api, Client, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;

pub(crate) use errors::is_forbidden;
pub(crate) use events::Events;
pub(crate) use lease::{Acquired, LEASE_DURATION, acquire_lease};
pub(crate) use native_sidecars::cluster_has_native_sidecars;
pub(crate) use timeout::with_timeout;

/// A client of the cluster that the process runs in, or that `KUBECONFIG` names.
///
/// # Errors
///
/// Returns an error if there is none.
pub(crate) async fn client() -> anyhow::Result<Client> {
    Client::try_default().await.context(
        "cannot find a cluster: run in a pod with a mounted service account, or set KUBECONFIG",
    )
}

/// A watch of one object.
pub(crate) type ObjectWatch<K> = Pin<Box<dyn Stream<Item = watcher::Result<Option<K>>> + Send>>;

/// Watches one object: yields it whenever it changes, and `None` when it is missing
/// or deleted. After an error, which it yields, it backs off and watches again.
pub(crate) fn watch_object<K>(api: Api<K>, name: &str) -> ObjectWatch<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    Box::pin(watcher::watch_object(api, name).default_backoff())
}
