//! Services.

use k8s_openapi::{api::core::v1, apimachinery::pkg::util::intstr::IntOrString};
use kube::ResourceExt;

use super::meta::meta;
use crate::model::{ExportTo, Labels, Service, ServicePort, TargetPort};

/// The namespaces whose clients see a Service.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// The most ports for TCP of a Service that the mesh knows: each is a cluster for every proxy, and a listener
/// for each address. Kubernetes itself has no limit but an object's size.
pub(in crate::discovery) const PORTS: usize = 256;

/// How many ports for TCP a Service has.
pub(in crate::discovery) fn tcp_ports(object: &v1::Service) -> usize {
    let ports = object.spec.iter().flat_map(|spec| spec.ports.iter());
    ports.flatten().filter(|port| is_tcp(port)).count()
}

/// A Service. Of one with more than 256 ports for TCP, the mesh knows those that are listed first.
/// Other ports are none of the mesh's.
pub(in crate::discovery) fn service(object: &v1::Service) -> Service {
    let spec = object.spec.clone().unwrap_or_default();
    let is_external = spec.type_.as_deref() == Some("ExternalName");
    // Old objects have only the field in the singular.
    let addresses = spec
        .cluster_ips
        .into_iter()
        .flatten()
        .chain(spec.cluster_ip);
    let headless = !is_external && addresses.clone().any(|address| address == "None");
    let mut ips = Vec::new();
    for address in addresses.filter_map(|address| address.parse().ok()) {
        if !ips.contains(&address) {
            ips.push(address);
        }
    }
    let selector = spec.selector.filter(|labels| !labels.is_empty());
    let namespace = object.namespace().unwrap_or_default();
    let export_to = object.annotations().get(EXPORT_TO);
    Service {
        meta: meta(object),
        addresses: ips,
        headless,
        selector: selector.map(|labels| labels.into_iter().collect::<Labels>()),
        ports: {
            let ports = spec.ports.iter().flatten().filter(|port| is_tcp(port));
            ports.filter_map(port).take(PORTS).collect()
        },
        external_name: spec
            .external_name
            .filter(|_| is_external)
            .map(|name| name.trim_end_matches('.').to_ascii_lowercase().into()),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
        export_to: export_to.map(|entries| ExportTo::parse(entries.split(','), &namespace)),
    }
}

fn is_tcp(port: &v1::ServicePort) -> bool {
    let protocol = port.protocol.as_deref();
    protocol.is_none_or(|protocol| protocol == "TCP")
}

fn port(port: &v1::ServicePort) -> Option<ServicePort> {
    let number = u16::try_from(port.port).ok()?;
    let target = match &port.target_port {
        Some(IntOrString::String(name)) => TargetPort::Name(name.as_str().into()),
        Some(IntOrString::Int(target)) if *target != 0 => {
            TargetPort::Number(u16::try_from(*target).ok()?)
        }
        Some(IntOrString::Int(_)) | None => TargetPort::Number(number),
    };
    Some(ServicePort {
        name: port.name.as_deref().unwrap_or_default().into(),
        port: number,
        target,
        app_protocol: port.app_protocol.as_deref().map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn converted(spec: serde_json::Value) -> Service {
        let object = json!({
            "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": "1970-01-01T00:00:07Z",
                "annotations": {"networking.istio.io/exportTo": "., other"}},
            "spec": spec,
        });
        service(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_service_keeps_what_the_mesh_uses() {
        let service = converted(json!({
            "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "selector": {"app": "web"},
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "named", "port": 81, "targetPort": "web", "appProtocol": "http"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
            ],
        }));
        assert_eq!(service.meta.created, 7);
        assert_eq!(service.addresses.len(), 2);
        assert!(!service.headless);
        let targets: Vec<_> = service
            .ports
            .iter()
            .map(|port| port.target.clone())
            .collect();
        assert_eq!(
            targets,
            [TargetPort::Number(8080), TargetPort::Name("web".into())]
        );
        let export_to = service.export_to.unwrap();
        assert!(export_to.includes("shop") && export_to.includes("other"));
        assert!(!export_to.includes("third"));
    }

    #[test]
    fn a_headless_service_has_no_address() {
        let service = converted(json!({"clusterIP": "None", "clusterIPs": ["None"]}));
        assert!(service.headless && service.addresses.is_empty());
        assert!(service.selector.is_none());
    }

    #[test]
    fn a_service_of_thousands_of_ports_has_the_first() {
        let mut ports: Vec<_> = (1..=3_000)
            .map(|port| json!({"name": format!("p{port}"), "port": port}))
            .collect();
        // Those of other protocols take no places.
        let udp = (1..=300)
            .map(|port| json!({"name": format!("u{port}"), "port": port, "protocol": "UDP"}));
        drop(ports.splice(0..0, udp));
        let service = converted(json!({"clusterIP": "10.96.0.1", "ports": ports}));
        assert_eq!(service.ports.len(), PORTS);
        assert_eq!(service.ports.last().unwrap().port, 256);
    }

    #[test]
    fn an_external_name_is_no_headless_service() {
        let service =
            converted(json!({"type": "ExternalName", "externalName": "WWW.example.com."}));
        assert!(!service.headless);
        assert_eq!(service.external_name.as_deref(), Some("www.example.com"));
    }
}
