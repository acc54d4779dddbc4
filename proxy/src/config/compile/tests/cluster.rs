//! Clusters and their endpoints.

use std::{num::NonZeroU32, time::Duration};

use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            cluster::v3::{
                CircuitBreakers, Cluster as Message, LoadBalancingPolicy, OutlierDetection,
                circuit_breakers::{Thresholds, thresholds::RetryBudget as Budget},
                cluster::{
                    ClusterDiscoveryType, CommonLbConfig, DiscoveryType, DnsLookupFamily,
                    EdsClusterConfig, LbConfig, LbPolicy, LeastRequestLbConfig,
                    TransportSocketMatch, common_lb_config::LocalityConfigSpecifier,
                },
            },
            core::v3::{
                BindConfig, HealthStatus, Http2ProtocolOptions, HttpProtocolOptions as Common,
                Metadata, SocketAddress, TransportSocket,
            },
            endpoint::v3::{
                ClusterLoadAssignment, Endpoint as EndpointMessage, LbEndpoint,
                LocalityLbEndpoints, lb_endpoint::HostIdentifier,
            },
        },
        extensions::upstreams::http::v3::{
            HttpProtocolOptions,
            http_protocol_options::{
                ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
            },
        },
        r#type::v3::Percent,
    },
    type_url,
};
use prost::Message as _;
use prost_types::{ListValue, Struct, Value, value::Kind};

use crate::config::test_util::{address, ads, seconds};
use crate::{
    config::compile::{Cluster, Discovery, Family, Fault, Host, assignment, cluster},
    tables::{Balancer, Source, UpstreamProtocol},
};

fn of_type(kind: DiscoveryType) -> Message {
    Message {
        name: "c".to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        ..Message::default()
    }
}

fn eds() -> Message {
    Message {
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: ads(),
            ..EdsClusterConfig::default()
        }),
        ..of_type(DiscoveryType::Eds)
    }
}

fn compiled(message: &Message) -> Result<Cluster, Fault> {
    cluster("c", &message.encode_to_vec())
}

fn endpoint(host: &str, health: HealthStatus) -> LbEndpoint {
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(EndpointMessage {
            address: address(host, 80),
            ..EndpointMessage::default()
        })),
        health_status: health.into(),
        ..LbEndpoint::default()
    }
}

fn endpoints(all: Vec<LbEndpoint>) -> ClusterLoadAssignment {
    ClusterLoadAssignment {
        cluster_name: "c".to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: all,
            priority: 1,
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

fn protocol(options: &HttpProtocolOptions) -> Message {
    let mut message = eds();
    message.typed_extension_protocol_options.insert(
        type_url::HTTP_PROTOCOL_OPTIONS_KEY.to_owned(),
        any(type_url::HTTP_PROTOCOL_OPTIONS, options),
    );
    message
}

fn http2() -> UpstreamProtocolOptions {
    let options = Http2ProtocolOptions::default();
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(options)),
    })
}

#[test]
fn endpoints_come_by_the_service_s_name_or_the_cluster_s() {
    let discovery = |message: &Message| compiled(message).unwrap().discovery;
    assert_eq!(discovery(&eds()), Discovery::Assignment("c".into()));
    let mut other = eds();
    other.eds_cluster_config.as_mut().unwrap().service_name = "s".to_owned();
    assert_eq!(discovery(&other), Discovery::Assignment("s".into()));
    let mut original = of_type(DiscoveryType::OriginalDst);
    original.lb_policy = LbPolicy::ClusterProvided.into();
    assert_eq!(discovery(&original), Discovery::OriginalDestination);
    let Discovery::Static(none) = discovery(&of_type(DiscoveryType::Static)) else {
        panic!("BlackHoleCluster has endpoints");
    };
    assert_eq!(none.endpoints().count(), 0);
}

#[test]
fn settings_are_those_of_the_cluster_or_envoy_s_defaults() {
    let settings = compiled(&eds()).unwrap().settings;
    assert_eq!(settings.balancer, Balancer::RoundRobin);
    assert_eq!(settings.protocol, UpstreamProtocol::Http1);
    assert_eq!(settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(
        (settings.limits.requests, settings.limits.retries),
        (1024, 3)
    );
    assert_eq!(settings.source, Source::Any);

    let mut message = protocol(&HttpProtocolOptions {
        common_http_protocol_options: Some(Common {
            idle_timeout: seconds(30),
            max_requests_per_connection: Some(7),
            ..Common::default()
        }),
        upstream_protocol_options: Some(http2()),
        ..HttpProtocolOptions::default()
    });
    message.lb_policy = LbPolicy::LeastRequest.into();
    message.connect_timeout = seconds(10);
    message.circuit_breakers = Some(CircuitBreakers {
        thresholds: vec![Thresholds {
            max_requests: Some(5),
            retry_budget: Some(Budget {
                budget_percent: Some(Percent { value: 25.0 }),
                min_retry_concurrency: None,
            }),
            ..Thresholds::default()
        }],
        ..CircuitBreakers::default()
    });
    let settings = compiled(&message).unwrap().settings;
    assert_eq!(settings.balancer, Balancer::LeastRequest);
    assert_eq!(settings.protocol, UpstreamProtocol::Http2);
    assert_eq!(settings.connect_timeout, Duration::from_secs(10));
    assert_eq!(settings.idle_timeout, Some(Duration::from_secs(30)));
    assert_eq!(settings.max_requests_per_connection, NonZeroU32::new(7));
    assert_eq!(
        (settings.limits.requests, settings.limits.connections),
        (5, 1024)
    );
    let budget = settings.retry_budget.unwrap();
    assert_eq!((budget.percent, budget.min_concurrency), (25.0, 3));
}

#[test]
fn inbound_clusters_have_a_source_that_is_not_captured() {
    let mut message = of_type(DiscoveryType::OriginalDst);
    message.lb_policy = LbPolicy::ClusterProvided.into();
    let bind = |address: &str| {
        Some(BindConfig {
            source_address: Some(SocketAddress {
                address: address.to_owned(),
                ..SocketAddress::default()
            }),
            ..BindConfig::default()
        })
    };
    message.upstream_bind_config = bind("127.0.0.6");
    assert_eq!(compiled(&message).unwrap().settings.source, Source::Inbound);
    message.upstream_bind_config = bind("10.0.0.1");
    let fault = compiled(&message).unwrap_err().to_string();
    assert!(fault.starts_with("upstream_bind_config.source_address.address: must be 127.0.0.6"));
}

#[test]
fn metrics_know_the_service() {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let service = Struct {
        fields: [("host", "a.b.svc"), ("name", "a"), ("namespace", "b")]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into(),
    };
    let list = ListValue {
        values: vec![Value {
            kind: Some(Kind::StructValue(service)),
        }],
    };
    let services = Value {
        kind: Some(Kind::ListValue(list)),
    };
    let istio = Struct {
        fields: [("services".to_owned(), services)].into(),
    };
    let mut message = eds();
    message.metadata = Some(Metadata {
        filter_metadata: [("istio".to_owned(), istio)].into(),
        ..Metadata::default()
    });
    let service = compiled(&message).unwrap().settings.service.unwrap();
    assert_eq!(
        (&*service.host, &*service.name, &*service.namespace),
        ("a.b.svc", "a", "b")
    );
}

#[test]
fn endpoints_that_the_server_calls_unhealthy_are_left_out() {
    let message = endpoints(vec![
        endpoint("10.0.0.1", HealthStatus::Healthy),
        endpoint("10.0.0.2", HealthStatus::Unhealthy),
        endpoint("10.0.0.3", HealthStatus::Draining),
        endpoint("fd00::4", HealthStatus::Unknown),
    ]);
    let found = assignment("c", &message.encode_to_vec()).unwrap();
    let hosts: Vec<_> = found
        .endpoints()
        .map(|endpoint| endpoint.host.clone())
        .collect();
    let address = |text: &str| Host::Address(text.parse().unwrap());
    assert_eq!(hosts, [address("10.0.0.1"), address("fd00::4")]);
    assert_eq!(found.localities[0].priority, 1);
}

#[test]
fn only_dns_has_names() {
    let named = endpoints(vec![endpoint("a.example.", HealthStatus::Healthy)]);
    let fault = assignment("c", &named.encode_to_vec())
        .unwrap_err()
        .to_string();
    assert!(fault.contains("STRICT_DNS"), "{fault}");
    let mut message = of_type(DiscoveryType::StrictDns);
    message.load_assignment = Some(named);
    message.dns_lookup_family = DnsLookupFamily::V4Only.into();
    message.respect_dns_ttl = true;
    let Discovery::Dns(dns) = compiled(&message).unwrap().discovery else {
        panic!("it isn't DNS");
    };
    assert_eq!((dns.family, dns.refresh), (Family::V4, None));
    let host = &dns.endpoints.localities[0].endpoints[0].host;
    assert_eq!(*host, Host::Name("a.example".to_owned()));
    message.respect_dns_ttl = false;
    let Discovery::Dns(dns) = compiled(&message).unwrap().discovery else {
        panic!("it isn't DNS");
    };
    assert_eq!(dns.refresh, Some(Duration::from_secs(5)));
}

#[test]
fn localities_are_weighed_where_the_cluster_says_so() {
    let mut message = eds();
    assert!(!compiled(&message).unwrap().weighs_localities);
    let weighted = LocalityConfigSpecifier::LocalityWeightedLbConfig(Default::default());
    message.common_lb_config = Some(CommonLbConfig {
        locality_config_specifier: Some(weighted),
        ..CommonLbConfig::default()
    });
    assert!(compiled(&message).unwrap().weighs_localities);
}

#[test]
fn refuses_what_it_does_not_do() {
    type Change = fn(&mut Message);
    let changes: [(Change, &str); 10] = [
        (
            |c| c.lb_policy = LbPolicy::RingHash.into(),
            "lb_policy: RING_HASH",
        ),
        (
            |c| c.lb_policy = LbPolicy::ClusterProvided.into(),
            "lb_policy: CLUSTER_PROVIDED",
        ),
        (
            |c| c.outlier_detection = Some(OutlierDetection::default()),
            "outlier_detection: ",
        ),
        (
            |c| c.transport_socket_matches = vec![TransportSocketMatch::default()],
            "transport_socket_matches[0].transport_socket: is missing",
        ),
        (
            |c| c.transport_socket = Some(TransportSocket::default()),
            "transport_socket.typed_config: only plaintext",
        ),
        (
            |c| c.load_balancing_policy = Some(LoadBalancingPolicy::default()),
            "load_balancing_policy: ",
        ),
        (
            |c| {
                c.lb_config = Some(LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                    choice_count: Some(3),
                    ..LeastRequestLbConfig::default()
                }));
            },
            "least_request_lb_config.choice_count: must be 2",
        ),
        (
            |c| c.eds_cluster_config = None,
            "eds_cluster_config.eds_config: is missing",
        ),
        (|c| c.connect_timeout = seconds(-1), "connect_timeout: "),
        (
            |c| c.name = "d".to_owned(),
            "name: is \"d\" in the resource \"c\"",
        ),
    ];
    for (change, expected) in changes {
        let mut message = eds();
        change(&mut message);
        let fault = compiled(&message).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn refuses_fields_that_it_does_not_know() {
    let mut bytes = eds().encode_to_vec();
    // Field 49, a varint.
    bytes.extend([0x88, 0x03, 0x01]);
    let fault = cluster("c", &bytes).unwrap_err().to_string();
    assert_eq!(fault, "#49: is not known to this proxy");
    assert!(cluster("c", &[0xff]).is_err());
}
