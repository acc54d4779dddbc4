//! What a control plane says of mutual TLS.

use pillion_envoy_api::{
    any,
    envoy::{
        config::core::v3::{
            ApiConfigSource, ConfigSource, TransportSocket, config_source::ConfigSourceSpecifier,
            transport_socket::ConfigType,
        },
        extensions::transport_sockets::tls::v3::{
            CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
            common_tls_context::ValidationContextType,
        },
    },
    type_url::DOWNSTREAM_TLS_CONTEXT,
};

/// Of a port that takes it.
pub fn socket() -> TransportSocket {
    let roots = ValidationContextType::ValidationContextSdsSecretConfig(secret("ROOTCA"));
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![secret("default")],
            alpn_protocols: ["h2", "http/1.1"].map(str::to_owned).to_vec(),
            validation_context_type: Some(roots),
            ..CommonTlsContext::default()
        }),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(
            DOWNSTREAM_TLS_CONTEXT,
            &context,
        ))),
    }
}

/// The proxy has its own.
fn secret(name: &str) -> SdsSecretConfig {
    let source = ConfigSourceSpecifier::ApiConfigSource(ApiConfigSource::default());
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ConfigSource {
            config_source_specifier: Some(source),
            ..ConfigSource::default()
        }),
    }
}
