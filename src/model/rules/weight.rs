//! About how large the routes of a VirtualService are once they are rendered.

use std::collections::BTreeMap;

use super::{
    conditions::Statics,
    headers::HeaderChanges,
    http::{HttpAction, HttpBlock, HttpRule},
    tcp::TcpRule,
};
use crate::model::routes::{HeaderOperations, PathMatch, PathRewrite, TextMatch, ValueMatch};

/// What a route, a cluster of it and a change of a header take besides their texts, in bytes.
const ROUTE: usize = 512;
const CLUSTER: usize = 64;
const HEADER: usize = 32;
/// What a filter chain for TCP and one of its ranges of addresses take.
const CHAIN: usize = 768;
const RANGE: usize = 40;

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::model) struct Weight {
    /// The routes.
    pub routes: usize,
    /// About their bytes.
    pub bytes: usize,
}

impl Weight {
    fn add(&mut self, routes: usize, bytes: usize) {
        self.routes += routes;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// How much the routes for HTTP are that hold at some places, by the port of the table.
#[derive(Clone, Debug, Default)]
pub(in crate::model) struct Weights {
    /// Those of all ports.
    any: Weight,
    /// Those that name a port.
    ports: BTreeMap<u16, Weight>,
}

impl Weights {
    /// The routes of which `holds` says that their conditions on the proxy do.
    pub fn new(rules: &[HttpRule], holds: impl Fn(&Statics) -> bool) -> Self {
        let mut weights = Self::default();
        for rule in rules {
            let own = ROUTE + of_rule(rule);
            if rule.blocks.is_empty() {
                weights.any.add(1, own);
            }
            for block in rule.blocks.iter().filter(|block| holds(&block.statics)) {
                let bytes = own.saturating_add(of_block(block));
                match block.statics.named_port() {
                    Some(port) => weights.ports.entry(port).or_default().add(1, bytes),
                    None => weights.any.add(1, bytes),
                }
            }
        }
        weights
    }

    /// The routes in the table of a port.
    pub fn at(&self, port: u16) -> Weight {
        let mut weight = self.any;
        if let Some(own) = self.ports.get(&port) {
            weight.add(own.routes, own.bytes);
        }
        weight
    }
}

/// All filter chains for TCP, at one listener.
pub(super) fn of_tcp(rules: &[TcpRule]) -> Weight {
    let mut weight = Weight::default();
    for rule in rules {
        let targets = rule.targets.iter();
        let targets: usize = targets
            .map(|to| CLUSTER + to.host.len() + to.subset.len())
            .sum();
        let ranges = rule.blocks.iter().map(|block| block.destinations.len());
        weight.routes += 1;
        weight.bytes += CHAIN + targets + RANGE * ranges.sum::<usize>();
    }
    weight
}

fn of_rule(rule: &HttpRule) -> usize {
    let action = match &rule.action {
        HttpAction::Forward {
            targets,
            retries,
            authority,
            path_rewrite,
            ..
        } => {
            let targets = targets.iter().map(|(to, headers)| {
                CLUSTER + to.host.len() + to.subset.len() + of_changes(headers)
            });
            let conditions = retries.iter().flat_map(|retries| &retries.conditions);
            let rewrite = match path_rewrite {
                Some(PathRewrite::Prefix(prefix)) => prefix.len(),
                Some(PathRewrite::Regex {
                    pattern,
                    substitution,
                }) => pattern.len() + substitution.len(),
                None => 0,
            };
            targets.sum::<usize>()
                + conditions.map(|one| one.len()).sum::<usize>()
                + rewrite
                + authority.as_ref().map_or(0, |one| one.len())
        }
        HttpAction::Redirect(to) => {
            let texts = [&to.path, &to.prefix_rewrite, &to.authority, &to.scheme];
            texts.into_iter().flatten().map(|text| text.len()).sum()
        }
        HttpAction::Respond(response) => response.body.len(),
    };
    rule.name.len() + action + of_changes(&rule.headers)
}

fn of_changes(headers: &HeaderChanges) -> usize {
    let authority = headers.authority.as_ref().map_or(0, |one| one.len());
    of_operations(&headers.request) + of_operations(&headers.response) + authority
}

fn of_operations(operations: &HeaderOperations) -> usize {
    let written = operations.write.iter();
    let written = written.map(|one| HEADER + one.name.len() + one.value.len());
    let removed = operations.remove.iter().map(|name| HEADER + name.len());
    written.chain(removed).sum()
}

fn of_block(block: &HttpBlock) -> usize {
    let matches = &block.matches;
    let path = match &matches.path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Regex(text) => text.len(),
    };
    let texts = [&matches.method, &matches.authority, &matches.scheme];
    let texts = texts
        .into_iter()
        .flatten()
        .map(|text| HEADER + of_text(text));
    let maps = [&matches.headers, &matches.without_headers, &matches.query];
    let values = maps.into_iter().flatten().map(|(name, value)| {
        let value = match value {
            ValueMatch::Present => 0,
            ValueMatch::Text(text) => of_text(text),
        };
        HEADER + name.len() + value
    });
    block.name.len() + path + texts.chain(values).sum::<usize>()
}

fn of_text(text: &TextMatch) -> usize {
    match text {
        TextMatch::Exact(text) | TextMatch::Prefix(text) | TextMatch::Regex(text) => text.len(),
    }
}
