//! What objects ask for and don't get, because of others.

mod admitted;
mod destination_rules;
mod gateways;
mod labelled;
mod peer_authentications;
mod ports;
mod taken;
mod telemetries;
mod unknown;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::{admitted::Admitted, unknown::Aliases};
use super::{lookup::GatewayPod, view::View};
use crate::model::{
    finding::{Finding, Kind, Problem},
    index::Index,
    names::MESH_GATEWAY,
    objects::{ExportTo, Key},
    rules::{HostRules, Target, VirtualService},
    world::World,
};

/// All findings.
pub(super) fn of_world(
    world: &World,
    index: &Index,
    gateways: &[GatewayPod<'_>],
    view: &mut dyn FnMut(&Arc<str>) -> Arc<View>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    taken_hosts(world, &mut findings);
    taken_subsets(world, &mut findings);
    mixed_ports(world, &mut findings);
    ports::taken(world, &mut findings);
    gateways::unreachable(world, gateways, &mut findings);
    let aliases = Aliases::new(&world.aliases);
    destination_rules::without_effect(world, index, &aliases, &mut findings);
    telemetries::without_effect(world, index, view, &mut findings);
    peer_authentications::without_effect(world, index, &mut findings);
    peer_authentications::refused(world, index, &mut findings);
    peer_authentications::not_taken(world, index, &mut findings);
    let mut admitted = Admitted::new(&world.gateways);
    for rules in &world.virtual_services {
        missing_gateways(&admitted, rules, &mut findings);
        if let Some(message) = admitted.none(rules) {
            let what = (Kind::VirtualService, Problem::HostNotInGateway);
            push(&mut findings, what, &rules.meta.key, message);
        }
        let view = view(&rules.meta.key.namespace);
        missing_destinations(&view, &aliases, rules, &mut findings);
    }
    findings
}

fn push(findings: &mut Vec<Finding>, (kind, problem): (Kind, Problem), key: &Key, message: String) {
    findings.push(Finding::new(kind, key, problem, message));
}

/// Hosts that an older VirtualService with the same audience has.
fn taken_hosts(world: &World, findings: &mut Vec<Finding>) {
    let mut owners = BTreeMap::new();
    for rules in &world.virtual_services {
        if !rules.is_for_mesh() || rules.http.is_empty() {
            continue;
        }
        for host in &rules.hosts {
            let place = (Arc::clone(host), audience(&rules.export_to));
            let key = &rules.meta.key;
            match owners.get(&place) {
                Some(owner) if owner != key => {
                    let message = format!(
                        "for sidecars, the rules for the host {host} are those of the older \
                         VirtualService {owner}; these are ignored. Put all rules for a host \
                         into one VirtualService"
                    );
                    push(
                        findings,
                        (Kind::VirtualService, Problem::HostTaken),
                        key,
                        message,
                    );
                }
                Some(_) => {}
                None if is_for_all_clients(rules) => _ = owners.insert(place, key.clone()),
                None => {}
            }
        }
    }
}

/// Whether there is a rule that no client is excepted from.
fn is_for_all_clients(rules: &VirtualService) -> bool {
    rules.http.iter().any(|rule| {
        let mut blocks = rule.blocks.iter().map(|block| &block.statics);
        rule.blocks.is_empty()
            || blocks.any(|statics| {
                let mesh = statics
                    .gateways
                    .iter()
                    .any(|gateway| **gateway == *MESH_GATEWAY);
                let source =
                    statics.source_labels.is_empty() && statics.source_namespace.is_empty();
                statics.port.is_none() && (mesh || (statics.gateways.is_empty() && source))
            })
    })
}

/// Subsets and policies that an older DestinationRule for the same host has.
fn taken_subsets(world: &World, findings: &mut Vec<Finding>) {
    for rules in world
        .destination_rules
        .values()
        .flat_map(HostRules::by_host)
    {
        let mut subsets = BTreeMap::new();
        let mut policies = BTreeMap::new();
        for rule in rules {
            let key = &rule.meta.key;
            let audience = audience(&rule.export_to);
            for subset in &rule.subsets {
                let place = (audience, &subset.name);
                let owner = *subsets.entry(place).or_insert(key);
                if owner != key {
                    let message = format!(
                        "the subset {} of {} is already in the older DestinationRule {owner}; \
                         this one is ignored",
                        subset.name, rule.host
                    );
                    let what = (Kind::DestinationRule, Problem::SubsetTaken);
                    push(findings, what, key, message);
                }
            }
            if rule.policy.is_some() {
                let owner = *policies.entry(audience).or_insert(key);
                if owner != key {
                    let message = format!(
                        "the trafficPolicy for {} is that of the older DestinationRule {owner}; \
                         this one is ignored",
                        rule.host
                    );
                    let what = (Kind::DestinationRule, Problem::PolicyTaken);
                    push(findings, what, key, message);
                }
            }
        }
    }
}

/// The namespaces for which an object is; all, if `None`.
fn audience(export_to: &ExportTo) -> Option<&BTreeSet<Arc<str>>> {
    match export_to {
        ExportTo::All => None,
        ExportTo::Only(names) => Some(names),
    }
}

/// Servers at a port where an older Gateway for the same pods speaks something else.
fn mixed_ports(world: &World, findings: &mut Vec<Finding>) {
    let mut owners = BTreeMap::new();
    for gateway in &world.gateways {
        for server in &gateway.servers {
            let place = (gateway.selector.clone(), server.port);
            let (owner, is_http) = owners
                .entry(place)
                .or_insert_with(|| (gateway.meta.key.clone(), server.protocol.is_http()));
            if *is_http != server.protocol.is_http() {
                let message = format!(
                    "port {} is used for {} by the Gateway {owner}; the server here is ignored",
                    server.port,
                    if *is_http { "HTTP" } else { "TCP" },
                );
                let what = (Kind::Gateway, Problem::GatewayPortTaken);
                push(findings, what, &gateway.meta.key, message);
            }
        }
    }
}

fn missing_gateways(known: &Admitted<'_>, rules: &VirtualService, findings: &mut Vec<Finding>) {
    let named = rules
        .gateways
        .iter()
        .filter(|name| ***name != *MESH_GATEWAY);
    for name in named.filter(|name| !known.has_gateway(name)) {
        let message = format!(
            "no Gateway {name} is in force: it is missing, invalid, or of another revision"
        );
        let what = (Kind::VirtualService, Problem::MissingGateway);
        push(findings, what, &rules.meta.key, message);
    }
}

/// Destinations that requests can't reach, as the rule's own namespace sees them.
fn missing_destinations(
    view: &View,
    aliases: &Aliases<'_>,
    rules: &VirtualService,
    findings: &mut Vec<Finding>,
) {
    for target in rules.targets() {
        if let Some((problem, message)) = missing(view, aliases, target) {
            let what = (Kind::VirtualService, problem);
            push(findings, what, &rules.meta.key, message);
        }
    }
}

fn missing(view: &View, aliases: &Aliases<'_>, target: &Target) -> Option<(Problem, String)> {
    let host = &target.host;
    let Some(to) = view.destination(host) else {
        let message = match aliases.seen_by(&view.namespace, host) {
            Some(name) => format!(
                "{}: requests that are sent there get 503. Correct its externalName, or create a \
                 ServiceEntry for {name}",
                unknown::target(host, name)
            ),
            None => format!(
                "{}: requests that are sent there get 503",
                unknown::host(host)
            ),
        };
        return Some((Problem::MissingHost, message));
    };
    if let Some(port) = target.port.filter(|port| to.port(*port).is_none()) {
        let message = format!("{host} has no port {port}: requests that are sent there get 503");
        return Some((Problem::MissingPort, message));
    }
    let subset = &*target.subset;
    let known = view
        .rule(&to.host)
        .is_some_and(|rule| rule.subset(subset).is_some());
    (!subset.is_empty() && !known).then(|| {
        let message = format!(
            "no DestinationRule for {host} has the subset {subset}: requests that are sent \
             there get 503"
        );
        (Problem::MissingSubset, message)
    })
}
