//! Gateways that have no pods, or servers at ports that nobody reaches.

use std::collections::{BTreeMap, BTreeSet};

use super::labelled::Labelled;
use crate::model::{
    build::{first::First, inbound::Targets, lookup::GatewayPod},
    finding::{Finding, Kind, Problem},
    objects::Labels,
    rules::Gateway,
    world::World,
};

/// The ports that a gateway's proxy uses itself, and opens for no Gateway.
const OWN: [u16; 6] = [15000, 15001, 15006, 15020, 15021, 15090];

/// Gateways whose selector selects no pod, and ports that the proxy uses itself, or no Service has.
pub(super) fn unreachable(world: &World, pods: &[GatewayPod<'_>], findings: &mut Vec<Finding>) {
    // Of those that are equal, one is enough.
    let pods = pods.iter().map(|(pod, targets)| (&pod.labels, targets));
    let pods: BTreeSet<(&Labels, &Option<Targets>)> = pods.collect();
    let mut labelled = Labelled::default();
    pods.iter().for_each(|(labels, _)| labelled.add(labels));
    let targets: Vec<_> = pods.iter().map(|(_, targets)| targets.as_ref()).collect();
    let mut selected = BTreeMap::new();
    for gateway in &world.gateways {
        let ports = selected.entry(&gateway.selector).or_insert_with(|| {
            let numbers = labelled.selected(&gateway.selector);
            Ports::new(numbers.filter_map(|number| targets.get(number).copied()))
        });
        let mut tell = |problem, message| {
            let key = &gateway.meta.key;
            findings.push(Finding::new(Kind::Gateway, key, problem, message));
        };
        if ports.pods == 0 {
            tell(Problem::NoGatewayPod, no_pod(&gateway.selector));
        }
        for server in &gateway.servers {
            if let Some(message) = ports.own(server.port) {
                tell(Problem::GatewayPortOwn, message);
            }
        }
        if let Some(message) = ports.without_service(gateway) {
            tell(Problem::GatewayPortWithoutService, message);
        }
    }
}

fn no_pod(selector: &Labels) -> String {
    if selector.is_empty() {
        "the empty selector selects no pod, because no gateway has a pod with an address yet: \
         install a gateway, or wait until one has started"
            .to_owned()
    } else {
        let labels = First::of_labels(selector);
        format!(
            "the selector {labels} selects no pod of a gateway that has an address yet, so that \
             nothing listens for this Gateway. Unless its gateway is starting, use labels that a \
             gateway's pods have, or install a gateway with these"
        )
    }
}

/// The ports of the pods that a selector selects.
#[derive(Default)]
struct Ports {
    /// How many different pods there are.
    pods: usize,
    /// Whether not all of their Services were looked up.
    is_partial: bool,
    /// The pods' ports, by those of their Services.
    services: BTreeMap<u16, BTreeSet<u16>>,
    /// The pods' ports that Services have.
    targets: BTreeSet<u16>,
}

impl Ports {
    fn new<'a>(pods: impl Iterator<Item = Option<&'a Targets>>) -> Self {
        let mut ports = Self::default();
        for targets in pods {
            ports.pods += 1;
            ports.is_partial |= targets.is_none();
            for (service, target) in targets.into_iter().flatten() {
                let of_service = ports.services.entry(*service).or_default();
                of_service.insert(*target);
                ports.targets.insert(*target);
            }
        }
        ports
    }

    /// Why no pod opens a Gateway's port, if it would be one of the proxy's own.
    fn own(&self, port: u16) -> Option<String> {
        let same = BTreeSet::from([port]);
        let targets = self.services.get(&port).unwrap_or(&same);
        // By another Service, the port may be another one of the pods.
        let are_own = targets.iter().all(|target| OWN.contains(target));
        let own = *targets.first().filter(|_| are_own)?;
        Some(if own == port {
            format!(
                "port {port} is the proxy's own: gateways don't open it for a server. Use another \
                 port"
            )
        } else {
            format!(
                "port {port} of the gateway's Service has the targetPort {own}, which is the \
                 proxy's own: gateways don't open it for a server. Use another targetPort"
            )
        })
    }

    /// The ports that no Service has. A server may have the pods' port, too.
    fn without_service(&self, gateway: &Gateway) -> Option<String> {
        if self.pods == 0 || self.is_partial {
            return None;
        }
        let ports: BTreeSet<u16> = gateway.servers.iter().map(|server| server.port).collect();
        let mut ports = ports
            .into_iter()
            .filter(|port| !self.services.contains_key(port) && !self.targets.contains(port))
            .filter(|port| !OWN.contains(port))
            .peekable();
        ports.peek()?;
        let mut first = First::default();
        ports.for_each(|port| first.add(port));
        Some(format!(
            "no Service of the gateway's pods has {}: clients reach it only at the pods' own \
             addresses, or at those of their nodes (hostPort, hostNetwork). Add it to the \
             gateway's Service, or use a port that the Service has",
            first.of("port")
        ))
    }
}
