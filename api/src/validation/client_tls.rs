//! `tls` of a `DestinationRule`.

use std::net::IpAddr;

use super::{limits, names};
use crate::{ClientTlsMode, ClientTlsSettings, findings::Findings};

/// The longest path of a file.
const PATH: usize = 1_024;
/// What Istio calls the authorities of the system.
const SYSTEM: &str = "system";

/// TLS towards the endpoints.
pub(super) fn client_tls(findings: &mut Findings, tls: &ClientTlsSettings) {
    findings.at("sni", |findings| {
        // No DNS name only: those of the mesh begin with `outbound_`.
        let is_shown = tls.sni.bytes().all(|byte| byte.is_ascii_graphic());
        if tls.sni.len() > limits::SERVER_NAME || !is_shown {
            findings.fault(format!(
                "must be a name of at most {} visible ASCII characters",
                limits::SERVER_NAME
            ));
        }
    });
    own(findings, tls, "clientCertificate", &tls.client_certificate);
    own(findings, tls, "privateKey", &tls.private_key);
    authorities(findings, tls);
    findings.at("subjectAltNames", |findings| {
        limits::count(findings, tls.subject_alt_names.len(), limits::SERVER_NAMES);
    });
    let is_outside = matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
    findings.each(
        "subjectAltNames",
        &tls.subject_alt_names,
        |findings, name| match is_outside {
            true => server(findings, name),
            false => workload(findings, name),
        },
    );
}

/// A file with a part of what the client proves itself by.
fn own(findings: &mut Findings, tls: &ClientTlsSettings, field: &str, path: &str) {
    findings.at(field, |findings| match tls.mode {
        ClientTlsMode::Mutual if !is_path(path) => {
            findings.fault(format!(
                "must be the absolute path of a file in the proxy's container, of at most {PATH} bytes: MUTUAL shows \
                 the certificate of a file, and one of a Secret (credentialName) is not built yet"
            ));
        }
        ClientTlsMode::IstioMutual if !path.is_empty() => {
            findings.fault("must not be set with ISTIO_MUTUAL, which shows the mesh's certificate");
        }
        ClientTlsMode::Simple | ClientTlsMode::Disable if !path.is_empty() => {
            findings.warn("has no effect: clients show a certificate with MUTUAL only");
        }
        _ => {}
    });
}

/// Whether it can be the path of a file in the proxy's container.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(char::is_control) && path.len() <= PATH
}

/// What the server's certificate is checked against.
fn authorities(findings: &mut Findings, tls: &ClientTlsSettings) {
    let path = tls.ca_certificates.as_str();
    findings.at("caCertificates", |findings| {
        if !path.is_empty() && tls.mode == ClientTlsMode::IstioMutual {
            findings.fault("must not be set with ISTIO_MUTUAL, which uses the mesh's roots");
        } else if !is_path(path) && !["", SYSTEM].contains(&path) {
            findings.fault(format!(
                "must be the absolute path of a file in the proxy's container, of at most {PATH} bytes, or {SYSTEM}"
            ));
        }
    });
    if tls.insecure_skip_verify == Some(true) {
        findings.at("insecureSkipVerify", |findings| {
            if tls.mode == ClientTlsMode::IstioMutual {
                findings.fault(
                    "must not be set with ISTIO_MUTUAL, which always checks the server's identity",
                );
            } else if !tls.ca_certificates.is_empty() || !tls.subject_alt_names.is_empty() {
                findings.fault(
                    "contradicts caCertificates and subjectAltNames: nothing is checked with it",
                );
            }
        });
    }
}

/// A name of a server outside the mesh.
fn server(findings: &mut Findings, name: &str) {
    if name.len() > limits::IDENTITY {
        findings.fault(format!("has more than {} bytes", limits::IDENTITY));
    } else if name.parse::<IpAddr>().is_ok() {
        findings.fault("IP addresses are not built yet; DNS names and URIs are");
    } else if !name.contains("://") {
        names::host(findings, name);
    }
}

/// A name of a workload of the mesh.
fn workload(findings: &mut Findings, name: &str) {
    if !name.contains("://") || name.len() > limits::IDENTITY {
        findings.fault(format!(
            "must be a URI of at most {} bytes, such as spiffe://cluster.local/ns/shop/sa/web: \
             the mesh's certificates have no other names",
            limits::IDENTITY
        ));
    }
}
