//! Messages, with as little in them as works.
//!
//! Resources are named `l`, `c` and so on by the tests that use them.

use pillion_envoy_api::{
    Any, any,
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbPolicy},
            },
            core::v3::{
                Address, AggregatedConfigSource, ConfigSource, SocketAddress, address,
                config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
            },
            endpoint::v3::{
                ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
                lb_endpoint::HostIdentifier,
            },
            listener::v3::{Filter, FilterChain, FilterChainMatch, Listener, filter},
            route::v3::{
                Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
                route_action::ClusterSpecifier, route_match::PathSpecifier,
            },
        },
        extensions::filters::{
            http::router::v3::Router,
            network::{
                http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, Rds,
                    http_connection_manager::RouteSpecifier, http_filter,
                },
                tcp_proxy::v3::{TcpProxy, tcp_proxy},
            },
        },
    },
    type_url,
};

pub fn ads() -> Option<ConfigSource> {
    Some(ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    })
}

pub fn address(host: &str, port: u16) -> Option<Address> {
    Some(Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: host.to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..SocketAddress::default()
        })),
    })
}

pub fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

/// Everything to one cluster.
pub fn action(cluster: &str) -> RouteAction {
    RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..RouteAction::default()
    }
}

pub fn all() -> Option<RouteMatch> {
    Some(RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..RouteMatch::default()
    })
}

pub fn route(action: RouteAction) -> Route {
    Route {
        name: "test".to_owned(),
        r#match: all(),
        action: Some(Action::Route(action)),
        ..Route::default()
    }
}

pub fn host(domains: &[&str], routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        name: domains.join(","),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        routes,
        ..VirtualHost::default()
    }
}

pub fn table(hosts: Vec<VirtualHost>) -> RouteConfiguration {
    RouteConfiguration {
        name: "9080".to_owned(),
        virtual_hosts: hosts,
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

pub fn router() -> HttpFilter {
    http_filter(any(type_url::ROUTER, &Router::default()))
}

pub fn http_filter(config: Any) -> HttpFilter {
    HttpFilter {
        name: "test".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

/// With the route table of that name.
pub fn manager(table: &str) -> HttpConnectionManager {
    HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: ads(),
            route_config_name: table.to_owned(),
        })),
        http_filters: vec![router()],
        ..HttpConnectionManager::default()
    }
}

pub fn tcp(cluster: &str) -> TcpProxy {
    TcpProxy {
        cluster_specifier: Some(tcp_proxy::ClusterSpecifier::Cluster(cluster.to_owned())),
        ..TcpProxy::default()
    }
}

pub fn http_chain(matches: FilterChainMatch, manager: &HttpConnectionManager) -> FilterChain {
    chain(matches, any(type_url::HTTP_CONNECTION_MANAGER, manager))
}

pub fn tcp_chain(matches: FilterChainMatch, proxy: &TcpProxy) -> FilterChain {
    chain(matches, any(type_url::TCP_PROXY, proxy))
}

pub fn chain(matches: FilterChainMatch, config: Any) -> FilterChain {
    FilterChain {
        filter_chain_match: Some(matches),
        filters: vec![filter(config)],
        ..FilterChain::default()
    }
}

pub fn filter(config: Any) -> Filter {
    Filter {
        name: "test".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(config)),
    }
}

/// What the inspectors take for HTTP.
pub fn sniffed() -> FilterChainMatch {
    FilterChainMatch {
        application_protocols: ["http/1.0", "http/1.1", "h2c"].map(str::to_owned).to_vec(),
        transport_protocol: "raw_buffer".to_owned(),
        ..FilterChainMatch::default()
    }
}

/// A listener of what the pod sends to a port, with the route table of that name.
pub fn http_listener(name: &str, port: u16, table: &str) -> Listener {
    Listener {
        name: name.to_owned(),
        address: address("0.0.0.0", port),
        filter_chains: vec![http_chain(FilterChainMatch::default(), &manager(table))],
        bind_to_port: Some(false),
        ..Listener::default()
    }
}

/// What the pod sends elsewhere.
pub fn virtual_outbound(cluster: &str) -> Listener {
    Listener {
        name: "virtualOutbound".to_owned(),
        address: address("0.0.0.0", 15001),
        use_original_dst: Some(true),
        default_filter_chain: Some(tcp_chain(FilterChainMatch::default(), &tcp(cluster))),
        ..Listener::default()
    }
}

/// A cluster whose endpoints come by its name.
pub fn eds_cluster(name: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: ads(),
            ..EdsClusterConfig::default()
        }),
        ..Cluster::default()
    }
}

/// A cluster whose only endpoint DNS names.
pub fn dns_cluster(name: &str, host: &str) -> Cluster {
    let kind = ClusterDiscoveryType::Type(DiscoveryType::StrictDns.into());
    let mut load_assignment = endpoints(name, &[([10, 0, 0, 1], 80).into()]);
    let endpoint = &mut load_assignment.endpoints[0].lb_endpoints[0];
    if let Some(HostIdentifier::Endpoint(endpoint)) = &mut endpoint.host_identifier {
        endpoint.address = address(host, 80);
    }
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(kind),
        load_assignment: Some(load_assignment),
        ..Cluster::default()
    }
}

/// A cluster of original destinations.
pub fn original_cluster(name: &str) -> Cluster {
    let kind = ClusterDiscoveryType::Type(DiscoveryType::OriginalDst.into());
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(kind),
        lb_policy: LbPolicy::ClusterProvided.into(),
        ..Cluster::default()
    }
}

/// The endpoints of a cluster.
pub fn endpoints(cluster: &str, addresses: &[std::net::SocketAddr]) -> ClusterLoadAssignment {
    let endpoints = addresses.iter().map(|to| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: address(&to.ip().to_string(), to.port()),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    });
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: endpoints.collect(),
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

/// A table of one host, all of whose requests go to one cluster.
pub fn table_to(name: &str, cluster: &str) -> RouteConfiguration {
    RouteConfiguration {
        name: name.to_owned(),
        ..table(vec![host(&["*"], vec![route(action(cluster))])])
    }
}
