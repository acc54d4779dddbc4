//! Which rules a part of a resource was made of, by the metadata that it carries. Pure.

use std::collections::BTreeSet;

use pillion_envoy_api::{
    envoy::config::{core::v3::Metadata, route::v3::Route},
    type_url,
};
use pillion_xds::Resource;
use prost::{Message, bytes::Bytes};
use prost_types::value;

use crate::model::{Key, Kind, ObjectRef};

/// How many rules a refusal is ascribed to.
const RULES: usize = 32;
/// How many parts of a resource a refusal is looked for.
const PARTS: usize = 32;

/// A part of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Nothing narrower is known.
    Whole,
    /// A virtual host of a route table.
    Host { host: usize },
    /// One of its routes.
    Route { host: usize, route: usize },
}

impl Part {
    /// The parts that a reason names, each once and in order: `virtual_hosts[3].routes[1]: …;
    /// virtual_hosts[4].domains[0]: …`, or in Envoy's words `VirtualHosts[3]: … Routes[1]: …`. The
    /// whole, if it names none.
    pub fn of(reason: &str) -> Vec<Self> {
        let mut parts = of_fields(reason);
        if parts.is_empty() {
            parts = of_envoy(reason);
        }
        if parts.is_empty() {
            parts.insert(Self::Whole);
        }
        parts.into_iter().collect()
    }
}

/// The parts by the fields that our proxy names. A route's index follows that of its host.
fn of_fields(reason: &str) -> BTreeSet<Part> {
    let mut parts = BTreeSet::new();
    let mut rest = reason;
    while let Some((_, behind)) = rest.split_once("virtual_hosts[") {
        rest = behind;
        let Some((host, behind)) = index(behind) else {
            continue;
        };
        rest = behind;
        let route = behind.strip_prefix(".routes[").and_then(index);
        let part = match route {
            Some((route, _)) => Part::Route { host, route },
            None => Part::Host { host },
        };
        if parts.len() < PARTS {
            parts.insert(part);
        }
    }
    parts
}

/// The part by Envoy's words, which name one.
fn of_envoy(reason: &str) -> BTreeSet<Part> {
    let host = reason.split_once("VirtualHosts[");
    let Some((host, rest)) = host.and_then(|(_, behind)| index(behind)) else {
        return BTreeSet::new();
    };
    // Its causes come behind colons.
    let routes = rest.split_once("Routes[");
    let routes = routes.filter(|(before, _)| before.ends_with([' ', '.']));
    let part = match routes.and_then(|(_, behind)| index(behind)) {
        Some((route, _)) => Part::Route { host, route },
        None => Part::Host { host },
    };
    [part].into()
}

/// The index at the start of a text, and what is behind its bracket.
fn index(text: &str) -> Option<(usize, &str)> {
    let (index, rest) = text.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// Of a route table, the virtual hosts, undecoded: a table may have 16 MiB.
#[derive(Clone, PartialEq, Message)]
struct Hosts {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    virtual_hosts: Vec<Bytes>,
}

/// Of a virtual host, the routes, undecoded.
#[derive(Clone, PartialEq, Message)]
struct Routes {
    #[prost(bytes = "bytes", repeated, tag = "3")]
    routes: Vec<Bytes>,
}

/// Of a cluster, the metadata.
#[derive(Clone, PartialEq, Message)]
struct ClusterMetadata {
    #[prost(message, optional, tag = "25")]
    metadata: Option<Metadata>,
}

/// The rules that parts of a resource were made of. A whole route table is made of too many to
/// blame any of them.
pub(super) fn rules(resource: &Resource, parts: &[Part]) -> Vec<ObjectRef> {
    let mut rules = match &*resource.body.type_url {
        type_url::ROUTE_CONFIGURATION => of_table(resource, parts).unwrap_or_default(),
        type_url::CLUSTER => of_cluster(resource).into_iter().collect(),
        _ => Vec::new(),
    };
    rules.sort();
    rules.dedup();
    rules.truncate(RULES);
    rules
}

fn of_cluster(resource: &Resource) -> Option<ObjectRef> {
    let cluster = resource.body.unpack::<ClusterMetadata>(type_url::CLUSTER);
    rule(cluster.ok()?.metadata.as_ref()?)
}

fn of_table(resource: &Resource, parts: &[Part]) -> Option<Vec<ObjectRef>> {
    if parts.iter().all(|part| *part == Part::Whole) {
        return None;
    }
    let table = resource.body.unpack::<Hosts>(type_url::ROUTE_CONFIGURATION);
    let table = table.ok()?;
    let rules = parts.iter().filter_map(|part| of_part(&table, *part));
    Some(rules.flatten().collect())
}

fn of_part(table: &Hosts, part: Part) -> Option<Vec<ObjectRef>> {
    let (host, route) = match part {
        Part::Whole => return None,
        Part::Host { host } => (host, None),
        Part::Route { host, route } => (host, Some(route)),
    };
    let host = table.virtual_hosts.get(host)?.clone();
    let routes = Routes::decode(host).ok()?.routes;
    let routes = match route {
        Some(route) => vec![routes.get(route)?.clone()],
        None => routes,
    };
    let decoded = routes
        .into_iter()
        .filter_map(|route| Route::decode(route).ok());
    Some(
        decoded
            .filter_map(|route| rule(route.metadata.as_ref()?))
            .collect(),
    )
}

/// The rule in Istio's metadata: `/apis/networking.istio.io/v1/namespaces/NAMESPACE/KIND/NAME`.
fn rule(metadata: &Metadata) -> Option<ObjectRef> {
    let config = metadata
        .filter_metadata
        .get("istio")?
        .fields
        .get("config")?;
    let value::Kind::StringValue(path) = config.kind.as_ref()? else {
        return None;
    };
    let mut parts = path.rsplit('/');
    let (name, kind, namespace) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = match kind {
        "virtual-service" => Kind::VirtualService,
        "destination-rule" => Kind::DestinationRule,
        _ => return None,
    };
    Some(ObjectRef {
        kind,
        key: Key::new(namespace, name),
    })
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::{
        any,
        envoy::config::{
            cluster::v3::Cluster,
            route::v3::{RouteConfiguration, VirtualHost},
        },
    };
    use prost_types::{Struct, Value};

    use super::*;

    fn metadata(kind: &str, name: &str) -> Option<Metadata> {
        let path = format!("/apis/networking.istio.io/v1/namespaces/shop/{kind}/{name}");
        let value = Value {
            kind: Some(value::Kind::StringValue(path)),
        };
        let fields = [("config".to_owned(), value)].into_iter().collect();
        Some(Metadata {
            filter_metadata: [("istio".to_owned(), Struct { fields })].into(),
            ..Metadata::default()
        })
    }

    fn shown(resource: &Resource, part: Part) -> Vec<String> {
        let found = rules(resource, &[part]);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_the_rules_of_the_part_are_blamed() {
        let route = |name: &str| Route {
            metadata: metadata("virtual-service", name),
            ..Route::default()
        };
        let host = |routes| VirtualHost {
            name: "host".to_owned(),
            domains: vec!["a".to_owned()],
            routes,
            ..VirtualHost::default()
        };
        let table = RouteConfiguration {
            name: "9080".to_owned(),
            virtual_hosts: vec![
                host(vec![route("innocent")]),
                host(vec![
                    route("one"),
                    route("two"),
                    route("one"),
                    Route::default(),
                ]),
            ],
            ..RouteConfiguration::default()
        };
        let table = Resource::new("9080", any(type_url::ROUTE_CONFIGURATION, &table));
        let (one, two) = ("VirtualService shop/one", "VirtualService shop/two");
        let part = Part::Route { host: 1, route: 1 };
        assert_eq!(shown(&table, part), [two]);
        assert_eq!(shown(&table, Part::Host { host: 1 }), [one, two]);
        for part in [
            Part::Whole,
            Part::Host { host: 2 },
            Part::Route { host: 1, route: 3 },
            Part::Route { host: 1, route: 4 },
        ] {
            assert!(shown(&table, part).is_empty(), "{part:?}");
        }
    }

    #[test]
    fn a_cluster_is_made_of_one_rule() {
        let cluster = Cluster {
            name: "c".to_owned(),
            metadata: metadata("destination-rule", "three"),
            ..Cluster::default()
        };
        let cluster = Resource::new("c", any(type_url::CLUSTER, &cluster));
        assert_eq!(shown(&cluster, Part::Whole), ["DestinationRule shop/three"]);
    }

    #[test]
    fn a_reason_names_a_part() {
        let texts = [
            (
                "virtual_hosts[3].routes[1].match: no",
                Part::Route { host: 3, route: 1 },
            ),
            ("virtual_hosts[0].domains[2]: no", Part::Host { host: 0 }),
            (
                "VirtualHosts[3]: failed | caused by Routes[0]: bad",
                Part::Route { host: 3, route: 0 },
            ),
            ("virtual_hosts[x]: no", Part::Whole),
            (
                "virtual_hosts[99999999999999999999999].routes[1]",
                Part::Whole,
            ),
            ("name: no", Part::Whole),
        ];
        for (text, part) in texts {
            assert_eq!(Part::of(text), [part], "{text}");
        }
    }

    #[test]
    fn a_reason_names_all_parts_and_no_other_s_route() {
        let text = "virtual_hosts[0].domains[1]: no; virtual_hosts[3].routes[5]: no; \
                    virtual_hosts[3].routes[5]: no; virtual_hosts[x].routes[7]: no";
        let parts = [Part::Host { host: 0 }, Part::Route { host: 3, route: 5 }];
        assert_eq!(Part::of(text), parts);
        let many: Vec<_> = (0..100)
            .map(|host| format!("virtual_hosts[{host}]: no"))
            .collect();
        assert_eq!(Part::of(&many.join("; ")).len(), PARTS);
    }
}
