//! Whatever the order of events, equal objects give an equal model, and what is not
//! reported as changed has not changed.

use std::{collections::BTreeMap, sync::Arc};

use pillion_api::Percentage;
use proptest::prelude::*;
use serde_json::json;

use super::fixture::{self, Mesh, key, pod, service, slice};
use crate::model::{
    Change, Client, ClusterKey, Dirty, EndpointGroup, Event, GatewayTables, Inbound, Key, Labels,
    MeshConfig, Model, Outbound, ProxyKind, ProxyTracing, Tracing, Transport,
};

/// An event for one of a few objects, in one of a few states.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: u8,
    name: bool,
    state: u8,
}

const KINDS: u8 = 12;
/// The state of an object that is gone.
const GONE: u8 = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..KINDS, any::<bool>(), 0..=GONE).prop_map(|(kind, name, state)| Step {
        kind,
        name,
        state,
    });
    proptest::collection::vec(step, 0..40)
}

impl Step {
    fn key(self) -> Key {
        let name = if self.name { "a" } else { "b" };
        match self.kind {
            3 | 4 => Key::new("", name),
            _ => Key::new("shop", name),
        }
    }

    fn event(self) -> Event {
        let key = self.key();
        if self.state == GONE {
            return match self.kind {
                0 => Event::Service(Change::Delete(key)),
                1 => Event::Endpoints(Change::Delete(key)),
                2 => Event::Pod(Change::Delete(key)),
                3 => Event::Namespace(Change::Delete(key)),
                4 => Event::Node(Change::Delete(key)),
                5 => Event::VirtualService(Change::Delete(key)),
                6 => Event::DestinationRule(Change::Delete(key)),
                7 => Event::Gateway(Change::Delete(key)),
                8 => Event::ServiceEntry(Change::Delete(key)),
                10 => Event::Telemetry(Change::Delete(key)),
                11 => Event::PeerAuthentication(Change::Delete(key)),
                _ => Event::Mesh(mutual_tls()),
            };
        }
        match self.kind {
            0 => Event::Service(Change::Apply(self.service())),
            1 => Event::Endpoints(Change::Apply(self.slice())),
            2 => Event::Pod(Change::Apply(self.pod())),
            3 => fixture::namespace(&key.name),
            4 => fixture::node(&key.name, "r", if self.state == 0 { "z" } else { "y" }),
            9 => Event::Mesh(MeshConfig {
                domain: if self.state == 0 {
                    "a.local"
                } else {
                    "cluster.local"
                }
                .into(),
                ..mutual_tls()
            }),
            _ => self.rule(),
        }
    }

    fn service(self) -> crate::model::Service {
        let mut service = service("shop", &self.key().name, &[("http", 80), ("tcp", 81)]);
        service.selector = Some([("app", "a")].into_iter().collect());
        match self.state {
            1 => {
                service.headless = true;
                service.addresses.clear();
            }
            2 => service.selector = None,
            _ => {}
        }
        service
    }

    fn slice(self) -> crate::model::EndpointSlice {
        // Both slices may be of one Service.
        let key = self.key();
        let of = if self.state == 2 { "a" } else { &*key.name };
        let ips: &[&str] = if self.state == 1 {
            &["10.1.0.1"]
        } else {
            &["10.1.0.1", "10.1.0.2"]
        };
        let mut slice = slice("shop", of, ips);
        slice.key = self.key();
        for (endpoint, name) in slice.endpoints.iter_mut().zip(["a", "b"]) {
            endpoint.pod = Some(Key::new("shop", name));
            endpoint.node = Some(name.into());
        }
        slice
    }

    fn pod(self) -> crate::model::Pod {
        let version = if self.state == 0 { "v1" } else { "v2" };
        let mode = if self.state == 0 { "disabled" } else { "istio" };
        let labels = [
            ("app", "a"),
            ("version", version),
            ("security.istio.io/tlsMode", mode),
        ];
        let ip = if self.name { "10.1.0.1" } else { "10.1.0.2" };
        let mut pod = pod("shop", &self.key().name, &labels, ip);
        if self.state == 1 {
            pod.tracing = Some(Arc::new(ProxyTracing {
                sampling: Some(Percentage::ALL),
                ..ProxyTracing::default()
            }));
        }
        if self.state == 2 {
            pod.proxy = ProxyKind::Gateway;
            pod.service_account = "other".into();
        }
        pod
    }

    fn rule(self) -> Event {
        let name = self.key().to_string();
        let weight = u32::from(self.state) + 1;
        let created = i64::from(self.state);
        let (kind, spec) = match self.kind {
            5 => (
                "VirtualService",
                json!({ "hosts": ["a", "x.com"], "gateways": ["a", "mesh"],
                "http": [{ "route": [
                    { "destination": { "host": "a", "subset": "v1" }, "weight": weight },
                    { "destination": { "host": "b" }, "weight": 5 } ] }] }),
            ),
            6 => (
                "DestinationRule",
                json!({ "host": "a", "subsets": [
                { "name": "v1", "labels": { "version": format!("v{weight}") } }] }),
            ),
            7 => (
                "Gateway",
                json!({ "selector": { "app": "a" }, "servers": [
                { "port": { "number": 80 + u16::from(self.state), "name": "http", "protocol": "HTTP" },
                  "hosts": ["*"] }] }),
            ),
            10 => (
                "Telemetry",
                json!({ "selector": { "matchLabels": { "version": format!("v{weight}") } },
                "tracing": [{ "randomSamplingPercentage": weight }] }),
            ),
            11 => (
                "PeerAuthentication",
                json!({ "selector": { "matchLabels": { "version": format!("v{weight}") } },
                "mtls": { "mode": if self.state == 0 { "STRICT" } else { "DISABLE" } } }),
            ),
            _ => (
                "ServiceEntry",
                json!({ "hosts": ["e.com"], "resolution": "STATIC",
                "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }],
                "endpoints": [{ "address": format!("192.0.2.{weight}") }] }),
            ),
        };
        fixture::rule(kind, &name, created, spec)
    }
}

/// Mutual TLS is on.
fn mutual_tls() -> MeshConfig {
    MeshConfig {
        mutual_tls: true,
        ..MeshConfig::default()
    }
}

/// A model in which requests are traced.
fn with_collector() -> Model {
    let mut model = Model::new();
    let _ = model.apply(Event::Mesh(mutual_tls()));
    let zipkin = service("istio-system", "zipkin", &[("http", 9411)]);
    let _ = model.apply(Event::Service(Change::Apply(zipkin)));
    model
}

fn apply(steps: &[Step]) -> Model {
    let mut model = with_collector();
    for step in steps {
        let _ = model.apply(step.event());
    }
    model
}

/// The last step of each object, without those that are gone.
fn last(steps: &[Step]) -> Vec<Step> {
    let mut last = BTreeMap::new();
    for step in steps {
        // There is one mesh configuration.
        let key = if step.kind == 9 {
            key("/mesh")
        } else {
            step.key()
        };
        last.insert((step.kind, key), *step);
    }
    let mut last: Vec<_> = last
        .into_values()
        .filter(|step| step.state != GONE)
        .collect();
    last.reverse();
    last
}

/// All that a model says to some clients.
#[derive(Debug, PartialEq)]
struct Answers {
    outbound: Vec<Arc<Outbound>>,
    inbound: Vec<(Key, Inbound)>,
    gateways: Vec<Arc<GatewayTables>>,
    endpoints: BTreeMap<ClusterKey, (Vec<EndpointGroup>, Transport)>,
    tracing: Vec<Tracing>,
    clients: Vec<Option<Client>>,
}

fn answers(model: &Model) -> Answers {
    let clients = ["shop/a", "shop/b", "elsewhere/c"].map(key);
    let known: Vec<_> = clients.iter().map(|pod| model.client(pod)).collect();
    // A pod that is not known is asked for as well, so that there are always tables.
    let all: Vec<Client> = clients
        .iter()
        .map(|pod| Client {
            pod: pod.clone(),
            labels: [("app", "a")].into_iter().collect::<Labels>(),
            ips: Vec::new(),
            kind: ProxyKind::Sidecar,
            tracing: None,
        })
        .chain(known.iter().flatten().cloned())
        .collect();
    let outbound: Vec<_> = all.iter().map(|client| model.outbound(client)).collect();
    let clusters = outbound
        .iter()
        .flat_map(|outbound| outbound.clusters.values());
    Answers {
        endpoints: clusters
            .map(|cluster| {
                let endpoints = (model.endpoints(cluster), model.transport(cluster, 1));
                (cluster.key.clone(), endpoints)
            })
            .collect(),
        inbound: all
            .iter()
            .map(|client| (client.pod.clone(), model.inbound(client)))
            .collect(),
        gateways: all.iter().map(|client| model.gateway(client)).collect(),
        tracing: all.iter().map(|client| model.tracing(client)).collect(),
        outbound,
        clients: known,
    }
}

/// Fails where something differs that was not reported.
fn check(dirty: &Dirty, before: &Answers, after: &Answers) {
    if dirty.rules {
        return;
    }
    for (cluster, endpoints) in &after.endpoints {
        if !dirty.endpoints.contains(&cluster.host) {
            assert_eq!(before.endpoints.get(cluster), Some(endpoints), "{cluster}");
        }
    }
    if dirty.clients.is_empty() {
        assert_eq!(before.clients, after.clients);
        assert_eq!(before.outbound, after.outbound);
        assert_eq!(before.gateways, after.gateways);
        assert_eq!(before.inbound, after.inbound);
        assert_eq!(before.tracing, after.tracing);
    }
    for ((pod, one), (_, other)) in before.inbound.iter().zip(&after.inbound) {
        if before.inbound.len() == after.inbound.len() && !dirty.clients.contains(pod) {
            assert_eq!(one, other, "{pod}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_events_does_not_matter(steps in steps()) {
        let changed = apply(&steps);
        let new = apply(&last(&steps));
        prop_assert_eq!(changed.index(), new.index());
        prop_assert_eq!(answers(&changed), answers(&new));
        prop_assert_eq!(changed.findings(), new.findings());
    }

    #[test]
    fn what_is_not_reported_has_not_changed(steps in steps()) {
        let mut model = with_collector();
        let mut before = answers(&model);
        for step in &steps {
            let dirty = model.apply(step.event());
            let after = answers(&model);
            check(&dirty, &before, &after);
            before = after;
        }
        // Nor is anything that was made before out of date.
        prop_assert_eq!(before, answers(&apply(&last(&steps))));
    }
}

#[test]
fn an_event_that_changes_nothing_reports_nothing() {
    let mut mesh = Mesh::with_web();
    let slice = slice("shop", "web", &["10.1.0.1"]);
    assert!(!mesh.slice(slice.clone()).is_empty());
    assert!(mesh.slice(slice).is_empty());
    let missing = Event::Service(Change::Delete(key("shop/missing")));
    assert!(mesh.apply(missing).is_empty());
    assert!(mesh.apply(Event::Mesh(MeshConfig::default())).is_empty());
    assert!(mesh.apply(fixture::namespace("shop")).is_empty());
}

#[test]
fn what_several_events_changed_is_joined() {
    let mut all = Dirty::default();
    assert!(all.is_empty());
    let mut mesh = Mesh::with_web();
    all.merge(mesh.slice(slice("shop", "web", &["10.1.0.1"])));
    all.merge(Dirty::rules());
    assert!(all.rules && all.endpoints.len() == 1);
}
