//! What proxies prove themselves by, and whom they trust.

use std::{fs, path::Path};

use anyhow::Context as _;
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod as PodObject, ServiceAccount},
};
use kube::api::PostParams;

use crate::{
    cluster::{Cluster, eventually},
    names::Pod,
};

/// The audience of proxies' tokens.
const AUDIENCE: &str = "istio-ca";
/// In seconds: longer than any measurement.
const LIFETIME: i64 = 24 * 3600;

/// The root of the mesh, as pods of the Service's namespace see it.
pub(crate) async fn root(cluster: &Cluster, pod: Pod) -> anyhow::Result<String> {
    let maps = cluster.api::<ConfigMap>(&pod.service.namespace());
    let root = async || -> anyhow::Result<_> {
        let map = maps.get_opt("istio-ca-root-cert").await?;
        let mut data = map.and_then(|map| map.data).unwrap_or_default();
        Ok(data.remove("root-cert.pem"))
    };
    eventually("the mesh's root", root).await
}

/// A token as the kubelet projects it into a pod.
pub(crate) async fn token(cluster: &Cluster, pod: Pod) -> anyhow::Result<String> {
    let namespace = pod.service.namespace();
    let object = cluster
        .api::<PodObject>(&namespace)
        .get(&pod.name())
        .await?;
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(vec![AUDIENCE.to_owned()]),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: object.metadata.name,
                uid: object.metadata.uid,
            }),
            expiration_seconds: Some(LIFETIME),
        }),
        ..TokenRequest::default()
    };
    let accounts = cluster.api::<ServiceAccount>(&namespace);
    let made = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await?;
    let token = made.status.and_then(|status| status.token);
    token.context("the API server gave no token")
}

/// Writes the files of the first pod's proxy.
pub(crate) async fn write(cluster: &Cluster, folder: &Path) -> anyhow::Result<String> {
    let pod = Pod::nth(0);
    fs::write(folder.join("root-cert.pem"), root(cluster, pod).await?)?;
    fs::write(folder.join("istio-token"), token(cluster, pod).await?)?;
    let (name, namespace, ip) = (pod.name(), pod.service.namespace(), pod.ip());
    Ok(format!("{name} {namespace} {ip}\n"))
}
