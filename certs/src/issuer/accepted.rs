//! Whether the certificates that a CA issues are accepted.

use std::time::Duration;

use rustls::{
    RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use time::OffsetDateTime;

use crate::{Bundle, Error};

/// Checks a chain in PEM as a peer does that trusts these roots.
pub(super) fn check(chain: &[String], roots: &Bundle, now: OffsetDateTime) -> Result<(), Error> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.to_der());
    let chain: Vec<_> = chain
        .iter()
        .map(|text| CertificateDer::from_pem_slice(text.as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Certificate(error.to_string()))?;
    let (first, rest) = chain.split_first().ok_or(Error::Missing("certificate"))?;
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(first)?,
        &store,
        rest,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        algorithms.all,
    )
    .map_err(Error::Untrusted)
}
