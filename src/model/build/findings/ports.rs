//! Ports of all addresses that two destinations want.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    build::listeners::RESERVED,
    finding::{Finding, Kind, Problem},
    objects::{ExportTo, Key},
    tables::Cidr,
    world::{Destination, Port, World},
};

/// The clients of a port: its number, and whose clients see the destination.
type Audience<'a> = (u16, Option<&'a BTreeSet<Arc<str>>>);

/// How destinations at a port of all addresses are told apart: by addresses, or by the TLS
/// server's name.
type Condition<'a> = (&'a [Cidr], Option<&'a str>);

/// What is at the ports of all addresses so far.
#[derive(Default)]
struct Ports<'a> {
    http: BTreeMap<Audience<'a>, &'a Key>,
    server_first: BTreeMap<Audience<'a>, &'a Key>,
    tcp: BTreeMap<(Audience<'a>, Condition<'a>), &'a Key>,
}

/// Ports that a destination wants and an older one for the same clients has.
pub(super) fn taken(world: &World, findings: &mut Vec<Finding>) {
    let mut ports = Ports::default();
    for to in &world.destinations {
        for port in &to.ports {
            if let Some(message) = ports.add(to, port) {
                let kind = match to.external {
                    Some(_) => Kind::ServiceEntry,
                    None => Kind::Service,
                };
                let key = &to.meta.key;
                findings.push(Finding::new(kind, key, Problem::PortTaken, message));
            }
        }
    }
}

impl<'a> Ports<'a> {
    /// Adds a port, or says why it is not used.
    fn add(&mut self, to: &'a Destination, port: &Port) -> Option<String> {
        let number = port.number;
        let audience = match &to.export_to {
            ExportTo::All => (number, None),
            ExportTo::Only(names) => (number, Some(names)),
        };
        let key = &to.meta.key;
        let is_anywhere = port.protocol.is_http() || is_without_address(to);
        if is_anywhere && RESERVED.contains(&number) {
            return Some(format!(
                "port {number} is the proxy's own: sidecars don't route it"
            ));
        }
        if port.protocol.is_http() {
            if let Some(owner) = self.server_first.get(&audience) {
                return Some(format!(
                    "sidecars don't read HTTP at port {number}, because {owner} has a protocol \
                     there in which the server speaks first, and no addresses that would tell \
                     its connections apart"
                ));
            }
            self.http.entry(audience).or_insert(key);
            return None;
        }
        if !is_without_address(to) {
            return None;
        }
        if port.protocol.is_server_first() {
            if let Some(owner) = self.http.get(&audience) {
                return Some(format!(
                    "port {number} is ignored, because {owner} has HTTP there, and the protocol \
                     here, in which the server speaks first, can't be told from it: add \
                     addresses"
                ));
            }
            self.server_first.entry(audience).or_insert(key);
        }
        let name = port.protocol.is_tls().then_some(&*to.host);
        let condition = (&*to.addresses, name);
        let owner = *self.tcp.entry((audience, condition)).or_insert(key);
        (owner != key).then(|| {
            format!(
                "port {number} is ignored, because {owner} has it for all addresses: add \
                 addresses that tell them apart"
            )
        })
    }
}

/// Whether its connections go to the listener of all addresses.
fn is_without_address(to: &Destination) -> bool {
    !to.is_headless() && !to.addresses.iter().any(Cidr::is_single)
}
