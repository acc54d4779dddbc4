//! Which certificate is served, and from when on.
//!
//! One gate for both sources: a certificate of another CA than the one that is
//! served waits until API servers have trusted its CA for a while.

use std::{sync::Arc, time::Duration};

use pillion_certs::{Bundle, Error, Pair, Resolver, Validity};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::injector::{
    ca_bundle::{Roots, Trusted},
    shared::Shared,
};

/// A certificate, and the CAs that came with it, if any did.
pub(in crate::injector) struct Certificate {
    pub pair: Pair,
    pub roots: Option<Bundle>,
}

/// The certificate that is served, and the one to come.
pub(in crate::injector) struct Serving {
    resolver: Arc<Resolver>,
    roots: watch::Sender<Roots>,
    trusted: watch::Receiver<Trusted>,
    /// How long API servers take to learn what is trusted.
    overlap: Duration,
    shared: Shared,
    served: Option<Certificate>,
    coming: Option<Certificate>,
    /// Whether the log has said that it has ended.
    has_ended: bool,
}

impl Serving {
    pub fn new(
        resolver: Arc<Resolver>,
        roots: watch::Sender<Roots>,
        trusted: watch::Receiver<Trusted>,
        overlap: Duration,
        shared: Shared,
    ) -> Self {
        Self {
            resolver,
            roots,
            trusted,
            overlap,
            shared,
            served: None,
            coming: None,
            has_ended: false,
        }
    }

    /// A certificate that is good; it is served as soon as may be.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn offer(&mut self, certificate: Certificate, now: OffsetDateTime) -> Result<(), Error> {
        certificate.pair.validity()?;
        let is_served = self.served.as_ref().is_some_and(|served| {
            served.pair == certificate.pair && served.roots == certificate.roots
        });
        self.coming = (!is_served).then_some(certificate);
        self.advance(now);
        Ok(())
    }

    /// Serves what is due by now.
    pub fn advance(&mut self, now: OffsetDateTime) {
        let trusted = self.trusted.borrow().clone();
        let (served, overlap) = (self.served.as_ref(), self.overlap);
        let due = |coming: &mut Certificate| is_due(served, coming, &trusted, overlap, now);
        if let Some(coming) = self.coming.take_if(due) {
            self.serve(coming);
        }
        self.watch_for_the_end(now);
    }

    /// Wants these roots trusted, beside those of what is served and of what is to
    /// come. Where none of these has any, that is left to others.
    pub fn trust(&self, roots: Option<Bundle>) {
        if roots.is_none() && self.coming.is_none() && self.served.is_none() {
            return;
        }
        let certificates = [&self.coming, &self.served].into_iter().flatten();
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

    /// A certificate was refused; the one before stays.
    pub fn refused(&self) {
        self.shared.metrics.certificate_rejected();
    }

    fn serve(&mut self, certificate: Certificate) {
        // Read once already, when it was offered.
        if let Ok(Validity { not_after, .. }) = certificate.pair.validity() {
            let expires = not_after.unix_timestamp();
            self.shared.metrics.certificate_expires(expires);
            tracing::info!(%not_after, "serving certificate loaded");
        }
        self.resolver.replace(&certificate.pair);
        self.served = Some(certificate);
        self.has_ended = false;
        self.shared.conditions.certificate.set(true);
    }

    fn watch_for_the_end(&mut self, now: OffsetDateTime) {
        let ended = self.served.as_ref().is_some_and(|served| {
            let validity = served.pair.validity();
            validity.is_ok_and(|validity| validity.has_ended(now))
        });
        if ended && !self.has_ended {
            tracing::error!("the serving certificate has ended: API servers accept it no more");
            self.shared.conditions.certificate.set(false);
            self.has_ended = true;
        }
    }
}

/// Whether a certificate may be served: API servers have trusted its CA for long
/// enough, or there is nothing better to serve.
fn is_due(
    served: Option<&Certificate>,
    coming: &Certificate,
    trusted: &Trusted,
    overlap: Duration,
    now: OffsetDateTime,
) -> bool {
    let (Some(served), Some(roots)) = (served, &coming.roots) else {
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
        let coming = certificate();
        assert!(is_due(None, &coming, &Trusted::nothing(), OVERLAP, now()));
    }

    #[test]
    fn another_certificate_of_the_same_ca_is_served_at_once() {
        let served = certificate();
        let coming = Certificate {
            roots: served.roots.clone(),
            ..certificate()
        };
        let due = is_due(Some(&served), &coming, &Trusted::nothing(), OVERLAP, now());
        assert!(due);
    }

    #[tokio::test(start_paused = true)]
    async fn another_ca_has_to_be_trusted_for_a_while() {
        let (served, coming) = (certificate(), certificate());
        let due = |trusted: &Trusted| is_due(Some(&served), &coming, trusted, OVERLAP, now());
        let (old, new) = (trusted(&served), trusted(&coming));
        assert!(!due(&Trusted::nothing()));
        advance(OVERLAP / 2).await;
        assert!(!due(&new));
        advance(OVERLAP / 2).await;
        assert!(due(&new));
        assert!(!due(&old));
    }

    #[test]
    fn what_is_left_to_others_is_not_waited_for() {
        let (served, coming) = (certificate(), certificate());
        let trusted = Trusted::LeftToOthers;
        assert!(is_due(Some(&served), &coming, &trusted, OVERLAP, now()));
    }

    #[test]
    fn a_certificate_that_is_about_to_end_gives_way() {
        let (served, coming) = (certificate(), certificate());
        let later = now() + time::Duration::days(1) - OVERLAP;
        let due = |now| is_due(Some(&served), &coming, &Trusted::nothing(), OVERLAP, now);
        assert!(!due(later - time::Duration::SECOND));
        assert!(due(later));
    }
}
