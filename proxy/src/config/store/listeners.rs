//! The listeners of a generation, from those in force and their route tables.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use super::collection::{Absence, Collection};
use crate::{
    config::compile::{self, Part, Place, RouteTable, Routes, TlsPart},
    tables::{Addresses, Detection, Hosts, HttpListener, Listener, Listeners, TlsChain, TlsChains},
};

/// Puts the listeners together. Where two are for the same connections, the one whose name
/// comes first has them. `patience` is how long a silent client may speak HTTP where the
/// server sets no limit: protocols whose servers speak first would not work otherwise.
pub(super) fn listeners(
    held: &Collection<compile::Listener>,
    tables: &Collection<RouteTable>,
    patience: Duration,
) -> Listeners {
    let mut all = Listeners::default();
    for (name, entry) in held.iter() {
        let Some(listener) = entry.slot.in_force() else {
            continue;
        };
        let build = |part: &Part| build(name, part, tables, patience);
        match &listener.place {
            Place::Outbound => set(&mut all.outbound.default, build(&listener.rest)),
            Place::Inbound => {
                set(&mut all.inbound.default, build(&listener.rest));
                for (port, part) in &listener.ports {
                    all.inbound
                        .ports
                        .entry(*port)
                        .or_insert_with(|| build(part));
                }
            }
            Place::Destinations(addresses) => {
                let built = build(&listener.rest);
                for address in addresses {
                    add(&mut all.outbound, *address, &built);
                }
            }
            Place::Port(port) => bind(&mut all.bound, *port, build(&listener.rest)),
        }
    }
    all
}

fn set(place: &mut Option<Arc<Listener>>, listener: Arc<Listener>) {
    place.get_or_insert(listener);
}

fn bind(bound: &mut BTreeMap<u16, Arc<Listener>>, port: u16, listener: Arc<Listener>) {
    bound.entry(port).or_insert(listener);
}

fn add(addresses: &mut Addresses, address: SocketAddr, listener: &Arc<Listener>) {
    match address.ip().is_unspecified() {
        true => addresses
            .ports
            .entry(address.port())
            .or_insert_with(|| Arc::clone(listener)),
        false => addresses
            .exact
            .entry(address)
            .or_insert_with(|| Arc::clone(listener)),
    };
}

fn build(
    name: &Arc<str>,
    part: &Part,
    tables: &Collection<RouteTable>,
    patience: Duration,
) -> Arc<Listener> {
    let chains = part.tls.iter().map(|part| chain(part, tables));
    let chains: Vec<_> = chains.collect();
    Arc::new(Listener {
        name: Arc::clone(name),
        detection: match part.detection {
            Detection::Sniff(limit) if limit.is_zero() => Detection::Sniff(patience),
            Detection::Tls(limit) if limit.is_zero() => Detection::Tls(patience),
            detection => detection,
        },
        http: part.routes.as_ref().map(|routes| HttpListener {
            hosts: table(routes, tables),
            tracing: part.tracing.clone(),
            client_cert: part.client_cert,
        }),
        tcp: part.tcp.clone(),
        tls: (!chains.is_empty()).then_some(TlsChains {
            chains,
            leaves_others: part.leaves_other_tls,
        }),
    })
}

fn chain(part: &TlsPart, tables: &Collection<RouteTable>) -> TlsChain {
    TlsChain {
        server_names: part.server_names.clone(),
        protocols: part.protocols.clone(),
        ends: part.ends.clone(),
        http: part.routes.as_ref().map(|routes| HttpListener {
            hosts: table(routes, tables),
            tracing: part.tracing.clone(),
            client_cert: part.client_cert,
        }),
        tcp: part.tcp.clone(),
        policy: part.policy.clone(),
    }
}

fn table(routes: &Routes, tables: &Collection<RouteTable>) -> Arc<Hosts> {
    match routes {
        Routes::Inline(hosts) => Arc::clone(hosts),
        Routes::Named(table) => hosts(table, tables),
    }
}

/// A table; one that hasn't come yet is waited for. One that isn't there, or can't be used,
/// answers 503: a 404 would be the application's word that there is no such thing.
fn hosts(name: &str, tables: &Collection<RouteTable>) -> Arc<Hosts> {
    let entry = tables.get(name);
    if let Some(table) = entry.and_then(|entry| entry.slot.in_force()) {
        return Arc::clone(&table.hosts);
    }
    let Some(entry) = entry.filter(|entry| entry.is_settled()) else {
        return Arc::new(Hosts::waiting());
    };
    let text = match (entry.refusal(), entry.absence()) {
        (Some(refusal), _) => {
            format!(
                "this proxy can't use the route table {name:?}: {}",
                refusal.reason
            )
        }
        (None, Some(Absence::NotAnswered)) => {
            format!("the control plane does not send the route table {name:?}")
        }
        (None, Some(Absence::NotAsked)) => format!(
            "this proxy does not ask the control plane for the route table {name:?}: it has too many, or the name is too long"
        ),
        (None, _) => format!("the control plane has no route table {name:?}"),
    };
    Arc::new(Hosts::refusing(&text))
}
