//! The validity period of a certificate.

use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

/// The validity period of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// When it begins.
    pub not_before: OffsetDateTime,
    /// When it ends.
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// Certificates are valid from before the time of issue, because the clocks of a cluster
    /// differ.
    const BACKDATE: Duration = Duration::hours(1);

    /// Creates a period that begins an hour before `now`, to allow for clock skew, and ends a
    /// lifetime after it.
    #[must_use]
    pub fn starting(now: OffsetDateTime, lifetime: Duration) -> Self {
        Self {
            not_before: now - Self::BACKDATE,
            not_after: now + lifetime,
        }
    }

    /// Reads it from a certificate.
    ///
    /// # Errors
    ///
    /// Returns an error if the certificate can't be read.
    pub fn of(certificate: &[u8]) -> Result<Self, Error> {
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let validity = certificate.validity();
        Ok(Self {
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        })
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self, now: OffsetDateTime) -> bool {
        now >= self.not_before
    }

    /// Checks that it has begun and has not ended.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotYet`] or [`Error::Ended`].
    pub fn check(&self, now: OffsetDateTime) -> Result<(), Error> {
        if !self.has_begun(now) {
            return Err(Error::NotYet(self.not_before));
        }
        if self.has_ended(now) {
            return Err(Error::Ended(self.not_after));
        }
        Ok(())
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self, now: OffsetDateTime) -> bool {
        now >= self.not_after
    }

    /// Returns when to renew: after two thirds of the lifetime, which leaves a third to fix
    /// problems with the renewal.
    #[must_use]
    pub fn renewal(&self) -> OffsetDateTime {
        let issued = self.not_before + Self::BACKDATE;
        issued + (self.not_after - issued) * 2 / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_renewed_two_thirds_into_its_life() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let validity = Validity::starting(now, Duration::days(90));
        assert_eq!(validity.renewal(), now + Duration::days(60));
        assert!(!validity.has_ended(now + Duration::days(89)));
        assert!(validity.has_ended(now + Duration::days(90)));
        assert!(validity.check(now).is_ok());
        let (before, after) = (now - Duration::days(1), now + Duration::days(90));
        assert!(matches!(validity.check(before), Err(Error::NotYet(_))));
        assert!(matches!(validity.check(after), Err(Error::Ended(_))));
    }
}
