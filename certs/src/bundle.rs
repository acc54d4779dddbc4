//! Root certificates in PEM, one behind the other.

use pem::Pem;
use time::OffsetDateTime;

use crate::{Error, Validity};

/// Joins bundles in their order. What stands twice is kept once; what has
/// expired is left out.
///
/// # Errors
///
/// When one of them can't be read.
pub fn join<'a>(
    bundles: impl IntoIterator<Item = &'a str>,
    now: OffsetDateTime,
) -> Result<String, Error> {
    let mut kept: Vec<Pem> = Vec::new();
    for bundle in bundles {
        for certificate in certificates(bundle)? {
            let has_ended = Validity::of(certificate.contents())?.has_ended(now);
            if !has_ended
                && !kept
                    .iter()
                    .any(|other| other.contents() == certificate.contents())
            {
                kept.push(certificate);
            }
        }
    }
    Ok(kept
        .iter()
        .map(|certificate| pem::encode_config(certificate, line_feeds()))
        .collect())
}

/// Checks that text holds at least one certificate and nothing that can't be read.
///
/// # Errors
///
/// When it does not.
pub fn check(bundle: &str) -> Result<(), Error> {
    let certificates = certificates(bundle)?;
    if certificates.is_empty() {
        return Err(Error::Missing("certificate"));
    }
    certificates
        .iter()
        .try_for_each(|certificate| Validity::of(certificate.contents()).map(drop))
}

fn certificates(bundle: &str) -> Result<Vec<Pem>, Error> {
    let mut blocks = pem::parse_many(bundle)?;
    blocks.retain(|block| block.tag() == "CERTIFICATE");
    Ok(blocks)
}

fn line_feeds() -> pem::EncodeConfig {
    pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF)
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::Authority;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
    }

    fn root(days: i64) -> String {
        let authority = Authority::generate("ca", now(), Duration::days(days)).unwrap();
        authority.certificate().to_owned()
    }

    #[test]
    fn keeps_each_root_once_in_its_order() {
        let (first, second) = (root(1), root(1));
        let joined = join([first.as_str(), second.as_str(), first.as_str()], now()).unwrap();
        assert_eq!(pem::parse_many(&joined).unwrap().len(), 2);
        assert_eq!(
            join([joined.as_str(), second.as_str()], now()).unwrap(),
            joined
        );
    }

    #[test]
    fn leaves_expired_roots_out() {
        let (long, short) = (root(10), root(1));
        let later = now() + Duration::days(5);
        assert_eq!(
            join([short.as_str(), long.as_str()], later).unwrap(),
            join([long.as_str()], later).unwrap()
        );
    }

    #[test]
    fn rejects_text_without_a_certificate() {
        assert!(check("").is_err());
        assert!(check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
        assert!(check(&root(1)).is_ok());
    }
}
