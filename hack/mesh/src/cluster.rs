//! The API server.

use std::{fmt::Debug, time::Duration};

use anyhow::Context as _;
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How long to wait for what controllers do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the cluster that `KUBECONFIG` names.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// With an administrator's permissions.
    pub client: Client,
}

impl Cluster {
    /// Connects.
    pub async fn connect() -> anyhow::Result<Self> {
        let client = Client::try_default()
            .await
            .context("KUBECONFIG has to name a cluster")?;
        Ok(Self { client })
    }

    /// The objects of a kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The rules of a kind in a namespace.
    pub fn rules(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("networking.istio.io", "v1", kind);
        let resource = ApiResource::from_gvk(&kind);
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }
}

/// Creates an object that may be there already.
pub(crate) async fn create<K>(api: &Api<K>, object: Value) -> anyhow::Result<()>
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let object = serde_json::from_value(object)?;
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Polls until something is there.
pub(crate) async fn eventually<T>(
    what: &str,
    poll: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    within(PATIENCE, Duration::from_millis(100), what, poll).await
}

/// Polls until something is there, for so long and with such pauses.
pub(crate) async fn within<T>(
    patience: Duration,
    pause: Duration,
    what: &str,
    mut poll: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = poll().await? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "not in time: {what}");
        sleep(pause).await;
    }
}
