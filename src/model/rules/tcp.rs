//! Rules for TCP.

use pillion_api::TcpRoute;

use super::{conditions::Statics, http::Target};
use crate::model::tables::Cidr;

/// A rule: `spec.tcp[]`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct TcpRule {
    /// Its `match`es, one of which must hold; none: it is for all connections.
    pub blocks: Vec<TcpBlock>,
    /// Where to. Those without weight are left out, unless there is only one.
    pub targets: Vec<Target>,
}

/// One `match` of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct TcpBlock {
    /// The conditions on the proxy.
    pub statics: Statics,
    /// The original destinations; none: all of the destination's own.
    pub destinations: Vec<Cidr>,
}

impl TcpRule {
    /// Reads a rule of an object in `namespace`.
    pub fn new(rule: &TcpRoute, namespace: &str, domain: &str) -> Self {
        let single = rule.route.len() == 1;
        let routes = rule.route.iter().filter(|to| single || to.weight > 0);
        let blocks = rule.matches.iter().map(|block| TcpBlock {
            statics: Statics::new(
                block.port,
                &block.gateways,
                (&block.source_labels, &block.source_namespace),
                namespace,
            ),
            destinations: {
                let subnets = block.destination_subnets.iter();
                subnets.filter_map(|text| Cidr::parse(text)).collect()
            },
        });
        Self {
            blocks: blocks.collect(),
            targets: routes
                .map(|to| Target::new(&to.destination, to.weight, namespace, domain))
                .collect(),
        }
    }
}
