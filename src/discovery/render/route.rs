//! Route tables.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use pillion_envoy_api::envoy::config::route::v3::{
    DirectResponseAction, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
    route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier,
    virtual_host::TlsRequirementType,
};

use super::{
    common::{duration, istio_metadata, text},
    operation::{decorator, operation},
    route_action::{action, operations},
    route_match::route_match,
};
use crate::model::{self, Fallback, PASSTHROUGH_CLUSTER, RouteTable, RuleRef};

/// The domain of every host.
const ANY: &str = "*";
/// The longest body of an answer, in bytes: Istio's limit.
const BODY: u32 = 1 << 20;
/// The answer to requests for hosts that the mesh does not know.
const BAD_GATEWAY: u32 = 502;

/// A route table.
pub(in crate::discovery) fn route_configuration(table: &RouteTable) -> RouteConfiguration {
    let port = port_of(&table.name);
    let mut hosts = virtual_hosts(&table.hosts, port);
    let has_any = table
        .hosts
        .iter()
        .any(|host| host.domains.iter().any(|domain| &**domain == ANY));
    if !has_any {
        hosts.extend(fallback(table.fallback));
    }
    configuration(&table.name, hosts)
}

/// The virtual hosts. Those that share their routes, as the hosts of one VirtualService do, are one:
/// routes are rendered once, however many hosts they are for. It has the VirtualService's name, which
/// stays as hosts come and go: proxies keep the last good version of a virtual host by its name.
fn virtual_hosts(hosts: &[Arc<model::VirtualHost>], port: u16) -> Vec<VirtualHost> {
    let mut rendered: Vec<VirtualHost> = Vec::new();
    let mut places = HashMap::new();
    let (mut joined, mut names) = (BTreeMap::new(), BTreeSet::new());
    for host in hosts {
        let routes = (Arc::as_ptr(&host.routes), host.https_redirect);
        let place = *places.entry(routes).or_insert(rendered.len());
        match rendered.get_mut(place) {
            Some(same) => {
                same.domains.extend(domains(host));
                joined.insert(place, host);
            }
            None => rendered.push(virtual_host(host, port)),
        }
    }
    for (place, host) in joined {
        if let Some(name) = joined_name(host).filter(|name| names.insert(name.clone()))
            && let Some(same) = rendered.get_mut(place)
        {
            same.name = name;
        }
    }
    rendered
}

/// The name of virtual hosts that are one: `NAMESPACE/NAME:PORT`, with all VirtualServices from which
/// they have routes.
fn joined_name(host: &model::VirtualHost) -> Option<String> {
    let rules = host.routes.routes.iter().filter_map(|route| {
        let rule = route.rule.as_ref()?;
        Some(rule.object.to_string())
    });
    let rules: BTreeSet<String> = rules.collect();
    let (_, port) = host.name.rsplit_once(':')?;
    let rules = Vec::from_iter(rules);
    (!rules.is_empty()).then(|| format!("{}:{port}", rules.join("+")))
}

fn domains(host: &model::VirtualHost) -> impl Iterator<Item = String> {
    host.domains.iter().map(ToString::to_string)
}

fn configuration(name: &str, virtual_hosts: Vec<VirtualHost>) -> RouteConfiguration {
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        // A rule may name a cluster that does not exist yet.
        validate_clusters: Some(false),
        ignore_port_in_host_matching: true,
        max_direct_response_body_size_bytes: Some(BODY),
        ..RouteConfiguration::default()
    }
}

/// The port of the listeners that use a table, by its name: `PORT`, `HOST:PORT`, `http.PORT`.
fn port_of(table: &str) -> u16 {
    let digits = table.rsplit([':', '.']).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

fn virtual_host(host: &model::VirtualHost, port: u16) -> VirtualHost {
    VirtualHost {
        name: host.name.to_string(),
        domains: domains(host).collect(),
        routes: host
            .routes
            .routes
            .iter()
            .map(|route| self::route(route, port))
            .collect(),
        require_tls: if host.https_redirect {
            TlsRequirementType::All.into()
        } else {
            TlsRequirementType::None.into()
        },
        include_request_attempt_count: true,
        ..VirtualHost::default()
    }
}

fn route(route: &model::Route, port: u16) -> Route {
    let matches = route_match(&route.matches);
    let request = operations(&route.request_headers);
    let response = operations(&route.response_headers);
    Route {
        name: route.name.to_string(),
        decorator: Some(operation(route, &matches, port)),
        r#match: Some(matches),
        action: Some(action(&route.action, port)),
        metadata: route
            .rule
            .as_ref()
            .map(|rule| istio_metadata([config(rule)])),
        request_headers_to_add: request.add,
        request_headers_to_remove: request.remove,
        response_headers_to_add: response.add,
        response_headers_to_remove: response.remove,
        ..Route::default()
    }
}

/// The rule that a route is from, as Istio writes it.
fn config(rule: &RuleRef) -> (&'static str, prost_types::Value) {
    let (namespace, name) = (&rule.object.namespace, &rule.object.name);
    let path =
        format!("/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{name}");
    ("config", text(path))
}

/// The host of requests for hosts that a table does not know; without one, they get a 404.
fn fallback(fallback: Fallback) -> Option<VirtualHost> {
    let (name, action) = match fallback {
        Fallback::NotFound => return None,
        Fallback::AllowAny => ("allow_any", to_cluster(PASSTHROUGH_CLUSTER)),
        Fallback::BlockAll => (
            "block_all",
            Action::DirectResponse(DirectResponseAction {
                status: BAD_GATEWAY,
                body: None,
            }),
        ),
    };
    Some(any_host(name, name, action))
}

/// The routes of an inbound cluster: all requests, without a limit of time. The client's
/// side decides about retries and timeouts. Spans are named for the Service's host and port.
pub(super) fn inbound_routes(cluster: &str, service: &str, port: u16) -> RouteConfiguration {
    let host = match cluster.split('|').nth(1) {
        Some(port) => format!("inbound|http|{port}"),
        None => "inbound|http|0".to_owned(),
    };
    let mut host = any_host(&host, "default", to_cluster(cluster));
    for route in &mut host.routes {
        route.decorator = Some(decorator(service, port, "/*"));
    }
    configuration(
        cluster,
        vec![VirtualHost {
            include_request_attempt_count: false,
            ..host
        }],
    )
}

/// A host with one route, for all requests.
fn any_host(name: &str, route: &str, action: Action) -> VirtualHost {
    VirtualHost {
        name: name.to_owned(),
        domains: vec![ANY.to_owned()],
        routes: vec![Route {
            name: route.to_owned(),
            r#match: Some(RouteMatch {
                path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
                ..RouteMatch::default()
            }),
            action: Some(action),
            ..Route::default()
        }],
        include_request_attempt_count: true,
        ..VirtualHost::default()
    }
}

fn to_cluster(cluster: &str) -> Action {
    Action::Route(RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        timeout: Some(duration(Duration::ZERO)),
        max_grpc_timeout: Some(duration(Duration::ZERO)),
        ..RouteAction::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Routes;

    fn host(name: &str, routes: &Arc<Routes>) -> Arc<model::VirtualHost> {
        Arc::new(model::VirtualHost {
            name: name.into(),
            domains: vec![name.into()],
            routes: Arc::clone(routes),
            https_redirect: false,
        })
    }

    #[test]
    fn hosts_with_the_same_routes_are_one() {
        let to = |cluster: &str| Arc::new(Routes::to_cluster(cluster.into()));
        let (shared, other) = (to("a"), to("b"));
        let hosts = [host("a", &shared), host("b", &other), host("c", &shared)];
        let hosts = virtual_hosts(&hosts, 80);
        let shown: Vec<_> = hosts
            .iter()
            .map(|host| (&*host.name, host.domains.join(" ")))
            .collect();
        assert_eq!(shown, [("a", "a c".to_owned()), ("b", "b".to_owned())]);
    }

    /// A proxy keeps the last good version of a virtual host by its name.
    #[test]
    fn hosts_of_a_rule_keep_their_name_as_others_come() {
        let mut routes = Routes::to_cluster("a".into());
        routes.routes[0].rule = Some(RuleRef {
            object: model::Key::new("shop", "web"),
            rule: 0,
            block: None,
        });
        let routes = Arc::new(routes);
        let named = |name: &str| host(&format!("{name}:80"), &routes);
        let name = |hosts: &[_]| {
            let hosts = virtual_hosts(hosts, 80);
            let names = hosts.iter().map(|host| host.name.clone());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(name(&[named("b.com"), named("c.com")]), "shop/web:80");
        let three = [named("a.com"), named("b.com"), named("c.com")];
        assert_eq!(name(&three), "shop/web:80");
        assert_eq!(name(&[named("b.com")]), "b.com:80");
        // Two that differ in more than their routes have two names.
        let mut redirected = [named("d.com"), named("e.com")];
        for host in &mut redirected {
            Arc::make_mut(host).https_redirect = true;
        }
        let both = [&three[..], &redirected].concat();
        assert_eq!(name(&both), "shop/web:80 d.com:80");
    }

    #[test]
    fn a_tables_name_has_its_port() {
        for (name, port) in [("9080", 9080), ("a.b.svc:80", 80), ("http.8080", 8080)] {
            assert_eq!(port_of(name), port, "{name}");
        }
    }
}
