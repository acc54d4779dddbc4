//! A mesh that is built up by tests.

use std::sync::Arc;

use pillion_api as api;
use serde_json::Value;

use crate::model::{
    Captured, Change, Client, ContainerPort, Dirty, EndpointSlice, Event, Finding, Key, Labels,
    Meta, Model, Namespace, Node, Object, Outbound, Pod, ProxyKind, RequestFacts, RouteTable,
    Service, ServicePort, SliceEndpoint, SlicePort, TargetPort, VirtualHost,
};

/// A model in which each object is a second younger than the one before.
#[derive(Default)]
pub struct Mesh {
    pub model: Model,
    pub age: i64,
}

impl Mesh {
    /// A mesh with the Service `web` in `shop` at port 80, a client `shop/client`, and one
    /// `other/client`.
    pub fn with_web() -> Self {
        let mut mesh = Self::default();
        mesh.service(service("shop", "web", &[("http", 80)]));
        mesh.pod(pod("shop", "client", &[("app", "client")], "10.0.0.1"));
        mesh.pod(pod("other", "client", &[("app", "client")], "10.0.0.2"));
        mesh
    }

    /// The same with the gateway `infra/gw`, whose Service has port 80 for the pod's 8080, and 31400.
    pub fn with_gateway() -> Self {
        let mut mesh = Self::with_web();
        let mut ingress = service("infra", "ingress", &[("http2", 80), ("tcp", 31400)]);
        ingress.ports[0].target = TargetPort::Number(8080);
        mesh.service(ingress);
        mesh.pod(gateway_pod("infra", "gw", &INGRESS, "10.2.0.1"));
        mesh
    }

    pub fn apply(&mut self, event: Event) -> Dirty {
        self.model.apply(event)
    }

    /// Adds or replaces a Service.
    pub fn service(&mut self, mut service: Service) {
        self.age += 1;
        service.meta.created = self.age;
        assert!(self.apply(Event::Service(Change::Apply(service))).rules);
    }

    /// Adds or replaces a pod.
    pub fn pod(&mut self, pod: Pod) {
        let dirty = self.apply(Event::Pod(Change::Apply(pod)));
        assert!(!dirty.clients.is_empty());
    }

    /// Adds or replaces a slice.
    pub fn slice(&mut self, slice: EndpointSlice) -> Dirty {
        self.apply(Event::Endpoints(Change::Apply(slice)))
    }

    /// Adds or replaces an object of one of Istio's kinds, `NAMESPACE/NAME`.
    pub fn rule(&mut self, kind: &str, name: &str, spec: Value) {
        self.age += 1;
        let event = rule(kind, name, self.age, spec);
        assert!(self.apply(event).rules);
    }

    /// As [`Mesh::rule`], for what the model knows and validation still refuses.
    pub fn refused_rule(&mut self, kind: &str, name: &str, spec: Value) {
        let meta = Meta {
            key: key(name),
            created: 0,
        };
        let event = match kind {
            "Gateway" => {
                let spec = serde_json::from_value(spec).unwrap();
                Event::Gateway(Change::Apply(Object { meta, spec }))
            }
            _ => {
                let spec = serde_json::from_value(spec).unwrap();
                Event::ServiceEntry(Change::Apply(Object { meta, spec }))
            }
        };
        assert!(self.apply(event).rules);
    }

    pub fn client(&self, name: &str) -> Client {
        self.model.client(&key(name)).unwrap()
    }

    pub fn outbound(&self, client: &str) -> Arc<Outbound> {
        self.model.outbound(&self.client(client))
    }

    pub fn findings(&self) -> Vec<String> {
        let show = |finding: Finding| format!("{}: {}", finding.object, finding.message);
        self.model.findings().into_iter().map(show).collect()
    }

    /// The virtual host that a sidecar finds.
    pub fn host(&self, client: &str, host: &str, port: u16) -> Option<Arc<VirtualHost>> {
        self.model.routes_for(&self.client(client), host, port)
    }

    /// Where a sidecar sends a GET: `CLUSTER=WEIGHT …`, or why nowhere.
    pub fn get(&self, client: &str, url: &str) -> String {
        self.get_with(client, url, &[])
    }

    /// As [`Mesh::get`], with headers.
    pub fn get_with(&self, client: &str, url: &str, headers: &[(&str, &str)]) -> String {
        let (authority, path) = url.split_once('/').unwrap();
        let (host, port) = authority.split_once(':').unwrap();
        let port = port.parse().unwrap();
        match self.host(client, host, port) {
            Some(host) => sent(&host, authority, &format!("/{path}"), headers),
            None => "no host".into(),
        }
    }
}

/// Where a table sends a GET.
pub fn in_table(table: &RouteTable, authority: &str, path: &str) -> String {
    match table.find(authority) {
        Some(host) => sent(host, authority, path, &[]),
        None => "no host".into(),
    }
}

fn sent(host: &VirtualHost, authority: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let request = RequestFacts {
        path,
        method: "GET",
        authority,
        scheme: "http",
        headers: headers.to_vec(),
    };
    match host.routes.decide(&request) {
        Some(decision) => {
            let weights = decision.weights().into_iter();
            let weights = weights.map(|(cluster, weight)| format!("{cluster}={weight}"));
            weights.collect::<Vec<_>>().join(" ")
        }
        None => "no route".into(),
    }
}

pub fn key(name: &str) -> Key {
    let (namespace, name) = name.split_once('/').unwrap();
    Key::new(namespace, name)
}

/// The event that applies an object of one of Istio's kinds, valid.
pub fn rule(kind: &str, name: &str, created: i64, spec: Value) -> Event {
    let meta = Meta {
        key: key(name),
        created,
    };
    let kind = api::Kind::from_name(kind).unwrap();
    let object = serde_json::json!({
        "apiVersion": format!("{}/v1", kind.group()), "kind": kind.name(),
        "metadata": { "name": &*meta.key.name, "namespace": &*meta.key.namespace },
        "spec": spec,
    });
    let (object, _) = api::parse(kind, object).unwrap();
    match object {
        api::AnyObject::VirtualService(object) => {
            let spec = object.spec;
            Event::VirtualService(Change::Apply(Object { meta, spec }))
        }
        api::AnyObject::DestinationRule(object) => {
            let spec = object.spec;
            Event::DestinationRule(Change::Apply(Object { meta, spec }))
        }
        api::AnyObject::Gateway(object) => {
            let spec = object.spec;
            Event::Gateway(Change::Apply(Object { meta, spec }))
        }
        api::AnyObject::ServiceEntry(object) => {
            let spec = object.spec;
            Event::ServiceEntry(Change::Apply(Object { meta, spec }))
        }
        api::AnyObject::Telemetry(object) => {
            let spec = object.spec;
            Event::Telemetry(Change::Apply(Object { meta, spec }))
        }
        api::AnyObject::PeerAuthentication(object) => {
            let spec = object.spec;
            Event::PeerAuthentication(Change::Apply(Object { meta, spec }))
        }
    }
}

/// A Service with the address `10.96.0.X`, where X is the sum of its name's bytes; it selects
/// the label `app` of its name. Ports have their own number as the pods' port.
pub fn service(namespace: &str, name: &str, ports: &[(&str, u16)]) -> Service {
    let sum = name
        .bytes()
        .chain(namespace.bytes())
        .fold(0, u8::wrapping_add);
    Service {
        meta: Meta {
            key: Key::new(namespace, name),
            created: 0,
        },
        addresses: vec![format!("10.96.0.{sum}").parse().unwrap()],
        headless: false,
        selector: Some([("app", name)].into_iter().collect()),
        ports: ports
            .iter()
            .map(|&(name, port)| ServicePort {
                name: name.into(),
                port,
                target: TargetPort::Number(port),
                app_protocol: None,
            })
            .collect(),
        external_name: None,
        publish_not_ready: false,
        export_to: None,
    }
}

/// The labels of the gateway of [`Mesh::with_gateway`].
pub const INGRESS: [(&str, &str); 2] = [("app", "ingress"), ("istio", "in")];

/// A pod of a gateway.
pub fn gateway_pod(namespace: &str, name: &str, labels: &[(&str, &str)], ip: &str) -> Pod {
    let mut pod = pod(namespace, name, labels, ip);
    pod.proxy = ProxyKind::Gateway;
    pod
}

pub fn pod(namespace: &str, name: &str, labels: &[(&str, &str)], ip: &str) -> Pod {
    Pod {
        key: Key::new(namespace, name),
        labels: labels.iter().copied().collect::<Labels>(),
        ips: vec![ip.parse().unwrap()],
        service_account: "default".into(),
        node: Some("node".into()),
        ports: vec![ContainerPort {
            name: "main".into(),
            port: 8080,
        }],
        has_proxy: true,
        captured: Captured::All,
        proxy: ProxyKind::Sidecar,
        tracing: None,
    }
}

/// A slice `NAME-1` of a Service, with the pods `NAME-IP` at a port of the name `http`.
pub fn slice(namespace: &str, service: &str, ips: &[&str]) -> EndpointSlice {
    EndpointSlice {
        key: Key::new(namespace, format!("{service}-1")),
        service: service.into(),
        ports: vec![SlicePort {
            name: "http".into(),
            port: 8080,
        }],
        endpoints: ips
            .iter()
            .map(|ip| endpoint(namespace, service, ip))
            .collect(),
    }
}

pub fn endpoint(namespace: &str, service: &str, ip: &str) -> SliceEndpoint {
    SliceEndpoint {
        address: ip.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        pod: Some(Key::new(namespace, format!("{service}-{ip}"))),
        node: Some("node".into()),
        zone: None,
    }
}

pub fn node(name: &str, region: &str, zone: &str) -> Event {
    Event::Node(Change::Apply(Node {
        name: name.into(),
        region: region.into(),
        zone: zone.into(),
    }))
}

pub fn namespace(name: &str) -> Event {
    Event::Namespace(Change::Apply(Namespace {
        name: name.into(),
        labels: Labels::default(),
    }))
}
