//! Whether the certificates that a CA issues are accepted.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::OffsetDateTime;

use crate::{
    Bundle, Error,
    mesh::{Trust, try_out},
};

/// Checks a chain in PEM as peers do that trust these roots for identities of this trust domain.
pub(super) fn check(
    chain: &[String],
    trust_domain: &str,
    roots: &Bundle,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let trust = Arc::new(Trust::new(roots, [trust_domain.to_owned()])?);
    let chain: Vec<_> = chain
        .iter()
        .map(|text| CertificateDer::from_pem_slice(text.as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Certificate(error.to_string()))?;
    try_out(&chain, &trust, now)
}
