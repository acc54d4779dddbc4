//! `Gateway`: the ports and hosts that gateways listen on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::NotBuilt;

/// The spec of a `Gateway`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// What is listened on.
    pub servers: Vec<Server>,
    /// The labels of the gateways' pods, in any namespace. None: all gateways.
    pub selector: BTreeMap<String, String>,
}

/// A port with its hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// The port.
    pub port: GatewayPort,
    /// The address that is listened on.
    pub bind: Option<NotBuilt>,
    /// The hosts that are served: `[namespace/]name`, with or without a wildcard.
    pub hosts: Vec<String>,
    /// TLS of this port.
    pub tls: Option<ServerTlsSettings>,
    /// An address that traffic is sent to.
    pub default_endpoint: Option<NotBuilt>,
    /// A name of this server, for reports.
    pub name: String,
}

/// A port of a gateway's Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayPort {
    /// The port's number in the gateway's Service.
    pub number: u16,
    /// `HTTP`, `HTTP2`, `GRPC`, `GRPC-WEB`, `HTTPS`, `TLS`, `TCP`, `MONGO`, `REDIS` or
    /// `MYSQL`.
    pub protocol: String,
    /// A name for the port.
    pub name: String,
    /// Deprecated in Istio, and without effect.
    pub target_port: Option<NotBuilt>,
}

/// TLS of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerTlsSettings {
    /// Whether all requests are redirected to HTTPS (301).
    pub https_redirect: bool,
    /// Whether TLS ends here, and what clients have to show.
    pub mode: Option<NotBuilt>,
    /// The file with the server's certificate.
    pub server_certificate: Option<NotBuilt>,
    /// The file with the server's key.
    pub private_key: Option<NotBuilt>,
    /// The file with the authorities that clients' certificates are checked against.
    pub ca_certificates: Option<NotBuilt>,
    /// The file with revoked certificates.
    pub ca_crl: Option<NotBuilt>,
    /// The Secret with the certificates.
    pub credential_name: Option<NotBuilt>,
    /// Secrets with certificates of more than one kind of key.
    pub credential_names: Option<NotBuilt>,
    /// The Secret with the authorities that clients' certificates are checked against.
    pub ca_cert_credential_name: Option<NotBuilt>,
    /// Files with certificates of more than one kind of key.
    pub tls_certificates: Option<NotBuilt>,
    /// The names that clients' certificates may be for.
    pub subject_alt_names: Option<NotBuilt>,
    /// Hashes of the keys that clients' certificates may have.
    pub verify_certificate_spki: Option<NotBuilt>,
    /// Hashes that clients' certificates may have.
    pub verify_certificate_hash: Option<NotBuilt>,
    /// The oldest version of TLS.
    pub min_protocol_version: Option<NotBuilt>,
    /// The newest version of TLS.
    pub max_protocol_version: Option<NotBuilt>,
    /// The cipher suites.
    pub cipher_suites: Option<NotBuilt>,
    /// Whether clients' certificates are not checked.
    pub insecure_skip_verify: Option<NotBuilt>,
}
