//! The certificate that is served, and the next one.
//!
//! This is used for own and mounted certificates: a certificate of another CA than the
//! current one is served only after API servers have trusted its CA for a while.

use std::{sync::Arc, time::Duration};

use pillion_certs::{Bundle, Error, Pair, Resolver, Validity};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::{
    ca_bundle::{Roots, Trusted},
    owner::Owner,
};

/// A certificate, and its CAs if they are known.
pub(crate) struct Certificate {
    pub pair: Pair,
    pub roots: Option<Bundle>,
}

/// The certificate that is served, and the next one.
pub(crate) struct Serving {
    resolver: Arc<Resolver>,
    roots: watch::Sender<Roots>,
    trusted: watch::Receiver<Trusted>,
    /// How long API servers take to learn of a changed caBundle.
    overlap: Duration,
    owner: Owner,
    served: Option<Certificate>,
    next: Option<Certificate>,
    /// Whether it has expired, which has been logged.
    has_expired: bool,
}

impl Serving {
    pub fn new(
        resolver: Arc<Resolver>,
        roots: watch::Sender<Roots>,
        trusted: watch::Receiver<Trusted>,
        overlap: Duration,
        owner: Owner,
    ) -> Self {
        Self {
            resolver,
            roots,
            trusted,
            overlap,
            owner,
            served: None,
            next: None,
            has_expired: false,
        }
    }

    /// Offers a valid certificate, which is served as soon as API servers trust its CA.
    ///
    /// # Errors
    ///
    /// Returns an error if the certificate can't be read.
    pub fn offer(&mut self, certificate: Certificate, now: OffsetDateTime) -> Result<(), Error> {
        certificate.pair.validity()?;
        let is_served = self.served.as_ref().is_some_and(|served| {
            served.pair == certificate.pair && served.roots == certificate.roots
        });
        self.next = (!is_served).then_some(certificate);
        self.advance(now);
        Ok(())
    }

    /// Serves the next certificate if it is time to.
    pub fn advance(&mut self, now: OffsetDateTime) {
        let trusted = self.trusted.borrow().clone();
        let (served, overlap) = (self.served.as_ref(), self.overlap);
        let due = |next: &mut Certificate| is_due(served, next, &trusted, overlap, now);
        if let Some(next) = self.next.take_if(due) {
            self.serve(next);
        }
        self.check_expiry(now);
    }

    /// Requires that API servers trust these roots, and those of the current and the next
    /// certificate. If none of these has roots, the caBundle is left to others.
    pub fn trust(&self, roots: Option<Bundle>) {
        if roots.is_none() && self.next.is_none() && self.served.is_none() {
            return;
        }
        let certificates = [&self.next, &self.served].into_iter().flatten();
        let wanted = roots
            .into_iter()
            .chain(certificates.filter_map(|certificate| certificate.roots.clone()))
            .reduce(Bundle::join)
            .map_or(Roots::Foreign, Roots::Ours);
        self.roots.send_if_modified(|before| {
            let differs = *before != wanted;
            *before = wanted;
            differs
        });
    }

    /// Requires the same while there is no certificate: the root of the CA that will sign it has to be trusted first.
    pub fn wait_for_root(&self, roots: Bundle) {
        self.owner.root_is_not_trusted();
        self.trust(Some(roots));
    }

    /// Counts a certificate that was refused; the previous one stays in use.
    pub fn record_refused(&self) {
        self.owner.metrics.rejected();
    }

    fn serve(&mut self, certificate: Certificate) {
        // This can't fail, because it did not when the certificate was offered.
        if let Ok(Validity { not_after, .. }) = certificate.pair.validity() {
            let expires = not_after.unix_timestamp();
            self.owner.metrics.expires(expires);
            tracing::info!(%not_after, "serving certificate loaded");
        }
        self.resolver.replace(&certificate.pair);
        self.served = Some(certificate);
        self.has_expired = false;
        self.owner.certificate.set(true);
    }

    fn check_expiry(&mut self, now: OffsetDateTime) {
        let expired = self.served.as_ref().is_some_and(|served| {
            let validity = served.pair.validity();
            validity.is_ok_and(|validity| validity.has_ended(now))
        });
        if expired && !self.has_expired {
            tracing::error!("the serving certificate has expired: API servers do not accept it");
            self.owner.certificate.set(false);
            self.has_expired = true;
        }
    }
}

/// Whether the next certificate can be served: API servers have trusted its CA for long
/// enough, or there is no better certificate.
fn is_due(
    served: Option<&Certificate>,
    next: &Certificate,
    trusted: &Trusted,
    overlap: Duration,
    now: OffsetDateTime,
) -> bool {
    let (Some(served), Some(roots)) = (served, &next.roots) else {
        return true;
    };
    let ends = served
        .pair
        .validity()
        .is_ok_and(|validity| validity.has_ended(now + overlap));
    let is_settled = match trusted {
        Trusted::LeftToOthers => true,
        trusted => trusted.time_of(roots).is_some_and(|time| time >= overlap),
    };
    ends || served.roots.as_ref() == Some(roots) || is_settled
}

#[cfg(test)]
mod tests {
    use pillion_certs::Authority;
    use tokio::time::advance;

    use super::*;

    const OVERLAP: Duration = Duration::from_secs(120);

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000)
    }

    fn certificate() -> Certificate {
        let authority = Authority::generate("ca", now(), time::Duration::days(2)).unwrap();
        Certificate {
            pair: authority
                .issue(&["a.svc".to_owned()], now(), time::Duration::days(1))
                .unwrap(),
            roots: Some(Bundle::from_pem(authority.certificate()).unwrap()),
        }
    }

    fn trusted(certificate: &Certificate) -> Trusted {
        Trusted::nothing().followed_by(certificate.roots.as_ref().unwrap())
    }

    #[test]
    fn the_first_certificate_is_served_at_once() {
        let next = certificate();
        assert!(is_due(None, &next, &Trusted::nothing(), OVERLAP, now()));
    }

    #[test]
    fn another_certificate_of_the_same_ca_is_served_at_once() {
        let served = certificate();
        let next = Certificate {
            roots: served.roots.clone(),
            ..certificate()
        };
        let due = is_due(Some(&served), &next, &Trusted::nothing(), OVERLAP, now());
        assert!(due);
    }

    #[tokio::test(start_paused = true)]
    async fn another_ca_has_to_be_trusted_for_a_while() {
        let (served, next) = (certificate(), certificate());
        let due = |trusted: &Trusted| is_due(Some(&served), &next, trusted, OVERLAP, now());
        let (old, new) = (trusted(&served), trusted(&next));
        assert!(!due(&Trusted::nothing()));
        advance(OVERLAP / 2).await;
        assert!(!due(&new));
        advance(OVERLAP / 2).await;
        assert!(due(&new));
        assert!(!due(&old));
    }

    #[test]
    fn what_is_left_to_others_is_not_waited_for() {
        let (served, next) = (certificate(), certificate());
        let trusted = Trusted::LeftToOthers;
        assert!(is_due(Some(&served), &next, &trusted, OVERLAP, now()));
    }

    #[test]
    fn a_certificate_that_is_about_to_end_gives_way() {
        let (served, next) = (certificate(), certificate());
        let later = now() + time::Duration::days(1) - OVERLAP;
        let due = |now| is_due(Some(&served), &next, &Trusted::nothing(), OVERLAP, now);
        assert!(!due(later - time::Duration::SECOND));
        assert!(due(later));
    }
}
