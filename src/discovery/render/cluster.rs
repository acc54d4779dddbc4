//! Clusters.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            cluster::v3::{
                CircuitBreakers, Cluster,
                circuit_breakers::Thresholds,
                cluster::{
                    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig,
                    LbPolicy,
                },
            },
            core::v3::{
                BindConfig, Http1ProtocolOptions, Http2ProtocolOptions,
                HttpProtocolOptions as CommonOptions,
            },
        },
        extensions::upstreams::http::v3::{
            HttpProtocolOptions,
            http_protocol_options::{
                ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
                explicit_http_config::ProtocolConfig,
            },
        },
    },
    type_url,
};

use super::{
    Settings,
    common::{ads, duration, istio_metadata, list, map, socket_address, text},
    endpoints::assignment,
    tls,
};
use crate::model::{
    self, BLACK_HOLE_CLUSTER, ConnectionPool, Discovery, INBOUND_PASSTHROUGH_CLUSTER, InboundPort,
    LoadBalancer, PASSTHROUGH_CLUSTER, Transport, UpstreamProtocol,
};

/// The source of connections from a sidecar to its own application, which the capture rules
/// leave alone.
const INBOUND_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same for IPv6.
const INBOUND_SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
/// How often names are resolved where DNS does not say how long an answer is good for.
const DNS_REFRESH: Duration = Duration::from_secs(60);

/// The cluster of a destination, or of a subset of its endpoints.
pub(in crate::discovery) fn outbound_cluster(
    cluster: &model::Cluster,
    transport: &Transport,
) -> Cluster {
    let policy = &cluster.policy;
    let mut rendered = Cluster {
        name: cluster.name.to_string(),
        connect_timeout: Some(duration(policy.connect_timeout)),
        lb_policy: balancer(policy.load_balancer).into(),
        circuit_breakers: Some(limits(&policy.pool)),
        metadata: Some(istio_metadata(metadata(cluster))),
        ..Cluster::default()
    };
    let found = match &cluster.discovery {
        Discovery::Endpoints => {
            rendered.eds_cluster_config = Some(EdsClusterConfig {
                eds_config: Some(ads()),
                service_name: cluster.name.to_string(),
            });
            DiscoveryType::Eds
        }
        Discovery::OriginalDestination => {
            rendered.lb_policy = LbPolicy::ClusterProvided.into();
            DiscoveryType::OriginalDst
        }
        Discovery::Dns(groups) => {
            resolve(&mut rendered);
            rendered.load_assignment = Some(assignment(&cluster.name, groups));
            DiscoveryType::StrictDns
        }
        Discovery::LogicalDns(groups) => {
            resolve(&mut rendered);
            rendered.load_assignment = Some(assignment(&cluster.name, groups));
            DiscoveryType::LogicalDns
        }
    };
    rendered.cluster_discovery_type = Some(ClusterDiscoveryType::Type(found.into()));
    speak(&mut rendered, cluster.protocol, &policy.pool);
    let is_http2 = cluster.protocol == UpstreamProtocol::Http2;
    match transport {
        Transport::Plaintext => {}
        Transport::Mutual(servers) => {
            rendered.transport_socket = Some(tls::upstream(servers, is_http2));
        }
        Transport::Auto(servers) => {
            rendered.transport_socket_matches = tls::by_endpoint(servers, is_http2);
        }
        Transport::Outside(outside) => {
            rendered.transport_socket = Some(tls::outside(outside, is_http2));
        }
    }
    rendered
}

fn resolve(cluster: &mut Cluster) {
    cluster.dns_lookup_family = DnsLookupFamily::V4Preferred.into();
    cluster.dns_refresh_rate = Some(duration(DNS_REFRESH));
    cluster.respect_dns_ttl = true;
}

/// What telemetry and operators want to know: the destination and the rule.
fn metadata(cluster: &model::Cluster) -> Vec<(&'static str, prost_types::Value)> {
    let service = map([
        ("host", text(&*cluster.key.host)),
        ("name", text(&*cluster.service.name)),
        ("namespace", text(&*cluster.service.namespace)),
    ]);
    let mut fields = vec![("services", list([service]))];
    if !cluster.key.subset.is_empty() {
        fields.push(("subset", text(&*cluster.key.subset)));
    }
    if let Some(rule) = &cluster.rule {
        let path = format!(
            "/apis/networking.istio.io/v1/namespaces/{}/destination-rule/{}",
            rule.namespace, rule.name
        );
        fields.push(("config", text(path)));
    }
    fields
}

fn balancer(balancer: LoadBalancer) -> LbPolicy {
    match balancer {
        LoadBalancer::RoundRobin => LbPolicy::RoundRobin,
        LoadBalancer::LeastRequest => LbPolicy::LeastRequest,
        LoadBalancer::Random => LbPolicy::Random,
        LoadBalancer::Passthrough => LbPolicy::ClusterProvided,
    }
}

/// Envoy's own defaults are 1,024 and 3; Istio's are without limit.
fn limits(pool: &ConnectionPool) -> CircuitBreakers {
    let limit = |limit: Option<u32>| Some(limit.unwrap_or(u32::MAX));
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: limit(pool.max_connections),
            max_pending_requests: limit(pool.max_pending_requests),
            max_requests: limit(pool.max_requests),
            max_retries: limit(pool.max_retries),
            ..Thresholds::default()
        }],
        ..CircuitBreakers::default()
    }
}

/// Sets what is spoken to endpoints, where it is not HTTP/1.1 without further ado.
fn speak(cluster: &mut Cluster, protocol: UpstreamProtocol, pool: &ConnectionPool) {
    let protocol = match protocol {
        UpstreamProtocol::Http1 if pool.use_client_protocol => UpstreamProtocol::Downstream,
        UpstreamProtocol::Http1 if pool.upgrade_to_http2 => UpstreamProtocol::Http2,
        protocol => protocol,
    };
    let common = (pool.max_requests_per_connection.is_some() || pool.http_idle_timeout.is_some())
        .then(|| CommonOptions {
            max_requests_per_connection: pool.max_requests_per_connection,
            idle_timeout: pool.http_idle_timeout.map(duration),
            ..CommonOptions::default()
        });
    let upstream = match protocol {
        UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(
            Http2ProtocolOptions::default(),
        )),
        UpstreamProtocol::Downstream => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(Http1ProtocolOptions::default()),
                http2_protocol_options: Some(Http2ProtocolOptions::default()),
            })
        }
        UpstreamProtocol::Http1 | UpstreamProtocol::Tcp if common.is_none() => return,
        UpstreamProtocol::Http1 | UpstreamProtocol::Tcp => explicit(
            ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        ),
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_protocol_options: Some(upstream),
        ..HttpProtocolOptions::default()
    };
    cluster.typed_extension_protocol_options.insert(
        type_url::HTTP_PROTOCOL_OPTIONS_KEY.to_owned(),
        any(type_url::HTTP_PROTOCOL_OPTIONS, &options),
    );
}

fn explicit(protocol: ProtocolConfig) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        protocol_config: Some(protocol),
    })
}

/// A cluster of the connections' original destinations.
fn original_destination(name: &str, settings: &Settings) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst.into(),
        )),
        lb_policy: LbPolicy::ClusterProvided.into(),
        connect_timeout: Some(duration(settings.connect_timeout)),
        circuit_breakers: Some(limits(&ConnectionPool::default())),
        ..Cluster::default()
    }
}

/// The cluster of destinations that the mesh does not know.
pub(in crate::discovery) fn passthrough(settings: &Settings) -> Cluster {
    let mut cluster = original_destination(PASSTHROUGH_CLUSTER, settings);
    speak(
        &mut cluster,
        UpstreamProtocol::Downstream,
        &ConnectionPool::default(),
    );
    cluster
}

/// The cluster without endpoints.
pub(in crate::discovery) fn black_hole(settings: &Settings) -> Cluster {
    Cluster {
        name: BLACK_HOLE_CLUSTER.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        connect_timeout: Some(duration(settings.connect_timeout)),
        ..Cluster::default()
    }
}

/// The cluster of ports of the pod that no Service names.
pub(super) fn inbound_passthrough(is_ipv6_only: bool, settings: &Settings) -> Cluster {
    let mut cluster = original_destination(INBOUND_PASSTHROUGH_CLUSTER, settings);
    cluster.upstream_bind_config = Some(inbound_source(is_ipv6_only));
    speak(
        &mut cluster,
        UpstreamProtocol::Downstream,
        &ConnectionPool::default(),
    );
    cluster
}

/// The cluster of a port of the pod.
pub(super) fn inbound_port(port: &InboundPort, is_ipv6_only: bool, settings: &Settings) -> Cluster {
    let mut cluster = original_destination(&port.cluster, settings);
    cluster.upstream_bind_config = Some(inbound_source(is_ipv6_only));
    let service = map([
        ("host", text(&*port.host)),
        ("name", text(&*port.service.name)),
        ("namespace", text(&*port.service.namespace)),
    ]);
    cluster.metadata = Some(istio_metadata([("services", list([service]))]));
    let protocol = if port.protocol.is_http2() {
        UpstreamProtocol::Http2
    } else if port.protocol.is_tcp() {
        UpstreamProtocol::Tcp
    } else {
        UpstreamProtocol::Downstream
    };
    speak(&mut cluster, protocol, &ConnectionPool::default());
    cluster
}

fn inbound_source(is_ipv6_only: bool) -> BindConfig {
    let source: IpAddr = if is_ipv6_only {
        INBOUND_SOURCE_V6.into()
    } else {
        INBOUND_SOURCE.into()
    };
    BindConfig {
        source_address: Some(socket_address(&source.to_string(), 0)),
        ..BindConfig::default()
    }
}
