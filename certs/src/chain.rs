//! What a chain that somebody presents may cost, before a path to a root is looked for.
//!
//! Paths are looked for in every order of the certificates that fit by their names. With many of one name that takes
//! seconds, and whoever presents them need not have signed any.

use std::sync::Arc;

use rustls::{CertificateError, OtherError, pki_types::CertificateDer};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The most certificates above the owner's in a chain: a longer one is accepted by nobody.
pub const MOST_ABOVE: usize = 4;
/// The most of those that are of one subject: a CA may be called as the one above it.
const MOST_NAMESAKES: usize = 2;
/// The most bytes in all.
const MOST_BYTES: usize = 16 * 1024;
/// The most bytes in all where a chain is kept for as long as its connection lasts, of clients as well that have proved
/// nothing: where discovery takes what workloads present.
const MOST_KEPT: usize = 8 * 1024;

/// Why a chain is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ChainFault(pub &'static str);

const TOO_MANY: ChainFault = ChainFault("its chain has more than 5 certificates");
const TOO_LONG: ChainFault = ChainFault("its chain is longer than 16 KiB");
const TOO_LONG_TO_KEEP: ChainFault = ChainFault("its chain is longer than 8 KiB");
const NAMESAKES: ChainFault = ChainFault("its chain has more than two CAs of one name");
const MALFORMED: ChainFault = ChainFault("a certificate in its chain can't be read");

impl From<ChainFault> for rustls::Error {
    fn from(fault: ChainFault) -> Self {
        CertificateError::Other(OtherError(Arc::new(fault))).into()
    }
}

/// Checks the owner's certificate, and those above it that came along.
pub(crate) fn check_chain(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), ChainFault> {
    if intermediates.len() > MOST_ABOVE {
        return Err(TOO_MANY);
    }
    if bytes(end_entity, intermediates) > MOST_BYTES {
        return Err(TOO_LONG);
    }
    if intermediates.len() <= MOST_NAMESAKES {
        return Ok(());
    }
    let mut subjects = Vec::with_capacity(intermediates.len());
    for one in intermediates {
        let (_, one) = X509Certificate::from_der(one).map_err(|_| MALFORMED)?;
        subjects.push(one.tbs_certificate.subject.as_raw());
    }
    let has_crowd = subjects.iter().any(|subject| {
        let namesakes = subjects.iter().filter(|other| *other == subject);
        namesakes.count() > MOST_NAMESAKES
    });
    match has_crowd {
        true => Err(NAMESAKES),
        false => Ok(()),
    }
}

/// Checks a chain that is kept while its connection lasts.
pub(crate) fn check_kept(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), ChainFault> {
    check_chain(end_entity, intermediates)?;
    match bytes(end_entity, intermediates) > MOST_KEPT {
        true => Err(TOO_LONG_TO_KEEP),
        false => Ok(()),
    }
}

fn bytes(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> usize {
    let lengths = intermediates.iter().map(|one| one.len());
    end_entity.len() + lengths.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn named(name: &str, padding: usize) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let padding = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; padding]);
        params.custom_extensions = vec![padding];
        let signed = params.self_signed(&KeyPair::generate().unwrap());
        signed.unwrap().der().clone()
    }

    fn check(names: &[&str]) -> Result<(), ChainFault> {
        let above: Vec<_> = names.iter().map(|name| named(name, 0)).collect();
        check_chain(&named("web", 0), &above)
    }

    #[test]
    fn a_chain_has_few_cas_and_no_crowd_of_one_name() {
        for good in [
            &[][..],
            &["a", "a"],
            &["a", "b", "a"],
            &["a", "b", "a", "b"],
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        assert_eq!(check(&["a", "a", "a"]), Err(NAMESAKES));
        assert_eq!(check(&["a", "a", "b", "a"]), Err(NAMESAKES));
        assert_eq!(check(&["a", "b", "c", "d", "e"]), Err(TOO_MANY));
    }

    #[test]
    fn a_chain_is_not_long() {
        let (web, half) = (named("web", 0), MOST_BYTES / 2);
        assert_eq!(check_chain(&web, &[named("a", half)]), Ok(()));
        let long = [named("a", half), named("b", half)];
        assert_eq!(check_chain(&web, &long), Err(TOO_LONG));
        let alone = named("web", MOST_BYTES);
        assert_eq!(check_chain(&alone, &[]), Err(TOO_LONG));
        assert_eq!(check_kept(&web, &[]), Ok(()));
        assert_eq!(check_kept(&web, &long[..1]), Err(TOO_LONG_TO_KEEP));
    }

    #[test]
    fn what_is_not_a_certificate_is_not_looked_at() {
        let above = [
            named("a", 0),
            named("b", 0),
            CertificateDer::from(vec![0x30]),
        ];
        let checked = check_chain(&named("web", 0), &above);
        assert_eq!(checked, Err(MALFORMED));
    }
}
