//! What the CA answers, within bounds.

use pillion_certs::{
    Bundle, Error, SpiffeId,
    mesh::{Identity, Trust, WorkloadKey},
};
use time::{Duration, OffsetDateTime};

use super::{credentials::EnvoyKey, trust_domains::TrustDomains};
use crate::bounds::MAX_ROOTS;

/// The longest answer that is read.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// The most elements of an answer.
const MAX_ELEMENTS: usize = 16;
/// By how much the clock of this node may be behind that of the CA's: others take the certificate all
/// the same.
const MAX_BEHIND: Duration = Duration::minutes(10);

/// A certificate of this workload's, and whom the CA has it trust.
#[derive(Debug)]
pub(super) struct Answer {
    pub identity: Identity,
    pub for_envoy: Option<EnvoyKey>,
    pub roots: Bundle,
}

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "it has {0} elements, not from 2 to {MAX_ELEMENTS}: a certificate, those of the CAs between, the roots"
    )]
    Elements(usize),
    #[error("it has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    #[error("its element {index} has no certificates: {source}")]
    Element { index: usize, source: Error },
    #[error("its element {0} has no certificates")]
    Empty(usize),
    #[error("it has {0} roots, more than {MAX_ROOTS}")]
    Roots(usize),
    #[error("its roots can't be used, or have expired: {0}")]
    Trust(Error),
    #[error("its certificate can't be this workload's: {0}")]
    Identity(Error),
    #[error(
        "its certificate is not valid before {0}: the clock of this node is behind the CA's; see whether it is synchronised"
    )]
    NotYet(OffsetDateTime),
    #[error(
        "its certificate expired at {0}: the clock of this node is before the CA's; see whether it is synchronised"
    )]
    Expired(OffsetDateTime),
    #[error(
        "its certificate is for {id}, and this workload's trust domain is {expected:?} by its variable TRUST_DOMAIN: create the pod anew if the mesh's trust domain was changed"
    )]
    TrustDomain { id: SpiffeId, expected: String },
}

/// Reads an answer's certificates, which were asked for with that key.
pub(super) fn read(
    mut elements: Vec<String>,
    key: &WorkloadKey,
    trust_domains: &TrustDomains,
    now: OffsetDateTime,
) -> Result<Answer, Unusable> {
    if !(2..=MAX_ELEMENTS).contains(&elements.len()) {
        return Err(Unusable::Elements(elements.len()));
    }
    let bytes = elements.iter().map(String::len).sum();
    if bytes > MAX_BYTES {
        return Err(Unusable::TooLong(bytes));
    }
    let mut roots = Bundle::default();
    for (index, element) in elements.iter().enumerate() {
        roots = Bundle::from_pem(element).map_err(|source| Unusable::Element { index, source })?;
        if roots.is_empty() {
            return Err(Unusable::Empty(index));
        }
    }
    if roots.len() > MAX_ROOTS {
        return Err(Unusable::Roots(roots.len()));
    }
    elements.pop();
    let identity = Identity::new(&elements, key).map_err(Unusable::Identity)?;
    let validity = identity.validity();
    if now + MAX_BEHIND < validity.not_before {
        return Err(Unusable::NotYet(validity.not_before));
    }
    if validity.has_ended(now) {
        return Err(Unusable::Expired(validity.not_after));
    }
    let id = identity.id();
    if !trust_domains.may_be(id.trust_domain()) {
        return Err(Unusable::TrustDomain {
            id: id.clone(),
            expected: trust_domains.own.clone().unwrap_or_default(),
        });
    }
    let valid = roots.clone().valid_at(now);
    Trust::new(&valid, trust_domains.trusted_by(id)).map_err(Unusable::Trust)?;
    Ok(Answer {
        identity,
        for_envoy: None,
        roots,
    })
}
