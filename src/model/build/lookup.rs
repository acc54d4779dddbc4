//! The ports of many pods at once, by those of their Services: for a search, which must not take a
//! product of pods and Services.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use super::inbound::{Targets, by_age, by_selector, pairs, selector};
use crate::model::{
    index::Index,
    objects::{ContainerPort, EndpointSlice, Key, Labels, Pod, ProxyKind, Service},
};

/// How many pods are looked at. Nothing is said of the ports of others.
const PODS: usize = 1_024;
/// How many of them that differ are looked up.
const DIFFERENT: usize = 256;

/// A pod of a gateway; with its ports by those of its Services, if they were looked up.
pub(super) type GatewayPod<'a> = (&'a Arc<Pod>, Option<Targets>);

/// All pods of gateways.
pub(super) fn gateways(index: &Index) -> Vec<GatewayPod<'_>> {
    let mut lookup = Lookup::new(index);
    let pods = index.pods().filter(|pod| pod.proxy == ProxyKind::Gateway);
    let pods = pods.enumerate().map(|(number, pod)| {
        let targets = (number < PODS).then(|| lookup.targets(pod));
        (pod, targets.flatten())
    });
    pods.collect()
}

/// Looks up the ports of pods: each namespace's Services are sorted once, and pods that are the same to
/// them are looked up once.
struct Lookup<'a> {
    index: &'a Index,
    namespaces: BTreeMap<&'a str, Services<'a>>,
    targets: BTreeMap<Selected<'a>, Targets>,
}

/// What a pod's ports depend on: its namespace, labels and named ports, and the ports that slices give
/// it.
type Selected<'a> = (&'a str, &'a Labels, &'a [ContainerPort], Vec<Numbered>);

/// The number of a Service, its port and that of the pod.
type Numbered = (usize, (u16, u16));

impl<'a> Lookup<'a> {
    fn new(index: &'a Index) -> Self {
        Self {
            index,
            namespaces: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    /// The pod's ports, by those of its Services; `None` if too many different pods were looked up.
    fn targets(&mut self, pod: &'a Pod) -> Option<Targets> {
        let (index, namespace) = (self.index, &pod.key.namespace);
        let services = self.namespaces.entry(namespace);
        let services = services.or_insert_with(|| Services::new(index, namespace));
        let selected = (
            &**namespace,
            &pod.labels,
            &*pod.ports,
            services.without_selector.of(pod),
        );
        if let Some(targets) = self.targets.get(&selected) {
            return Some(targets.clone());
        }
        if self.targets.len() == DIFFERENT {
            return None;
        }
        let targets = services.targets(pod, &selected.3);
        self.targets.insert(selected, targets.clone());
        Some(targets)
    }
}

/// The Services of a namespace, by their numbers in the order of their ages.
struct Services<'a> {
    with_selector: Vec<(usize, &'a Labels, &'a Service)>,
    without_selector: Slices<'a>,
}

impl<'a> Services<'a> {
    fn new(index: &'a Index, namespace: &Arc<str>) -> Self {
        let mut with_selector = Vec::new();
        let mut without_selector = Slices::default();
        for (number, service) in by_age(index, namespace).into_iter().enumerate() {
            if let Some(selector) = selector(service) {
                with_selector.push((number, selector, &**service));
                continue;
            }
            for slice in index.slices(&service.meta.key) {
                without_selector.add(number, service, slice);
            }
        }
        Self {
            with_selector,
            without_selector,
        }
    }

    /// The ports of a pod to which slices give these.
    fn targets(&self, pod: &Pod, by_slices: &[Numbered]) -> Targets {
        let with_selector = self.with_selector.iter();
        let selected = with_selector.flat_map(|(number, selector, service)| {
            let ports = by_selector(selector, service, pod);
            ports.map(|(port, own)| (*number, (port.port, own)))
        });
        let mut all: Vec<Numbered> = by_slices.iter().copied().chain(selected).collect();
        // The sort is stable: the ports of a Service stay in their order.
        all.sort_by_key(|(number, _)| *number);
        pairs(all.into_iter().map(|(_, pair)| pair))
    }
}

/// The slices of a namespace's Services that have no selector, by the pods and addresses in them.
#[derive(Default)]
struct Slices<'a> {
    all: Vec<Slice>,
    by_pod: BTreeMap<&'a Key, BTreeSet<usize>>,
    by_address: BTreeMap<IpAddr, BTreeSet<usize>>,
}

/// A slice: the number of its Service, and for the positions of this Service's ports those of its pods.
struct Slice {
    service: usize,
    ports: Vec<(usize, (u16, u16))>,
}

impl<'a> Slices<'a> {
    /// Adds the next slice of a Service.
    fn add(&mut self, number: usize, service: &Service, slice: &'a EndpointSlice) {
        let mut named = BTreeMap::new();
        for port in &slice.ports {
            named.entry(&port.name).or_insert(port.port);
        }
        let ports = service.ports.iter().enumerate();
        let ports = ports.filter_map(|(position, port)| {
            let own = *named.get(&port.name)?;
            Some((position, (port.port, own)))
        });
        let place = self.all.len();
        self.all.push(Slice {
            service: number,
            ports: ports.collect(),
        });
        for endpoint in &slice.endpoints {
            if let Some(pod) = &endpoint.pod {
                self.by_pod.entry(pod).or_default().insert(place);
            }
            let of_address = self.by_address.entry(endpoint.address).or_default();
            of_address.insert(place);
        }
    }

    /// The ports of a pod, in the order of Services and their ports. Of several slices that have a port,
    /// the first one gives it.
    fn of(&self, pod: &Pod) -> Vec<Numbered> {
        let of_pod = self.by_pod.get(&pod.key).into_iter();
        let of_addresses = pod.ips.iter().filter_map(|ip| self.by_address.get(ip));
        let places: BTreeSet<usize> = of_pod.chain(of_addresses).flatten().copied().collect();
        let mut ports = BTreeMap::new();
        for slice in places.into_iter().filter_map(|place| self.all.get(place)) {
            for (position, pair) in &slice.ports {
                ports.entry((slice.service, *position)).or_insert(*pair);
            }
        }
        let ports = ports.into_iter();
        ports.map(|((number, _), pair)| (number, pair)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        build::inbound,
        client::Client,
        event::{Change, Event},
        objects::TargetPort,
        tests::fixture::{gateway_pod, service, slice},
    };

    fn gateway(name: &str, labels: &[(&str, &str)], ip: &str) -> Pod {
        gateway_pod("infra", name, labels, ip)
    }

    /// A Service for the pods of a label, and one for those of its slices.
    fn index(pods: impl IntoIterator<Item = Pod>) -> Index {
        let mut index = Index::default();
        let mut apply = |event| drop(index.apply(event));
        let mut ingress = service("infra", "ingress", &[("http2", 80), ("x", 31400)]);
        ingress.ports[0].target = TargetPort::Name("main".into());
        ingress.meta.created = 2;
        apply(Event::Service(Change::Apply(ingress)));
        for (name, created) in [("old", 1), ("young", 3)] {
            let mut other = service("infra", name, &[("none", 444), ("http", 443)]);
            other.selector = None;
            other.meta.created = created;
            apply(Event::Service(Change::Apply(other)));
        }
        for pod in pods {
            apply(Event::Pod(Change::Apply(pod)));
        }
        index
    }

    #[test]
    fn finds_what_a_look_up_of_the_pod_alone_finds() {
        let labels = [("app", "ingress")];
        let mut index = index([
            gateway("by-address", &labels, "10.2.0.1"),
            gateway("young-10.2.0.9", &labels, "10.2.0.2"),
            gateway("selected", &labels, "10.2.0.3"),
            gateway("alone", &[], "10.2.0.1"),
        ]);
        for (name, ips, port) in [
            ("old", &["10.2.0.1"][..], 8443),
            ("young", &["10.2.0.1", "10.2.0.9"], 9443),
        ] {
            let mut first = slice("infra", name, ips);
            first.ports[0].port = port;
            let mut second = first.clone();
            second.key = Key::new("infra", format!("{name}-2"));
            second.ports[0].port += 1;
            for slice in [first, second] {
                drop(index.apply(Event::Endpoints(Change::Apply(slice))));
            }
        }
        let found = gateways(&index);
        let of = |name: &str| {
            let (pod, targets) = found
                .iter()
                .find(|(pod, _)| *pod.key.name == *name)
                .unwrap();
            let targets = targets.clone().unwrap();
            assert_eq!(
                targets,
                inbound::targets(&index, &Client::of(pod)),
                "{name}"
            );
            targets
        };
        let ingress = [(80, 8080), (31400, 31400)];
        assert_eq!(of("selected"), ingress);
        assert_eq!(
            of("by-address"),
            [ingress[0], (443, 8443), (443, 9443), ingress[1]]
        );
        assert_eq!(of("young-10.2.0.9"), [ingress[0], (443, 9443), ingress[1]]);
        assert_eq!(of("alone"), [(443, 8443), (443, 9443)]);
    }

    /// Also where a Service has no selector, whose slices may name any pod.
    #[test]
    fn looks_up_equal_pods_once() {
        let pods = (0..100).map(|number| {
            let ip = format!("10.2.0.{number}");
            gateway(&format!("gw-{number}"), &[("app", "ingress")], &ip)
        });
        let mut index = index(pods);
        let extra = slice("infra", "old", &["10.2.0.1", "10.2.0.2"]);
        drop(index.apply(Event::Endpoints(Change::Apply(extra))));
        let mut lookup = Lookup::new(&index);
        for pod in index.pods() {
            assert!(lookup.targets(pod).is_some());
        }
        assert_eq!(lookup.namespaces.len(), 1);
        assert_eq!(lookup.targets.len(), 2);
    }

    #[test]
    fn looks_up_so_many_pods_and_so_many_that_differ() {
        let ip = |number: usize| format!("10.2.{}.{}", number / 256, number % 256);
        let equal = (0..PODS + 5).map(|number| gateway(&format!("gw-{number}"), &[], &ip(number)));
        let index = self::index(equal);
        let looked_up = |index: &Index| {
            let pods = gateways(index);
            let looked_up = pods.iter().filter(|(_, targets)| targets.is_some());
            (pods.len(), looked_up.count())
        };
        assert_eq!(looked_up(&index), (PODS + 5, PODS));
        let differ = (0..DIFFERENT + 5).map(|number| {
            let name = format!("gw-{number}");
            gateway(&name, &[("name", &name)], &ip(number))
        });
        let index = self::index(differ);
        assert_eq!(looked_up(&index), (DIFFERENT + 5, DIFFERENT));
    }
}
