//! For fuzz targets: what is made of what a CA answers.

use pillion_certs::{
    Bundle,
    mesh::{Identity, WorkloadKey},
};
use time::OffsetDateTime;

use super::{answer, trust_domains::TrustDomains};

/// Reads the elements of an answer to a workload with that key, in a mesh of that trust domain. Returns
/// the workload's certificate, and the roots.
///
/// # Errors
///
/// Why the answer is of no use.
pub fn read_ca_answer(
    elements: Vec<String>,
    key: &WorkloadKey,
    trust_domain: &str,
    now: OffsetDateTime,
) -> Result<(Identity, Bundle), String> {
    let trust_domains = TrustDomains {
        own: Some(trust_domain.to_owned()),
        aliases: Vec::new(),
    };
    let read = answer::read(elements, key, &trust_domains, now);
    let answer = read.map_err(|unusable| unusable.to_string())?;
    Ok((answer.identity, answer.roots))
}
