//! TLS towards the endpoints.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::NotBuilt;

/// TLS towards the endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientTlsSettings {
    /// Whether TLS is used, and how.
    pub mode: ClientTlsMode,
    /// The file, in the proxy's container, with the certificate that the client shows, and those of the CAs above it;
    /// for `MUTUAL`.
    pub client_certificate: String,
    /// The file, in the proxy's container, with the key of that certificate.
    pub private_key: String,
    /// The file, in the proxy's container, with the authorities that the server's certificate is checked against.
    /// Default: those of the system.
    pub ca_certificates: String,
    /// The Secret with the certificates.
    pub credential_name: Option<NotBuilt>,
    /// The names that the server's certificate may be for. Default: the identities of the service's
    /// accounts; with `SIMPLE` and `MUTUAL`, the name that the client asks for.
    pub subject_alt_names: Vec<String>,
    /// The name that the client asks for. Default: one that names port, subset and service; with `SIMPLE` and
    /// `MUTUAL`, the host.
    pub sni: String,
    /// Whether the server's certificate is not checked.
    pub insecure_skip_verify: Option<bool>,
    /// The file with revoked certificates.
    pub ca_crl: Option<NotBuilt>,
}

/// Whether TLS is used towards the endpoints, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// No TLS.
    #[default]
    Disable,
    /// TLS; the client shows no certificate.
    Simple,
    /// TLS; the client shows a certificate of its own.
    Mutual,
    /// TLS; the client shows the certificate that the mesh gave it.
    IstioMutual,
}
