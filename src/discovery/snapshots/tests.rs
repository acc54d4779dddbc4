//! A small mesh, rendered.

mod accepted;
mod mutual_tls;
mod tracing;

use std::{collections::BTreeSet, time::Duration};

use pillion_api::AnyObject;
use pillion_envoy_api::{to_json, unknown_fields};
use serde_json::{Value, json};

use super::*;
use crate::{
    discovery::convert::{endpoints, pod, service},
    model::{Change, MeshConfig, MeshTracing, Meta, Object, OutboundPolicy, ProxyTracing},
};

fn settings() -> Settings {
    Settings {
        access_log_file: "/dev/stdout".into(),
        access_log_format: "".into(),
        connect_timeout: Duration::from_secs(10),
        outbound: OutboundPolicy::AllowAny,
        mutual_tls: None,
        trusted_proxies: 0,
    }
}

/// A mesh under construction.
struct Mesh(Snapshots);

impl Mesh {
    fn new() -> Self {
        Self(Snapshots::new(settings()))
    }

    fn apply(&mut self, event: Event) -> Dirty {
        self.0.apply(event)
    }

    fn service(&mut self, name: &str, spec: Value) {
        let object = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec});
        let service = service::service(&serde_json::from_value(object).unwrap());
        _ = self.apply(Event::Service(Change::Apply(service)));
    }

    fn endpoints(&mut self, service: &str, port: u16, ips: &[&str]) -> Dirty {
        let endpoints: Vec<_> = ips.iter().map(|ip| json!({"addresses": [ip]})).collect();
        let object = json!({
            "metadata": {"name": service, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": port}], "endpoints": endpoints,
        });
        let slice = endpoints::endpoint_slice(&serde_json::from_value(object).unwrap()).unwrap();
        self.apply(Event::Endpoints(Change::Apply(slice)))
    }

    fn pod(&mut self, name: &str, ip: &str, arguments: &str) -> Client {
        let object = json!({
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": name, "istio": arguments}},
            "spec": {"containers": [{"name": "istio-proxy", "args": [arguments]}]},
            "status": {"podIPs": [{"ip": ip}]},
        });
        let pod = pod::pod(&serde_json::from_value(object).unwrap()).unwrap();
        let key = pod.key.clone();
        _ = self.apply(Event::Pod(Change::Apply(pod)));
        self.0.client(&key).unwrap()
    }

    fn rule(&mut self, kind: pillion_api::Kind, name: &str, spec: Value) {
        assert!(self.try_rule(kind, name, spec), "{name}");
    }

    /// Applies a rule if it is accepted, and says whether it is.
    fn try_rule(&mut self, kind: pillion_api::Kind, name: &str, spec: Value) -> bool {
        let object = json!({
            "apiVersion": format!("{}/v1", kind.group()), "kind": kind.name(),
            "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
        });
        let Ok((object, _)) = pillion_api::parse(kind, object) else {
            return false;
        };
        let meta = |created| Meta {
            key: Key::new("shop", name),
            created,
        };
        let event = match object {
            AnyObject::VirtualService(object) => Event::VirtualService(Change::Apply(Object {
                meta: meta(1),
                spec: object.spec,
            })),
            AnyObject::DestinationRule(object) => Event::DestinationRule(Change::Apply(Object {
                meta: meta(1),
                spec: object.spec,
            })),
            AnyObject::Gateway(object) => Event::Gateway(Change::Apply(Object {
                meta: meta(1),
                spec: object.spec,
            })),
            AnyObject::ServiceEntry(object) => Event::ServiceEntry(Change::Apply(Object {
                meta: meta(1),
                spec: object.spec,
            })),
            AnyObject::Telemetry(object) => Event::Telemetry(Change::Apply(Object {
                meta: meta(1),
                spec: object.spec,
            })),
            AnyObject::PeerAuthentication(object) => {
                Event::PeerAuthentication(Change::Apply(Object {
                    meta: meta(1),
                    spec: object.spec,
                }))
            }
        };
        _ = self.apply(event);
        true
    }
}

/// A mesh with a Service of each protocol, a split and a gateway.
fn small_mesh() -> Mesh {
    let mut mesh = Mesh::new();
    mesh.service(
        "reviews",
        json!({"clusterIP": "10.96.0.1", "selector": {"app": "reviews"},
            "ports": [{"name": "http", "port": 9080}, {"name": "tcp-db", "port": 3307, "targetPort": 3306}]}),
    );
    mesh.service(
        "mystery",
        json!({"clusterIP": "10.96.0.2", "ports": [{"name": "http", "port": 7000, "appProtocol": "example.com/x"}]}),
    );
    _ = mesh.endpoints("reviews", 9080, &["10.0.0.1", "10.0.0.2"]);
    mesh.rule(
        pillion_api::Kind::DestinationRule,
        "reviews",
        json!({"host": "reviews",
            "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}, "connectionPool": {"http": {"http1MaxPendingRequests": 5}}},
            "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]}),
    );
    mesh.rule(
        pillion_api::Kind::VirtualService,
        "reviews",
        json!({"hosts": ["reviews"], "http": [
            {"match": [{"uri": {"prefix": "/old"}, "headers": {"end-user": {"exact": "jason"}}, "withoutHeaders": {"x": {"regex": "a.*"}}}],
                "rewrite": {"uri": "/new"}, "timeout": "3s", "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx,418"},
                "headers": {"request": {"set": {"a": "b"}, "remove": ["c"]}, "response": {"add": {"d": "e"}}},
                "route": [{"destination": {"host": "reviews", "subset": "v2"}}]},
            {"match": [{"uri": {"exact": "/gone"}}], "redirect": {"uri": "/here", "redirectCode": 302}},
            {"route": [{"destination": {"host": "reviews", "subset": "v1"}, "weight": 80},
                {"destination": {"host": "reviews", "subset": "v2"}, "weight": 20}]}]}),
    );
    mesh.rule(
        pillion_api::Kind::VirtualService,
        "edge",
        json!({"hosts": ["*"], "gateways": ["edge"], "http": [{"route": [{"destination": {"host": "reviews", "port": {"number": 9080}}}]}]}),
    );
    mesh.rule(
        pillion_api::Kind::ServiceEntry,
        "www",
        json!({"hosts": ["www.example.com"], "resolution": "DNS", "ports": [
            {"number": 80, "name": "http", "protocol": "HTTP"}, {"number": 443, "name": "tls", "protocol": "TLS"}]}),
    );
    mesh.rule(
        pillion_api::Kind::Gateway,
        "edge",
        json!({"selector": {"istio": "gateway"}, "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}),
    );
    mesh
}

/// The small mesh with a Zipkin, which is looked for there.
fn traced_mesh() -> Mesh {
    let mut mesh = small_mesh();
    mesh.service(
        "zipkin",
        json!({"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 9411}]}),
    );
    let tracing = Arc::new(MeshTracing::default_in("shop"));
    let config = MeshConfig {
        tracing,
        ..MeshConfig::default()
    };
    assert!(mesh.apply(Event::Mesh(config)).rules);
    mesh.0.forget();
    mesh
}

/// All resources as JSON. Each must be known to our types as a whole, and our own proxy must
/// take it.
fn shown(snapshot: &Snapshot, kind: ProxyKind) -> Value {
    let mut shown = serde_json::Map::new();
    for type_url in [
        type_url::LISTENER,
        type_url::ROUTE_CONFIGURATION,
        type_url::CLUSTER,
        type_url::CLUSTER_LOAD_ASSIGNMENT,
    ] {
        let mut of_type = serde_json::Map::new();
        for (name, resource) in snapshot.get(type_url).unwrap().iter() {
            assert_eq!(
                unknown_fields(type_url, &resource.body.value).unwrap(),
                [""; 0]
            );
            let bytes = &resource.body.value;
            let is_gateway = kind == ProxyKind::Gateway;
            let taken = pillion_proxy::test_util::check_resource(is_gateway, type_url, name, bytes);
            assert_eq!(taken, Ok(()), "{name}");
            of_type.insert(
                name.to_string(),
                serde_json::to_value(to_json(type_url, &resource.body.value).unwrap()).unwrap(),
            );
        }
        let kind = type_url.rsplit('.').next().unwrap().to_owned();
        shown.insert(kind, Value::Object(of_type));
    }
    Value::Object(shown)
}

#[test]
fn a_sidecar_sees_the_mesh() {
    let mut mesh = small_mesh();
    let client = mesh.pod("reviews", "10.0.0.1", "sidecar");
    let (_, snapshot) = mesh.0.of(&client);
    insta::assert_json_snapshot!(shown(&snapshot, client.kind));
}

#[test]
fn a_gateway_sees_its_ports_and_all_clusters() {
    let mut mesh = small_mesh();
    mesh.service(
        "edge",
        json!({"clusterIP": "10.96.0.9", "selector": {"app": "edge"}, "ports": [{"name": "http2", "port": 80, "targetPort": 8080}]}),
    );
    let client = mesh.pod("edge", "10.0.0.9", "gateway");
    let (_, snapshot) = mesh.0.of(&client);
    let mut shown = shown(&snapshot, client.kind);
    let clusters = shown["Cluster"].as_object().unwrap();
    assert!(
        clusters
            .keys()
            .any(|name| name.starts_with("outbound|9080|v1|"))
    );
    shown
        .as_object_mut()
        .unwrap()
        .retain(|kind, _| kind == "Listener" || kind == "RouteConfiguration");
    insta::assert_json_snapshot!(shown);
}

#[test]
fn pods_of_one_kind_share_everything() {
    let mut mesh = small_mesh();
    let clients =
        [("a", "10.0.1.1"), ("b", "10.0.1.2")].map(|(name, ip)| mesh.pod(name, ip, "sidecar"));
    let [(one, first), (two, second)] = clients.map(|client| mesh.0.of(&client));
    assert_eq!(one, two);
    for type_url in [type_url::LISTENER, type_url::CLUSTER] {
        let second = second.get(type_url).unwrap();
        assert!(first.get(type_url).unwrap().is_same(second));
    }
}

#[test]
fn pods_of_other_workloads_share_all_but_their_own() {
    let mut mesh = small_mesh();
    let clients = [("a", "10.0.1.1"), ("reviews", "10.0.0.1")];
    let clients = clients.map(|(name, ip)| mesh.pod(name, ip, "sidecar"));
    let [(one, first), (two, second)] = clients.map(|client| mesh.0.of(&client));
    assert_ne!(one, two);
    for type_url in [type_url::LISTENER, type_url::CLUSTER] {
        let [first, second] = [&first, &second].map(|one| one.get(type_url).unwrap());
        assert!(Arc::ptr_eq(first.shared(), second.shared()));
    }
}

#[test]
fn a_class_of_before_finds_nothing_once_everything_was_forgotten() {
    let mut mesh = small_mesh();
    let clients =
        [("a", "10.0.1.1"), ("b", "10.0.1.2")].map(|(name, ip)| mesh.pod(name, ip, "sidecar"));
    let (class, _) = mesh.0.of(&clients[0]);
    mesh.0.forget();
    // Its common part may get the key that the other one had.
    mesh.0.of(&clients[1]);
    assert!(mesh.0.of_class(&class).is_none());
}

#[test]
fn a_change_of_endpoints_renders_them_alone() {
    let mut mesh = small_mesh();
    let client = mesh.pod("a", "10.0.1.1", "sidecar");
    let (class, before) = mesh.0.of(&client);
    let dirty = mesh.endpoints("reviews", 9080, &["10.0.0.3"]);
    assert!(!dirty.rules, "{dirty:?}");
    mesh.0.renew_endpoints(&dirty.endpoints);
    let after = mesh.0.of_class(&class).unwrap();
    for type_url in [
        type_url::LISTENER,
        type_url::CLUSTER,
        type_url::ROUTE_CONFIGURATION,
    ] {
        let after = after.get(type_url).unwrap();
        assert!(before.get(type_url).unwrap().is_same(after));
    }
    let changed: BTreeSet<_> = changed(&before, &after, type_url::CLUSTER_LOAD_ASSIGNMENT);
    // The endpoints are in no subset.
    assert_eq!(
        changed,
        ["outbound|9080||reviews.shop.svc.cluster.local"]
            .map(Arc::from)
            .into()
    );
}

#[test]
fn what_is_rendered_again_is_the_same() {
    let mut mesh = small_mesh();
    let client = mesh.pod("a", "10.0.1.1", "sidecar");
    let (_, before) = mesh.0.of(&client);
    mesh.0.forget();
    mesh.0.prune();
    let (_, after) = mesh.0.of(&client);
    for type_url in [
        type_url::LISTENER,
        type_url::CLUSTER,
        type_url::ROUTE_CONFIGURATION,
        type_url::CLUSTER_LOAD_ASSIGNMENT,
    ] {
        assert!(changed(&before, &after, type_url).is_empty());
    }
}

/// The names of the resources that are not one and the same.
fn changed(before: &Snapshot, after: &Snapshot, type_url: &str) -> BTreeSet<Arc<str>> {
    let after = after.get(type_url).unwrap();
    let is_same = |name: &Arc<str>, resource: &Arc<Resource>| {
        after
            .get(name)
            .is_some_and(|after| Arc::ptr_eq(after, resource))
    };
    let before = before.get(type_url).unwrap().iter();
    before
        .filter(|(name, resource)| !is_same(name, resource))
        .map(|(name, _)| Arc::clone(name))
        .collect()
}
