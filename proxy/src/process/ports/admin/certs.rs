//! The workload's certificate and the roots that it trusts, in the shape of Envoy's `/certs`.

use pillion_certs::{Root, mesh::Description};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{identity::Credentials, process::discovery::Configuration, timestamp::timestamp};

/// Those in use; none before there is a certificate. Keys are never shown.
pub(super) fn shown(configuration: &Configuration) -> Value {
    let credentials = configuration.credentials.borrow().clone();
    let now = OffsetDateTime::now_utc();
    let certificates = credentials.map(|credentials| certificates(&credentials, now));
    json!({ "certificates": certificates.into_iter().collect::<Vec<_>>() })
}

fn certificates(credentials: &Credentials, now: OffsetDateTime) -> Value {
    let described = |der: &[u8]| Some(details(&Description::of(der).ok()?, now));
    let roots = credentials.trust.roots().roots().map(Root::der);
    let chain = credentials.identity.chain_der().iter().map(AsRef::as_ref);
    json!({
        "ca_cert": roots.filter_map(described).collect::<Vec<_>>(),
        "cert_chain": chain.filter_map(described).collect::<Vec<_>>(),
    })
}

/// Envoy's `CertificateDetails`.
fn details(certificate: &Description, now: OffsetDateTime) -> Value {
    let validity = certificate.validity;
    let days = (validity.not_after - now).whole_days().max(0);
    let uris = certificate.uris.iter().map(|uri| json!({"uri": uri}));
    let names = certificate
        .dns_names
        .iter()
        .map(|name| json!({"dns": name}));
    json!({
        "path": "<inline>",
        "serial_number": certificate.serial,
        "subject_alt_names": uris.chain(names).collect::<Vec<_>>(),
        "days_until_expiration": days.to_string(),
        "valid_from": timestamp(validity.not_before),
        "expiration_time": timestamp(validity.not_after),
    })
}
