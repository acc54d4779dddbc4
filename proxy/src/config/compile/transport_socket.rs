//! What carries the bytes of a connection: plaintext, or TLS in the shape that Istio gives it.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::{
        config::core::v3::{TransportSocket, transport_socket::ConfigType},
        extensions::transport_sockets::tls::v3::{
            CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, TlsParameters,
            UpstreamTlsContext,
            common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
            downstream_tls_context::SessionTicketKeysType,
            tls_parameters::TlsProtocol,
        },
    },
    type_url,
};

use super::{
    any::message_of,
    fault::{Fault, at, at_index, each, refuse_if},
    outside::outside,
    subject_alt_names::{from_identity, sans},
};
use crate::tables::{DownstreamTls, Outside, SanMatch, UpstreamTls};

/// The names that Istio has for the workload's own certificate, and for the roots of the mesh.
pub(crate) const CERTIFICATE: &str = "default";
pub(crate) const ROOTS: &str = "ROOTCA";
/// The longest name of DNS, and of a protocol in a handshake.
const MAX_NAME: usize = 255;
/// Protocols of one context.
const MAX_PROTOCOLS: usize = 16;
/// What Istio allows with TLS 1.2. The proxy has those of them that keep old traffic secret.
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// How a chain's connections prove who their clients are; `None` for plaintext.
pub(super) fn downstream(socket: &TransportSocket) -> Result<Option<Arc<DownstreamTls>>, Fault> {
    let Some(config) = config(socket, type_url::DOWNSTREAM_TLS_CONTEXT)? else {
        return Ok(None);
    };
    let message = message_of(type_url::DOWNSTREAM_TLS_CONTEXT, config);
    let tls = message
        .and_then(of_downstream)
        .map_err(at("typed_config"))?;
    Ok(Some(Arc::new(tls)))
}

/// How endpoints prove who they are; `None` for plaintext.
pub(super) fn upstream(socket: &TransportSocket) -> Result<Option<Arc<UpstreamTls>>, Fault> {
    let Some(config) = config(socket, type_url::UPSTREAM_TLS_CONTEXT)? else {
        return Ok(None);
    };
    let message = message_of(type_url::UPSTREAM_TLS_CONTEXT, config);
    let tls = message.and_then(of_upstream).map_err(at("typed_config"))?;
    Ok(Some(Arc::new(tls)))
}

/// The context of that type; `None` for plaintext.
fn config<'a>(socket: &'a TransportSocket, context: &str) -> Result<Option<&'a Any>, Fault> {
    let TransportSocket {
        name: _,
        config_type,
    } = socket;
    match config_type {
        Some(ConfigType::TypedConfig(config)) if config.type_url == type_url::RAW_BUFFER => {
            Ok(None)
        }
        Some(ConfigType::TypedConfig(config)) if config.type_url == context => Ok(Some(config)),
        _ => {
            let (_, name) = context.rsplit_once('.').unwrap_or_default();
            let reason = format!("only plaintext (raw_buffer) and {name} are supported here");
            Err(Fault::new("typed_config", reason))
        }
    }
}

fn of_downstream(message: DownstreamTlsContext) -> Result<DownstreamTls, Fault> {
    let DownstreamTlsContext {
        common_tls_context,
        require_client_certificate,
        require_sni,
        session_ticket_keys_type,
    } = message;
    if require_client_certificate != Some(true) {
        let reason = "must be true: TLS without a client's certificate is not supported";
        return Err(Fault::new("require_client_certificate", reason));
    }
    refuse_if(require_sni == Some(true), "require_sni")?;
    refuse_if(
        session_ticket_keys_type
            == Some(SessionTicketKeysType::DisableStatelessSessionResumption(
                true,
            )),
        "disable_stateless_session_resumption",
    )?;
    let (alpn, sans) = common(common_tls_context)?;
    Ok(DownstreamTls::new(alpn, sans))
}

fn of_upstream(message: UpstreamTlsContext) -> Result<UpstreamTls, Fault> {
    let UpstreamTlsContext {
        common_tls_context,
        sni,
        auto_host_sni,
        auto_sni_san_validation,
        allow_renegotiation,
    } = message;
    refuse_if(auto_host_sni, "auto_host_sni")?;
    refuse_if(auto_sni_san_validation, "auto_sni_san_validation")?;
    refuse_if(allow_renegotiation, "allow_renegotiation")?;
    if sni.len() > MAX_NAME {
        let reason = format!("has more than {MAX_NAME} bytes");
        return Err(Fault::new("sni", reason));
    }
    let is_outside =
        |common: &CommonTlsContext| common.tls_certificate_sds_secret_configs.is_empty();
    match common_tls_context {
        // Without the workload's certificate, the client is none of the mesh.
        Some(common) if is_outside(&common) => {
            let (alpn, outside) = of_outside(common).map_err(at("common_tls_context"))?;
            Ok(UpstreamTls::outside(sni.into_boxed_str(), alpn, outside))
        }
        common_tls_context => {
            let (alpn, sans) = common(common_tls_context)?;
            Ok(UpstreamTls::new(sni.into_boxed_str(), alpn, sans))
        }
    }
}

/// The protocols of a context without the workload's certificate, and how both ends prove who they are.
fn of_outside(message: CommonTlsContext) -> Result<(Vec<Box<str>>, Outside), Fault> {
    let CommonTlsContext {
        tls_params,
        tls_certificates,
        tls_certificate_sds_secret_configs: _,
        alpn_protocols,
        validation_context_type,
    } = message;
    parameters(tls_params.unwrap_or_default()).map_err(at("tls_params"))?;
    let alpn = each("alpn_protocols", MAX_PROTOCOLS, alpn_protocols, protocol)?;
    Ok((alpn, outside(validation_context_type, tls_certificates)?))
}

/// The protocols of a context, and which names the other side may have.
fn common(message: Option<CommonTlsContext>) -> Result<(Vec<Box<str>>, Vec<SanMatch>), Fault> {
    let inside = at("common_tls_context");
    let message = message.ok_or_else(|| Fault::new("common_tls_context", "is missing"))?;
    of_common(message).map_err(inside)
}

fn of_common(message: CommonTlsContext) -> Result<(Vec<Box<str>>, Vec<SanMatch>), Fault> {
    let CommonTlsContext {
        tls_params,
        tls_certificates,
        tls_certificate_sds_secret_configs,
        alpn_protocols,
        validation_context_type,
    } = message;
    parameters(tls_params.unwrap_or_default()).map_err(at("tls_params"))?;
    if !tls_certificates.is_empty() {
        return Err(Fault::new("tls_certificates", ONLY_OWN));
    }
    let mut certificates = tls_certificate_sds_secret_configs.into_iter();
    let field = "tls_certificate_sds_secret_configs";
    let own = certificates
        .next()
        .ok_or_else(|| Fault::new(field, ONLY_OWN))?;
    secret(own, CERTIFICATE, ONLY_OWN).map_err(at_index(field, 0))?;
    if certificates.next().is_some() {
        return Err(Fault::new(field, ONLY_OWN));
    }
    let alpn = each("alpn_protocols", MAX_PROTOCOLS, alpn_protocols, protocol)?;
    let sans = match validation_context_type {
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => {
            let field = "validation_context_sds_secret_config";
            secret(config, ROOTS, ONLY_ROOTS).map_err(at(field))?;
            Vec::new()
        }
        Some(ValidationContextType::CombinedValidationContext(context)) => {
            combined(context).map_err(at("combined_validation_context"))?
        }
        Some(ValidationContextType::ValidationContext(_)) => {
            return Err(Fault::new("validation_context", ONLY_ROOTS));
        }
        None => {
            let reason = "is missing: whoever it is has to be checked";
            return Err(Fault::new("combined_validation_context", reason));
        }
    };
    Ok((alpn, sans))
}

const ONLY_OWN: &str = "only the workload's own certificate is supported, the secret \"default\"";
const ONLY_ROOTS: &str = "only the roots of the mesh are supported, the secret \"ROOTCA\"";

fn combined(message: CombinedCertificateValidationContext) -> Result<Vec<SanMatch>, Fault> {
    let CombinedCertificateValidationContext {
        default_validation_context,
        validation_context_sds_secret_config,
    } = message;
    let field = "validation_context_sds_secret_config";
    let config = validation_context_sds_secret_config;
    let config = config.ok_or_else(|| Fault::new(field, ONLY_ROOTS))?;
    secret(config, ROOTS, ONLY_ROOTS).map_err(at(field))?;
    sans(default_validation_context.unwrap_or_default()).map_err(at("default_validation_context"))
}

/// Checks that a secret is the one of that name. It does not matter who serves it: the proxy has its
/// own.
fn secret(message: SdsSecretConfig, name: &str, otherwise: &'static str) -> Result<(), Fault> {
    let SdsSecretConfig {
        name: found,
        sds_config,
    } = message;
    if found != name {
        return Err(Fault::new("name", otherwise));
    }
    from_identity(sds_config)
}

fn parameters(message: TlsParameters) -> Result<(), Fault> {
    let TlsParameters {
        tls_minimum_protocol_version,
        tls_maximum_protocol_version,
        cipher_suites,
        ecdh_curves,
    } = message;
    let is_one_of = |version: i32, known: [TlsProtocol; 2]| known.map(i32::from).contains(&version);
    let lowest = [TlsProtocol::TlsAuto, TlsProtocol::TlSv12];
    if !is_one_of(tls_minimum_protocol_version, lowest) {
        return Err(Fault::new(
            "tls_minimum_protocol_version",
            "must be TLSv1_2",
        ));
    }
    let highest = [TlsProtocol::TlsAuto, TlsProtocol::TlSv13];
    if !is_one_of(tls_maximum_protocol_version, highest) {
        return Err(Fault::new(
            "tls_maximum_protocol_version",
            "must be TLSv1_3",
        ));
    }
    refuse_if(!ecdh_curves.is_empty(), "ecdh_curves")?;
    let known = |suite: &String| CIPHERS.contains(&suite.as_str());
    match cipher_suites.iter().all(known) {
        true => Ok(()),
        false => {
            let reason = format!("must be of {}", CIPHERS.join(", "));
            Err(Fault::new("cipher_suites", reason))
        }
    }
}

/// A protocol in a handshake.
pub(super) fn protocol(name: String) -> Result<Box<str>, Fault> {
    match name.len() {
        1..=MAX_NAME => Ok(name.into_boxed_str()),
        _ => Err(Fault::new("", format!("must have 1 to {MAX_NAME} bytes"))),
    }
}
