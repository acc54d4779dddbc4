//! PeerAuthentications that have no effect, or less than they ask for, and DestinationRules that ask
//! for what servers refuse.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::taken;
use crate::model::{
    authentication::SELECTING,
    build::{
        first::First,
        inbound::{by_age, by_selector, selector},
        plain::PlainHosts,
        strict::StrictHosts,
    },
    finding::{Finding, Kind, Problem},
    index::Index,
    names::{TLS_MODE, TLS_MODE_ISTIO},
    objects::{Key, Pod, ProxyKind, Service},
    rules::{HostRules, MtlsMode, PeerAuthentication},
    world::World,
};

/// How many pods a PeerAuthentication with ports is compared with: those of one workload are equal.
const PODS: usize = 16;
/// How many pods are looked at for all PeerAuthentications with ports of a namespace. Nothing is said
/// of the ports of the others.
const LOOKED_AT: usize = 65_536;

/// PeerAuthentications that have no effect, or less than they ask for.
pub(super) fn without_effect(world: &World, index: &Index, findings: &mut Vec<Finding>) {
    for (namespace, objects) in world.authentication.namespaces() {
        let selecting = objects.iter();
        let selecting: Vec<_> = selecting
            .map(|object| (&object.meta.key, &object.selector))
            .collect();
        let kind = Kind::PeerAuthentication;
        taken::by_older(kind, index, namespace, &selecting, findings);
        let mut tell = |key: &Key, problem, message| {
            findings.push(Finding::new(kind, key, problem, message));
        };
        unknown_ports(index, namespace, objects, &mut tell);
        if world.mesh.mutual_tls {
            unguarded(world, index, namespace, &mut tell);
        } else {
            without_mutual_tls(objects, &mut tell);
        }
    }
    if world.mesh.mutual_tls {
        unlabelled(world, index, findings);
    }
    for key in world.authentication.left_out() {
        let message = format!(
            "this one is ignored: of a namespace, the {SELECTING} oldest PeerAuthentications with a selector are in \
             force. Put what they say into fewer"
        );
        let (kind, problem) = (Kind::PeerAuthentication, Problem::LeftOut);
        findings.push(Finding::new(kind, key, problem, message));
    }
}

/// Those that ask for what this installation does not do.
fn without_mutual_tls(
    objects: &[PeerAuthentication],
    tell: &mut impl FnMut(&Key, Problem, String),
) {
    for object in objects.iter().filter(|object| object.is_strict()) {
        let message = "STRICT has no effect, because mutual TLS is off in this installation: start \
                       the discovery service with --mutual-tls=true (the chart: discovery.mutualTls)";
        tell(&object.meta.key, Problem::MutualTlsOff, message.to_owned());
    }
}

/// DestinationRules by which clients speak what servers refuse.
pub(super) fn refused(world: &World, index: &Index, findings: &mut Vec<Finding>) {
    let strict = StrictHosts::new(world, index);
    let rules = world.destination_rules.values();
    for rule in rules.flat_map(HostRules::by_host).flatten() {
        for message in strict.refused(&rule.host, rule.policy.as_ref(), &rule.subsets) {
            let (kind, problem) = (Kind::DestinationRule, Problem::RefusedByServer);
            findings.push(Finding::new(kind, &rule.meta.key, problem, message));
        }
    }
}

/// DestinationRules by which clients speak mutual TLS to what doesn't take it, or that ask for it where there is none.
pub(super) fn not_taken(world: &World, index: &Index, findings: &mut Vec<Finding>) {
    let mut plain = PlainHosts::new(world, index);
    let rules = world.destination_rules.values();
    for rule in rules.flat_map(HostRules::by_host).flatten() {
        let mut tell = |problem, message| {
            let key = &rule.meta.key;
            findings.push(Finding::new(Kind::DestinationRule, key, problem, message));
        };
        let policy = rule.policy.as_ref();
        if world.mesh.mutual_tls {
            for message in plain.told(&rule.host, policy, &rule.subsets) {
                tell(Problem::MutualTlsNotTaken, message);
            }
        } else if PlainHosts::is_mutual_anywhere(policy, &rule.subsets) {
            let message = "tls.mode ISTIO_MUTUAL has no effect, and clients send plain text, because mutual TLS is \
                           off in this installation: start the discovery service with --mutual-tls=true (the chart: \
                           discovery.mutualTls)";
            tell(Problem::MutualTlsOff, message.to_owned());
        }
    }
}

/// Modes of ports on which no pod seems to listen. Mostly they are a Service's, and not the pods'.
fn unknown_ports(
    index: &Index,
    namespace: &Arc<str>,
    objects: &[PeerAuthentication],
    tell: &mut impl FnMut(&Key, Problem, String),
) {
    let with_ports = objects.iter().filter(|object| !object.ports.is_empty());
    let mut with_ports = with_ports.peekable();
    if with_ports.peek().is_none() {
        return;
    }
    let services = by_age(index, namespace);
    let mut left = LOOKED_AT;
    for object in with_ports {
        let pods = index.pods_in(namespace).take(left);
        let pods = pods.inspect(|_| left -= 1);
        let pods = pods.filter(|pod| object.selector.select(&pod.labels));
        let pods: Vec<_> = pods.take(PODS).collect();
        if pods.is_empty() {
            continue;
        }
        let known: BTreeSet<u16> = pods
            .iter()
            .flat_map(|pod| own_ports(pod, &services))
            .collect();
        for port in object.ports.keys().filter(|port| !known.contains(port)) {
            let mut sent = pods.iter().flat_map(|pod| sent_to(pod, &services));
            let sent = sent.find(|(_, number, _)| number == port);
            let advice = match sent {
                Some((service, _, target)) => format!(
                    "ports are the pods' own here, and the Service {} sends its port {port} to their \
                     port {target}: use {target}",
                    service.meta.key
                ),
                None => "unless they listen there all the same, use a port of theirs".to_owned(),
            };
            let message = format!(
                "portLevelMtls: no container of its pods declares the port {port}, and no Service \
                 sends there: {advice}"
            );
            tell(&object.meta.key, Problem::UnknownPodPort, message);
        }
    }
}

/// The ports that a pod declares, or to which Services send.
fn own_ports<'a>(pod: &'a Pod, services: &'a [&'a Arc<Service>]) -> impl Iterator<Item = u16> {
    let declared = pod.ports.iter().map(|port| port.port);
    declared.chain(sent_to(pod, services).map(|(_, _, target)| target))
}

/// The ports of a pod's Services, each with the pod's.
fn sent_to<'a>(
    pod: &'a Pod,
    services: &'a [&'a Arc<Service>],
) -> impl Iterator<Item = (&'a Service, u16, u16)> {
    services.iter().flat_map(move |service| {
        let ports = selector(service).map(|selector| by_selector(selector, service, pod));
        let ports = ports.into_iter().flatten();
        ports.map(move |(port, target)| (&***service, port.port, target))
    })
}

/// Those of a namespace or of chosen pods that say STRICT for pods without a proxy. Of the whole mesh,
/// nothing is said: there always are such pods.
fn unguarded(
    world: &World,
    index: &Index,
    namespace: &Arc<str>,
    tell: &mut impl FnMut(&Key, Problem, String),
) {
    let mut all: BTreeMap<Key, First> = BTreeMap::new();
    for pod in index.pods_in(namespace).filter(|pod| !pod.has_proxy) {
        let mtls = world.authentication.mtls_of_pods(namespace, &pod.labels);
        let by = mtls.decided_by.filter(|_| mtls.mode == MtlsMode::Strict);
        if let Some(by) = by.filter(|by| !world.authentication.is_of_mesh(by)) {
            all.entry(by).or_default().add(&pod.key);
        }
    }
    for (key, pods) in all {
        let message = format!(
            "STRICT has no effect on pods without a sidecar: {pods} {} whatever anybody sends. Have \
             them injected",
            pods.verb("takes", "take")
        );
        tell(&key, Problem::StrictWithoutProxy, message);
    }
}

/// Those that say STRICT for pods to which clients send plain text, because they lack the label by
/// which clients know that they take something else: pods that were injected without it.
fn unlabelled(world: &World, index: &Index, findings: &mut Vec<Finding>) {
    let mut all: BTreeMap<Key, First> = BTreeMap::new();
    let pods = index.pods();
    let pods = pods.filter(|pod| pod.has_proxy && pod.proxy == ProxyKind::Sidecar);
    for pod in pods.filter(|pod| pod.labels.get(TLS_MODE) != Some(TLS_MODE_ISTIO)) {
        let namespace = &pod.key.namespace;
        let mtls = world.authentication.mtls_of_pods(namespace, &pod.labels);
        if let (MtlsMode::Strict, Some(by)) = (mtls.mode, mtls.decided_by) {
            all.entry(by).or_default().add(&pod.key);
        }
    }
    for (key, pods) in all {
        let message = format!(
            "clients send plain text to pods without the label {TLS_MODE}: {TLS_MODE_ISTIO}, and STRICT \
             refuses it: {pods} {} such. Restart them, so that they are injected with it",
            pods.verb("is", "are")
        );
        let (kind, problem) = (Kind::PeerAuthentication, Problem::StrictWithoutLabel);
        findings.push(Finding::new(kind, &key, problem, message));
    }
}
