//! Pods.

mod captured;
mod listed;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

pub(in crate::discovery) use self::listed::Listed;
use self::{
    captured::captured,
    listed::{CONFIG, Container, Spec},
};
use super::{
    meta::{key, labels},
    tracing::of_annotation,
};
use crate::model::{ContainerPort, Pod, ProxyKind};

/// The proxy's container.
const PROXY: &str = "istio-proxy";

/// A pod; `None` if it has no address, or has ended, so that its address may be another's.
pub(in crate::discovery) fn pod(object: &Listed) -> Option<Pod> {
    let (spec, status) = (object.spec.as_ref()?, object.status.as_ref()?);
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let ips: Vec<IpAddr> = status
        .pod_ips
        .iter()
        .flatten()
        .filter_map(|ip| ip.ip.parse().ok())
        .collect();
    if ips.is_empty() {
        return None;
    }
    let account = spec.service_account_name.as_deref().unwrap_or("default");
    let annotations = object.metadata.annotations.as_ref();
    Some(Pod {
        key: key(object),
        labels: labels(&object.metadata),
        ips,
        service_account: account.into(),
        node: spec.node_name.as_deref().map(Into::into),
        ports: containers(spec).flat_map(ports).collect(),
        has_proxy: containers(spec).any(|container| container.name == PROXY),
        captured: annotations.map(captured).unwrap_or_default(),
        proxy: proxy(spec),
        tracing: annotations
            .and_then(config)
            .and_then(of_annotation)
            .map(Arc::new),
    })
}

/// The pod's own ProxyConfig.
fn config(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(CONFIG).map(String::as_str)
}

/// Native sidecars have ports, too.
fn containers(spec: &Spec) -> impl Iterator<Item = &Container> {
    let containers = spec.containers.iter().flatten();
    containers.chain(spec.init_containers.iter().flatten())
}

fn ports(container: &Container) -> impl Iterator<Item = ContainerPort> {
    let ports = container.ports.iter().flatten();
    ports
        .filter(|port| {
            port.protocol
                .as_deref()
                .is_none_or(|protocol| protocol == "TCP")
        })
        .filter_map(|port| {
            Some(ContainerPort {
                name: port.name.as_deref().unwrap_or_default().into(),
                port: u16::try_from(port.container_port).ok()?,
            })
        })
}

/// What the proxy is follows from its arguments: ours are `gateway …`, Istio's
/// `proxy router …`.
fn proxy(spec: &Spec) -> ProxyKind {
    let is_gateway = containers(spec)
        .filter(|container| container.name == PROXY)
        .flat_map(|container| container.args.iter().flatten().take(2))
        .any(|argument| argument == "gateway" || argument == "router");
    if is_gateway {
        ProxyKind::Gateway
    } else {
        ProxyKind::Sidecar
    }
}

#[cfg(test)]
mod tests {
    use pillion_api::Percentage;
    use serde_json::{Value, json};

    use super::*;

    fn converted(spec: Value, status: Value) -> Option<Pod> {
        let object = json!({"metadata": {"name": "a", "namespace": "ns", "labels": {"app": "a"}},
            "spec": spec, "status": status});
        pod(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_pod_without_an_address_or_at_its_end_is_left_out() {
        let spec = json!({"containers": []});
        let ips = json!([{"ip": "10.0.0.1"}]);
        assert!(converted(spec.clone(), json!({"phase": "Pending"})).is_none());
        assert!(converted(spec.clone(), json!({"phase": "Failed", "podIPs": ips})).is_none());
        assert!(converted(spec, json!({"phase": "Running", "podIPs": ips})).is_some());
    }

    /// 100 pods of 20,000 volumes took gigabytes.
    #[test]
    fn reads_nothing_of_a_pod_but_what_is_used() {
        let volumes = vec![json!({"name": "a", "emptyDir": {}}); 20_000];
        let object = json!({
            "metadata": {"name": "a", "managedFields": [{"fieldsV1": {}}], "annotations": {"b": "c"}},
            "spec": {"containers": [{"name": "app", "env": [{"name": "A"}]}], "volumes": volumes},
        });
        let pod: Listed = serde_json::from_value(object).unwrap();
        assert_eq!(pod.metadata.managed_fields, None);
        assert_eq!(pod.metadata.annotations, None);
        assert!(format!("{pod:?}").len() < 4_096);
    }

    #[test]
    fn has_what_its_proxy_config_says_about_tracing() {
        let tracing = |config: &str| {
            let object = json!({
                "metadata": {"name": "a", "namespace": "ns", "annotations": {"proxy.istio.io/config": config, "b": "c"}},
                "spec": {"containers": []}, "status": {"podIPs": [{"ip": "10.0.0.1"}]},
            });
            pod(&serde_json::from_value(object).unwrap())
                .unwrap()
                .tracing
        };
        let all = tracing("tracing: {sampling: 100}").unwrap();
        assert_eq!(all.sampling, Some(Percentage::ALL));
        assert_eq!(tracing("concurrency: 2"), None);
        let long = format!("tracing: {{sampling: 100}} #{}", "a".repeat(16 << 10));
        assert_eq!(tracing(&long), None);
    }

    #[test]
    fn has_the_ports_of_all_containers() {
        let spec = json!({
            "initContainers": [{"name": "istio-proxy", "args": ["sidecar"],
                "ports": [{"name": "prom", "containerPort": 15090}]}],
            "containers": [{"name": "app", "ports": [{"name": "http", "containerPort": 80},
                {"containerPort": 81}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]}],
        });
        let pod = converted(
            spec,
            json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}),
        )
        .unwrap();
        assert_eq!(pod.ips.len(), 2);
        assert_eq!(pod.proxy, ProxyKind::Sidecar);
        assert!(pod.has_proxy);
        let ports: Vec<_> = pod
            .ports
            .iter()
            .map(|port| (&*port.name, port.port))
            .collect();
        assert_eq!(ports, [("http", 80), ("", 81), ("prom", 15090)]);
    }

    #[test]
    fn knows_a_gateway_by_its_arguments() {
        for args in [json!(["gateway", "--domain"]), json!(["proxy", "router"])] {
            let spec = json!({"containers": [{"name": "istio-proxy", "args": args}]});
            let pod = converted(spec, json!({"podIPs": [{"ip": "10.0.0.1"}]})).unwrap();
            assert_eq!(pod.proxy, ProxyKind::Gateway);
        }
    }
}
