//! EndpointSlices.

use k8s_openapi::api::discovery::v1;
use kube::ResourceExt;

use super::meta::key;
use crate::model::{EndpointSlice, Key, SliceEndpoint, SlicePort};

/// The name of a slice's Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// An EndpointSlice; `None` if it belongs to no Service.
pub(in crate::discovery) fn endpoint_slice(object: &v1::EndpointSlice) -> Option<EndpointSlice> {
    let namespace = object.namespace().unwrap_or_default();
    let ports = object.ports.iter().flatten();
    let endpoints = object.endpoints.iter().flatten();
    Some(EndpointSlice {
        key: key(object),
        service: object.labels().get(SERVICE)?.as_str().into(),
        ports: ports.filter_map(port).collect(),
        endpoints: endpoints
            .filter_map(|endpoint| self::endpoint(endpoint, &namespace))
            .collect(),
    })
}

fn port(port: &v1::EndpointPort) -> Option<SlicePort> {
    if port
        .protocol
        .as_deref()
        .is_some_and(|protocol| protocol != "TCP")
    {
        return None;
    }
    Some(SlicePort {
        name: port.name.as_deref().unwrap_or_default().into(),
        // Without a number it means all ports, which no Service has.
        port: u16::try_from(port.port?).ok()?,
    })
}

fn endpoint(endpoint: &v1::Endpoint, namespace: &str) -> Option<SliceEndpoint> {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let ready = conditions.ready.unwrap_or(true);
    let target = endpoint.target_ref.as_ref();
    let pod = target.filter(|target| target.kind.as_deref() == Some("Pod"));
    Some(SliceEndpoint {
        // Host names are only in slices of the type FQDN, which Services don't use.
        address: endpoint.addresses.first()?.parse().ok()?,
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating.unwrap_or(false),
        pod: pod.and_then(|pod| {
            let namespace = pod.namespace.as_deref().unwrap_or(namespace);
            Some(Key::new(namespace, pod.name.as_deref()?))
        }),
        node: endpoint.node_name.as_deref().map(Into::into),
        zone: endpoint.zone.as_deref().map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slice(labels: serde_json::Value, endpoints: serde_json::Value) -> Option<EndpointSlice> {
        let object = json!({
            "metadata": {"name": "web-x", "namespace": "shop", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            "endpoints": endpoints,
        });
        endpoint_slice(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_slice_keeps_its_tcp_ports_and_addresses() {
        let labels = json!({"kubernetes.io/service-name": "web"});
        let endpoints = json!([
            {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "shop"},
                "conditions": {"ready": false, "terminating": true}},
            {"addresses": ["10.0.0.2"]},
            {"addresses": ["example.com"]},
        ]);
        let slice = slice(labels, endpoints).unwrap();
        assert_eq!(slice.ports.len(), 1);
        assert_eq!(slice.endpoints.len(), 2);
        let [first, second] = &slice.endpoints[..] else {
            panic!()
        };
        assert_eq!(first.pod, Some(Key::new("shop", "web-1")));
        assert!(!first.ready && !first.serving && first.terminating);
        assert!(second.ready && second.serving && second.pod.is_none());
    }

    #[test]
    fn a_slice_of_no_service_is_left_out() {
        assert!(slice(json!({}), json!([])).is_none());
    }
}
