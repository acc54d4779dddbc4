//! The objects of the mesh.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Pod as PodObject, Service as ServiceObject, ServiceAccount},
        discovery::v1::EndpointSlice,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, create, eventually},
    names::{NAMESPACES, PORT, Pod, Service, VERSIONS, namespace},
};

/// How many requests are under way.
const REQUESTS: usize = 16;

/// Makes everything that is not there yet.
pub(crate) async fn make(cluster: &Cluster, services: usize) -> anyhow::Result<()> {
    kinds(cluster).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let bench = (0..NAMESPACES).map(namespace);
    for name in bench.chain(["istio-system".to_owned()]) {
        create(&namespaces, json!({"metadata": {"name": name}})).await?;
        // Without it, pods are refused.
        let accounts: Api<ServiceAccount> = cluster.api(&name);
        let account = async || -> anyhow::Result<_> { Ok(accounts.get_opt("default").await?) };
        eventually("a service account", account).await?;
    }
    stream::iter((0..services).map(|number| service(cluster, Service(number))))
        .buffer_unordered(REQUESTS)
        .try_collect::<()>()
        .await
}

/// Istio's kinds, which take a moment to be served.
async fn kinds(cluster: &Cluster) -> anyhow::Result<()> {
    let kinds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    for kind in pillion_api::crds()? {
        create(&kinds, serde_json::to_value(&kind)?).await?;
        let name = kind.name_any();
        let served = async || -> anyhow::Result<_> {
            let status = kinds.get(&name).await?.status;
            let conditions = status.and_then(|status| status.conditions);
            let mut conditions = conditions.into_iter().flatten();
            let is = conditions.any(|one| one.type_ == "Established" && one.status == "True");
            Ok(is.then_some(()))
        };
        eventually("the kind is served", served).await?;
    }
    Ok(())
}

/// A Service with all that belongs to it.
async fn service(cluster: &Cluster, service: Service) -> anyhow::Result<()> {
    let (name, namespace) = (service.name(), service.namespace());
    // The endpoints are ours, and not the controller's: so there is no selector.
    let spec = json!({"ports": [{"name": "http", "port": PORT}]});
    let object = json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": spec});
    create(&cluster.api::<ServiceObject>(&namespace), object).await?;
    for one in service.pods() {
        pod(cluster, one).await?;
    }
    create(&cluster.api::<EndpointSlice>(&namespace), slice(service)).await?;
    for (kind, spec) in [
        ("DestinationRule", subsets(service)),
        (
            "VirtualService",
            json!({"hosts": [name], "http": routes(service, "default")}),
        ),
    ] {
        let object = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        });
        create(&cluster.rules(kind, &namespace), object).await?;
    }
    Ok(())
}

/// A pod that runs, as far as the API server knows. It has no node, so that no controller misses one.
async fn pod(cluster: &Cluster, pod: Pod) -> anyhow::Result<()> {
    let pods: Api<PodObject> = cluster.api(&pod.service.namespace());
    let name = pod.name();
    let labels = json!({"app": pod.service.name(), "version": pod.version()});
    let container = json!({"name": "app", "image": "app:1", "ports": [{"containerPort": PORT}]});
    // No scheduler is there to look for one.
    let object =
        json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}});
    create(&pods, object).await?;
    let ip = pod.ip();
    let status = json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

/// The endpoints of a Service.
fn slice(service: Service) -> Value {
    let name = service.name();
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
        "endpoints": service.pods().map(endpoint),
    })
}

/// A pod as an endpoint.
pub(crate) fn endpoint(pod: Pod) -> Value {
    json!({
        "addresses": [pod.ip()],
        "conditions": {"ready": true},
        "targetRef": {"kind": "Pod", "name": pod.name(), "namespace": pod.service.namespace()},
    })
}

fn subsets(service: Service) -> Value {
    let subsets = VERSIONS.map(|version| json!({"name": version, "labels": {"version": version}}));
    json!({"host": service.name(), "subsets": subsets})
}

/// The routes of a Service: a user's, and the others' by weight.
pub(crate) fn routes(service: Service, name: &str) -> Value {
    let to = |version: &str, weight: u32| json!({"destination": {"host": service.name(), "subset": version}, "weight": weight});
    json!([
        {
            "name": "jason",
            "match": [{"headers": {"end-user": {"exact": "jason"}}}],
            "route": [to("v2", 100)],
        },
        {"name": name, "route": [to("v1", 90), to("v2", 10)]},
    ])
}
