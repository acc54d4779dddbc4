//! TLS in the shape that Istio gives it, at both ends.

use std::collections::BTreeMap;

use pillion_certs::mesh::OutsideName;
use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            cluster::v3::{
                Cluster as ClusterMessage,
                cluster::{ClusterDiscoveryType, DiscoveryType, TransportSocketMatch},
            },
            core::v3::{
                ApiConfigSource, ConfigSource, DataSource, Metadata, TrafficDirection,
                TransportSocket, config_source::ConfigSourceSpecifier, data_source::Specifier,
                transport_socket::ConfigType,
            },
            listener::v3::{
                FilterChain, FilterChainMatch, Listener as Message, ListenerFilter, listener_filter,
            },
        },
        extensions::{
            filters::{
                listener::original_dst::v3::OriginalDst,
                network::http_connection_manager::v3::http_connection_manager::{
                    ForwardClientCertDetails, SetCurrentClientCertDetails,
                },
            },
            transport_sockets::{
                raw_buffer::v3::RawBuffer,
                tls::v3::{
                    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext,
                    SdsSecretConfig, SubjectAltNameMatcher, TlsCertificate, TlsParameters,
                    UpstreamTlsContext,
                    common_tls_context::{
                        CombinedCertificateValidationContext, ValidationContextType,
                    },
                    subject_alt_name_matcher::SanType,
                    tls_parameters::TlsProtocol,
                },
            },
        },
        r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
    },
    type_url,
};
use prost::Message as _;
use prost_types::{Struct, Value, value::Kind as ValueKind};

use crate::config::test_util::{address, endpoints, http_chain, manager, sniffed, tcp, tcp_chain};
use crate::{
    config::compile::{Cluster, Fault, Listener, Part, cluster, listener},
    kind::Kind,
    tables::{
        CertificateFiles, Detection, ForwardClientCert, Outside, Patterns, Proof, SanMatch,
        TcpAction,
    },
};

fn sds(name: &str) -> SdsSecretConfig {
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ConfigSource {
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(
                ApiConfigSource::default(),
            )),
            ..ConfigSource::default()
        }),
    }
}

fn common(alpn: &[&str], san: MatchPattern) -> CommonTlsContext {
    let san = SubjectAltNameMatcher {
        san_type: SanType::Uri.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(san),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    };
    CommonTlsContext {
        tls_params: Some(TlsParameters {
            tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
            cipher_suites: vec!["ECDHE-ECDSA-AES256-GCM-SHA384".to_owned()],
            ..TlsParameters::default()
        }),
        tls_certificate_sds_secret_configs: vec![sds("default")],
        alpn_protocols: alpn.iter().map(|it| (*it).to_owned()).collect(),
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(
            CombinedCertificateValidationContext {
                default_validation_context: Some(CertificateValidationContext {
                    match_typed_subject_alt_names: vec![san],
                    ..CertificateValidationContext::default()
                }),
                validation_context_sds_secret_config: Some(sds("ROOTCA")),
            },
        )),
        ..CommonTlsContext::default()
    }
}

fn downstream() -> DownstreamTlsContext {
    let domain = MatchPattern::Prefix("spiffe://cluster.local/".to_owned());
    DownstreamTlsContext {
        common_tls_context: Some(common(&["h2", "http/1.1"], domain)),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    }
}

fn upstream() -> UpstreamTlsContext {
    let account = MatchPattern::Exact("spiffe://cluster.local/ns/shop/sa/reviews".to_owned());
    UpstreamTlsContext {
        common_tls_context: Some(common(&["istio"], account)),
        sni: "outbound_.9080_._.reviews.shop.svc.cluster.local".to_owned(),
        ..UpstreamTlsContext::default()
    }
}

fn socket(config: pillion_envoy_api::Any) -> Option<TransportSocket> {
    Some(TransportSocket {
        name: "tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
    })
}

fn ending(mut chain: FilterChain, context: &DownstreamTlsContext) -> FilterChain {
    chain.transport_socket = socket(any(type_url::DOWNSTREAM_TLS_CONTEXT, context));
    chain
}

fn matching(transport: &str, protocols: &[&str]) -> FilterChainMatch {
    FilterChainMatch {
        destination_port: Some(9080),
        transport_protocol: transport.to_owned(),
        application_protocols: protocols.iter().map(|it| (*it).to_owned()).collect(),
        ..FilterChainMatch::default()
    }
}

const HTTP: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];

fn inbound(chains: Vec<FilterChain>) -> Result<Listener, Fault> {
    let message = Message {
        name: "l".to_owned(),
        address: address("0.0.0.0", 15006),
        filter_chains: chains,
        traffic_direction: TrafficDirection::Inbound.into(),
        listener_filters: vec![ListenerFilter {
            config_type: Some(listener_filter::ConfigType::TypedConfig(any(
                type_url::ORIGINAL_DST,
                &OriginalDst::default(),
            ))),
            ..ListenerFilter::default()
        }],
        ..Message::default()
    };
    let bytes = message.encode_to_vec();
    listener(Kind::Sidecar, &Patterns::default(), "l", &bytes)
}

/// What is done at port 9080.
fn part(chains: Vec<FilterChain>) -> Part {
    let mut listener = inbound(chains).unwrap();
    assert!(listener.faults.is_empty(), "{}", listener.faults);
    listener.ports.remove(&9080).unwrap()
}

fn faults(chains: Vec<FilterChain>) -> String {
    match inbound(chains) {
        Ok(listener) => listener.faults.to_string(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn an_http_port_takes_both_or_tls_alone() {
    let secured = || {
        let chain = http_chain(matching("tls", &HTTP), &manager("9080"));
        ending(chain, &downstream())
    };
    let plain = http_chain(matching("raw_buffer", &[]), &manager("9080"));
    let both = part(vec![secured(), plain]);
    assert_eq!(both.detection, Detection::Http);
    assert!(both.routes.is_some() && both.tls.len() == 1 && !both.leaves_other_tls);
    let chain = &both.tls[0];
    assert_eq!(chain.protocols.len(), 3);
    let tls = chain.ends.as_ref().unwrap();
    assert_eq!(tls.alpn, ["h2".into(), "http/1.1".into()]);
    let domain = SanMatch::Prefix("spiffe://cluster.local/".into());
    assert_eq!(tls.sans, [domain]);
    let strict = part(vec![secured()]);
    assert!(strict.routes.is_none() && strict.tls.len() == 1);
    assert!(matches!(strict.detection, Detection::Tls(_)));
}

#[test]
fn a_sniffed_port_has_five_ways() {
    let mut plain = sniffed();
    plain.destination_port = Some(9080);
    let part = part(vec![
        ending(
            http_chain(matching("tls", &HTTP), &manager("9080")),
            &downstream(),
        ),
        http_chain(plain, &manager("9080")),
        ending(
            tcp_chain(
                matching("tls", &["istio", "istio-peer-exchange"]),
                &tcp("a"),
            ),
            &downstream(),
        ),
        tcp_chain(matching("raw_buffer", &[]), &tcp("a")),
        tcp_chain(matching("tls", &[]), &tcp("a")),
    ]);
    assert!(matches!(part.detection, Detection::Sniff(_)));
    assert!(part.routes.is_some() && part.tcp.routes.len() == 1 && !part.leaves_other_tls);
    let ends: Vec<_> = part.tls.iter().map(|chain| chain.ends.is_some()).collect();
    assert_eq!(ends, [true, true, false]);
    assert!(part.tls[2].protocols.is_empty() && part.tls[0].routes.is_some());
}

#[test]
fn without_tls_it_is_as_before() {
    let any = part(vec![http_chain(matching("", &[]), &manager("9080"))]);
    assert!(any.tls.is_empty() && any.detection == Detection::Http);
}

#[test]
fn a_manager_says_what_becomes_of_client_certificates() {
    let mut forwarding = manager("9080");
    forwarding.forward_client_cert_details = ForwardClientCertDetails::AppendForward.into();
    forwarding.set_current_client_cert_details = Some(SetCurrentClientCertDetails {
        subject: Some(true),
        dns: true,
        uri: true,
        ..SetCurrentClientCertDetails::default()
    });
    let found = part(vec![http_chain(matching("", &[]), &forwarding)]).client_cert;
    assert_eq!(found.forward, ForwardClientCert::AppendForward);
    assert!(found.subject && found.uri);
}

#[test]
fn other_certificates_roots_and_fields_are_refused_by_name() {
    let fault = |change: &dyn Fn(&mut DownstreamTlsContext)| {
        let mut context = downstream();
        change(&mut context);
        let chain = tcp_chain(matching("tls", &[]), &tcp("a"));
        faults(vec![ending(chain, &context)])
    };
    let inside = "filter_chains[0].transport_socket.typed_config.";
    let of_common = |change: fn(&mut CommonTlsContext)| {
        fault(&|context| change(context.common_tls_context.as_mut().unwrap()))
    };
    for (found, expected) in [
        (
            fault(&|context| context.require_client_certificate = None),
            "require_client_certificate: must be true",
        ),
        (
            fault(&|context| context.require_sni = Some(true)),
            "require_sni: is not supported",
        ),
        (
            of_common(|common| common.tls_certificate_sds_secret_configs = vec![sds("gateway")]),
            "common_tls_context.tls_certificate_sds_secret_configs[0].name: only the workload's own",
        ),
        (
            of_common(|common| {
                let own = ValidationContextType::ValidationContextSdsSecretConfig(sds("own"));
                common.validation_context_type = Some(own);
            }),
            "common_tls_context.validation_context_sds_secret_config.name: only the roots",
        ),
        (
            of_common(|common| common.validation_context_type = None),
            "common_tls_context.combined_validation_context: is missing",
        ),
        (
            of_common(|common| {
                let lowest = TlsProtocol::TlSv10.into();
                let parameters = common.tls_params.as_mut().unwrap();
                parameters.tls_minimum_protocol_version = lowest;
            }),
            "common_tls_context.tls_params.tls_minimum_protocol_version: must be TLSv1_2",
        ),
    ] {
        let expected = format!("{inside}{expected}");
        assert!(found.starts_with(&expected), "{found}\n{expected}");
    }
    // Its connections are refused, and the listener is there.
    let mut context = downstream();
    context.require_sni = Some(true);
    let chain = ending(tcp_chain(matching("tls", &[]), &tcp("a")), &context);
    let listener = inbound(vec![chain]).unwrap();
    let refused = &listener.ports[&9080].tls[0];
    assert!(matches!(refused.tcp.routes[0].action, TcpAction::Refuse(_)));
}

fn tls_mode(mode: &str) -> Struct {
    let value = Value {
        kind: Some(ValueKind::StringValue(mode.to_owned())),
    };
    Struct {
        fields: BTreeMap::from([("tlsMode".to_owned(), value)]),
    }
}

fn automatic() -> ClusterMessage {
    let matching = |name: &str, wanted: Struct, config| TransportSocketMatch {
        name: name.to_owned(),
        r#match: Some(wanted),
        transport_socket: socket(config),
    };
    let tls = any(type_url::UPSTREAM_TLS_CONTEXT, &upstream());
    let plain = any(type_url::RAW_BUFFER, &RawBuffer::default());
    let all = ["10.0.0.1:80", "10.0.0.2:80"].map(|it| it.parse().unwrap());
    let mut assignment = endpoints("c", &all);
    assignment.endpoints[0].lb_endpoints[0].metadata = Some(Metadata {
        filter_metadata: BTreeMap::from([(
            "envoy.transport_socket_match".to_owned(),
            tls_mode("istio"),
        )]),
        ..Metadata::default()
    });
    ClusterMessage {
        name: "c".to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(assignment),
        transport_socket_matches: vec![
            matching("tlsMode-istio", tls_mode("istio"), tls),
            matching("tlsMode-disabled", Struct::default(), plain),
        ],
        ..ClusterMessage::default()
    }
}

fn compiled(message: &ClusterMessage) -> Result<Cluster, Fault> {
    cluster("c", &message.encode_to_vec())
}

#[test]
fn endpoints_say_whether_they_speak_mutual_tls() {
    let cluster = compiled(&automatic()).unwrap();
    let tls = cluster.settings.tls.as_ref().unwrap();
    assert_eq!(
        &*tls.sni,
        "outbound_.9080_._.reviews.shop.svc.cluster.local"
    );
    let account = SanMatch::Exact("spiffe://cluster.local/ns/shop/sa/reviews".into());
    assert_eq!(tls.sans, [account]);
    assert!(cluster.sockets.secure(Some("istio")));
    assert!(!cluster.sockets.secure(Some("disabled")) && !cluster.sockets.secure(None));
    assert!(!cluster.settings.secures_original);
}

#[test]
fn a_rule_may_want_tls_of_all_endpoints_or_of_none() {
    let mut message = automatic();
    message.transport_socket_matches = Vec::new();
    let none = compiled(&message).unwrap();
    assert!(none.settings.tls.is_none() && !none.sockets.secure(Some("istio")));
    message.transport_socket = socket(any(type_url::UPSTREAM_TLS_CONTEXT, &upstream()));
    let all = compiled(&message).unwrap();
    assert!(all.sockets.secure(None) && all.settings.secures_original);
}

#[test]
fn what_a_cluster_can_not_tell_apart_is_refused_by_name() {
    let fault = |change: &dyn Fn(&mut ClusterMessage)| {
        let mut message = automatic();
        change(&mut message);
        compiled(&message).unwrap_err().to_string()
    };
    let other = fault(&|message| {
        let mut other = upstream();
        other.sni = "other".to_owned();
        message.transport_socket_matches[1].transport_socket =
            socket(any(type_url::UPSTREAM_TLS_CONTEXT, &other));
    });
    assert!(
        other.starts_with("transport_socket_matches: must have the same TLS"),
        "{other}"
    );
    let renamed = fault(&|message| {
        let wanted = message.transport_socket_matches[0]
            .r#match
            .as_mut()
            .unwrap();
        let value = wanted.fields.remove("tlsMode").unwrap();
        wanted.fields.insert("zone".to_owned(), value);
    });
    assert!(
        renamed.starts_with("transport_socket_matches[0].match: must be about tlsMode"),
        "{renamed}"
    );
    let named = fault(&|message| {
        let mut own = upstream();
        own.auto_host_sni = true;
        message.transport_socket_matches[0].transport_socket =
            socket(any(type_url::UPSTREAM_TLS_CONTEXT, &own));
    });
    let expected = "transport_socket_matches[0].transport_socket.typed_config.auto_host_sni: ";
    assert!(named.starts_with(expected), "{named}");
}

/// A client without a certificate, and a server that the roots in a file are behind.
fn outside() -> UpstreamTlsContext {
    let mut context = upstream();
    let common = context.common_tls_context.as_mut().unwrap();
    common.tls_certificate_sds_secret_configs = Vec::new();
    common.alpn_protocols = Vec::new();
    let name = |kind: SanType, text: &str| SubjectAltNameMatcher {
        san_type: kind.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(text.to_owned())),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    };
    common.validation_context_type = Some(ValidationContextType::ValidationContext(
        CertificateValidationContext {
            trusted_ca: Some(DataSource {
                specifier: Some(Specifier::Filename("/roots.pem".to_owned())),
            }),
            match_typed_subject_alt_names: vec![
                name(SanType::Dns, "a.example.com"),
                name(SanType::Uri, "https://a"),
            ],
            ..CertificateValidationContext::default()
        },
    ));
    context
}

fn compiled_outside(change: impl FnOnce(&mut CommonTlsContext)) -> Result<Option<Outside>, Fault> {
    let mut context = outside();
    change(context.common_tls_context.as_mut().unwrap());
    let mut message = automatic();
    message.transport_socket_matches = Vec::new();
    message.transport_socket = socket(any(type_url::UPSTREAM_TLS_CONTEXT, &context));
    let cluster = compiled(&message)?;
    assert!(cluster.sockets.secure(None));
    Ok(cluster.settings.tls.as_ref().unwrap().outside.clone())
}

#[test]
fn without_a_certificate_a_file_says_whom_to_trust() {
    let checked = compiled_outside(|_| ()).unwrap();
    let names = vec![
        OutsideName::Dns("a.example.com".to_owned()),
        OutsideName::Uri("https://a".to_owned()),
    ];
    let roots = "/roots.pem".into();
    let proof = Proof::Checked { roots, names };
    assert_eq!(checked, Some(Outside { proof, shown: None }));
    let any = compiled_outside(|common| common.validation_context_type = None).unwrap();
    let proof = Proof::Unchecked;
    assert_eq!(any, Some(Outside { proof, shown: None }));
}

fn file(path: &str) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::Filename(path.to_owned())),
    })
}

fn certificate() -> TlsCertificate {
    TlsCertificate {
        certificate_chain: file("/client.pem"),
        private_key: file("/key.pem"),
        ocsp_staple: None,
    }
}

#[test]
fn servers_outside_the_mesh_are_shown_a_certificate_of_files() {
    let outside = compiled_outside(|common| common.tls_certificates = vec![certificate()]);
    let outside = outside.unwrap().unwrap();
    assert!(matches!(outside.proof, Proof::Checked { .. }));
    let files = CertificateFiles {
        chain: "/client.pem".into(),
        key: "/key.pem".into(),
    };
    assert_eq!(outside.shown, Some(files));
    let fault = |change: &dyn Fn(&mut CommonTlsContext)| {
        let failed = compiled_outside(|common| {
            common.tls_certificates = vec![certificate()];
            change(common);
        });
        let said = failed.unwrap_err().to_string();
        let inside = "transport_socket.typed_config.common_tls_context.";
        said.strip_prefix(inside).unwrap_or(&said).to_owned()
    };
    let no_path = "filename: must be the absolute path of a file";
    let inline = Some(DataSource {
        specifier: Some(Specifier::InlineString("-----BEGIN".to_owned())),
    });
    for source in [
        None,
        inline,
        file("client.pem"),
        file(""),
        file("/a\0b"),
        file(&format!("/{}", "a".repeat(4_096))),
    ] {
        assert_eq!(
            fault(&|common| common.tls_certificates[0].certificate_chain = source.clone()),
            format!("tls_certificates[0].certificate_chain.{no_path}")
        );
        assert_eq!(
            fault(&|common| common.tls_certificates[0].private_key = source.clone()),
            format!("tls_certificates[0].private_key.{no_path}")
        );
    }
    assert_eq!(
        fault(&|common| common.tls_certificates.push(certificate())),
        "tls_certificates: must have one element at most"
    );
    let stapled = fault(&|common| common.tls_certificates[0].ocsp_staple = file("/ocsp"));
    assert!(
        stapled.starts_with("tls_certificates[0].ocsp_staple: "),
        "{stapled}"
    );
    // A client has one certificate: this one, or the workload's.
    let both = fault(&|common| common.tls_certificate_sds_secret_configs = vec![sds("default")]);
    assert!(both.starts_with("tls_certificates: only"), "{both}");
}

#[test]
fn roots_outside_the_mesh_are_in_a_file() {
    let fault = |change: &dyn Fn(&mut CertificateValidationContext)| {
        let failed = compiled_outside(|common| {
            let Some(ValidationContextType::ValidationContext(context)) =
                &mut common.validation_context_type
            else {
                panic!("no validation context");
            };
            change(context);
        });
        let said = failed.unwrap_err().to_string();
        let inside = "transport_socket.typed_config.common_tls_context.validation_context.";
        said.strip_prefix(inside).unwrap_or(&said).to_owned()
    };
    let file = "trusted_ca.filename: must be the absolute path of a file";
    assert_eq!(fault(&|context| context.trusted_ca = None), file);
    let relative = fault(&|context| {
        context.trusted_ca = Some(DataSource {
            specifier: Some(Specifier::Filename("roots.pem".to_owned())),
        });
    });
    assert_eq!(relative, file);
    let expired = fault(&|context| context.allow_expired_certificate = true);
    assert!(
        expired.starts_with("allow_expired_certificate: "),
        "{expired}"
    );
    let kind = fault(&|context| {
        context.match_typed_subject_alt_names[1].san_type = SanType::Email.into();
    });
    assert_eq!(
        kind,
        "match_typed_subject_alt_names[1].san_type: must be DNS or URI"
    );
    let secret = compiled_outside(|common| {
        common.validation_context_type = Some(
            ValidationContextType::ValidationContextSdsSecretConfig(sds("ROOTCA")),
        );
    });
    let said = secret.unwrap_err().to_string();
    assert!(
        said.contains("only validation_context is supported"),
        "{said}"
    );
}
