//! Transport sockets: the mesh's mutual TLS, TLS with servers outside of it, and none.

use std::{sync::Arc, time::Duration};

use pillion_envoy_api::{
    Any, any,
    envoy::{
        config::{
            cluster::v3::cluster::TransportSocketMatch,
            core::v3::{
                ApiConfigSource, ApiVersion, ConfigSource, DataSource, GrpcService, Metadata,
                TransportSocket,
                api_config_source::ApiType,
                config_source::ConfigSourceSpecifier,
                data_source::Specifier,
                grpc_service::{EnvoyGrpc, TargetSpecifier},
                transport_socket::ConfigType,
            },
        },
        extensions::transport_sockets::{
            raw_buffer::v3::RawBuffer,
            tls::v3::{
                CertificateValidationContext, CommonTlsContext, DownstreamTlsContext,
                SdsSecretConfig, SubjectAltNameMatcher, TlsCertificate, TlsParameters,
                UpstreamTlsContext,
                common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
                subject_alt_name_matcher::SanType,
                tls_parameters::TlsProtocol,
            },
        },
        r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
    },
    type_url,
};
use prost_types::Struct;

use super::common::{duration, map, text};
use crate::model::{Outside, PeerName, Servers};

/// The cluster of the agent that has the workload's certificate. It is the proxy's own.
const AGENT: &str = "sds-grpc";
/// The workload's certificate, as the agent knows it.
const CERTIFICATE: &str = "default";
/// The roots that the mesh trusts.
const ROOTS: &str = "ROOTCA";
/// Where Debian, and the images of the proxy and of Envoy, have the roots of the system.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The key of an endpoint's metadata by which its transport socket is chosen.
const SOCKET_MATCH: &str = "envoy.transport_socket_match";
/// What of the metadata says it.
const TLS_MODE: &str = "tlsMode";
/// Its value for mutual TLS.
const ISTIO: &str = "istio";
/// The cipher suites of TLS 1.2; those of 1.3 are not a matter of configuration.
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// What a server's TLS is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    /// HTTP.
    Http,
    /// Bytes.
    Bytes,
}

/// Mutual TLS of a server: with clients of these trust domains.
pub(super) fn downstream(carries: Carries, trust_domains: &[Arc<str>]) -> TransportSocket {
    // The names by which the mesh's clients tell that it is they are not among these: what is
    // agreed on is what is spoken.
    let protocols: &[&str] = match carries {
        Carries::Http => &["h2", "http/1.1"],
        Carries::Bytes => &[],
    };
    let prefix = |domain: &Arc<str>| MatchPattern::Prefix(format!("spiffe://{domain}/"));
    let names = trust_domains.iter().map(prefix).collect();
    let mut common = common(protocols, names);
    if let Some(params) = &mut common.tls_params {
        params.cipher_suites = CIPHERS.map(str::to_owned).to_vec();
    }
    let context = DownstreamTlsContext {
        common_tls_context: Some(common),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    };
    tls(any(type_url::DOWNSTREAM_TLS_CONTEXT, &context))
}

/// Mutual TLS of a client: with these servers.
pub(super) fn upstream(servers: &Servers, is_http2: bool) -> TransportSocket {
    let protocols: &[&str] = if is_http2 { &[ISTIO, "h2"] } else { &[ISTIO] };
    let names = servers.names.iter().map(|name| match name {
        PeerName::Exact(name) => MatchPattern::Exact(name.to_string()),
        PeerName::Prefix(prefix) => MatchPattern::Prefix(prefix.to_string()),
    });
    let context = UpstreamTlsContext {
        common_tls_context: Some(common(protocols, names.collect())),
        sni: servers.sni.to_string(),
        ..UpstreamTlsContext::default()
    };
    tls(any(type_url::UPSTREAM_TLS_CONTEXT, &context))
}

/// Mutual TLS to endpoints that have [`speaks_it`], and plain text to others.
pub(super) fn by_endpoint(servers: &Servers, is_http2: bool) -> Vec<TransportSocketMatch> {
    let case = |name: &str, matches: Struct, socket| TransportSocketMatch {
        name: name.to_owned(),
        r#match: Some(matches),
        transport_socket: Some(socket),
    };
    let plain = any(type_url::RAW_BUFFER, &RawBuffer::default());
    let plain = socket("envoy.transport_sockets.raw_buffer", plain);
    vec![
        case("tlsMode-istio", mode(), upstream(servers, is_http2)),
        // Without a condition, for all that the first one is not for.
        case("tlsMode-disabled", Struct::default(), plain),
    ]
}

/// The metadata of an endpoint that speaks mutual TLS.
pub(super) fn speaks_it() -> Metadata {
    Metadata {
        filter_metadata: [(SOCKET_MATCH.to_owned(), mode())].into(),
        ..Metadata::default()
    }
}

fn mode() -> Struct {
    map([(TLS_MODE, text(ISTIO))])
}

/// TLS of a client without the mesh's certificate, to this server outside the mesh.
pub(super) fn outside(outside: &Outside, is_http2: bool) -> TransportSocket {
    let protocols: &[&str] = if is_http2 { &["h2"] } else { &[] };
    let checked = outside.proof.as_ref().map(|proof| {
        let names = proof.names.iter().map(|name| {
            // Istio's matches say nothing of the type, and no name can be of both.
            let kind = match name.contains("://") {
                true => SanType::Uri,
                false => SanType::Dns,
            };
            named(kind, MatchPattern::Exact(name.to_string()))
        });
        let roots = proof.roots.as_deref().unwrap_or(SYSTEM_ROOTS);
        ValidationContextType::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(file(roots)),
            match_typed_subject_alt_names: names.collect(),
            ..CertificateValidationContext::default()
        })
    });
    // Istio's agent serves such files by SDS, which follows them; a stock Envoy reads them as they are here, too.
    let shown = outside.certificate.iter().map(|files| TlsCertificate {
        certificate_chain: Some(file(&files.chain)),
        private_key: Some(file(&files.key)),
        ..TlsCertificate::default()
    });
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_params: Some(versions()),
            tls_certificates: shown.collect(),
            alpn_protocols: protocols.iter().map(|name| (*name).to_owned()).collect(),
            validation_context_type: checked,
            ..CommonTlsContext::default()
        }),
        sni: outside.sni.to_string(),
        ..UpstreamTlsContext::default()
    };
    tls(any(type_url::UPSTREAM_TLS_CONTEXT, &context))
}

fn file(path: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::Filename(path.to_owned())),
    }
}

fn named(kind: SanType, pattern: MatchPattern) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher {
        san_type: kind.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(pattern),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    }
}

fn versions() -> TlsParameters {
    TlsParameters {
        tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
        tls_maximum_protocol_version: TlsProtocol::TlSv13.into(),
        ..TlsParameters::default()
    }
}

/// The common context of both sides: the workload's certificate, and the names that the peer's may have.
fn common(protocols: &[&str], names: Vec<MatchPattern>) -> CommonTlsContext {
    let names = names.into_iter();
    let names = names.map(|pattern| named(SanType::Uri, pattern));
    let own = CertificateValidationContext {
        match_typed_subject_alt_names: names.collect(),
        ..CertificateValidationContext::default()
    };
    CommonTlsContext {
        tls_params: Some(versions()),
        tls_certificate_sds_secret_configs: vec![secret(CERTIFICATE)],
        alpn_protocols: protocols.iter().map(|name| (*name).to_owned()).collect(),
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(
            CombinedCertificateValidationContext {
                default_validation_context: Some(own),
                validation_context_sds_secret_config: Some(secret(ROOTS)),
            },
        )),
        ..CommonTlsContext::default()
    }
}

/// A secret that the agent has. A proxy waits for it.
fn secret(name: &str) -> SdsSecretConfig {
    let agent = GrpcService {
        target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
            cluster_name: AGENT.to_owned(),
            ..EnvoyGrpc::default()
        })),
        ..GrpcService::default()
    };
    let source = ApiConfigSource {
        api_type: ApiType::Grpc.into(),
        transport_api_version: ApiVersion::V3.into(),
        grpc_services: vec![agent],
        ..ApiConfigSource::default()
    };
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ConfigSource {
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(source)),
            initial_fetch_timeout: Some(duration(Duration::ZERO)),
            resource_api_version: ApiVersion::V3.into(),
        }),
    }
}

fn tls(context: Any) -> TransportSocket {
    socket("envoy.transport_sockets.tls", context)
}

fn socket(name: &str, config: Any) -> TransportSocket {
    TransportSocket {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
    }
}
