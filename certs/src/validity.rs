//! When a certificate is valid.

use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

/// The time a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: OffsetDateTime,
    /// The last moment.
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// Clocks of a cluster differ, and the fastest one makes the certificates: they
    /// are valid from well before.
    const BACKDATE: Duration = Duration::hours(1);

    /// From now on, for a lifetime.
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
    /// When the certificate can't be read.
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
    /// When it is not so.
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

    /// When to renew: two thirds into the life, which leaves a third to repair
    /// what keeps it from being renewed.
    #[must_use]
    pub fn renewal(&self) -> OffsetDateTime {
        let made = self.not_before + Self::BACKDATE;
        made + (self.not_after - made) * 2 / 3
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
