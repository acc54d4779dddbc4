//! What is signed with: the CA of the certificates' Secret, in the mesh's trust domain.

use std::sync::Arc;

use pillion_certs::{Error, Issuer};
use pillion_serve::Condition;
use tokio::sync::watch;

use super::signing::Signing;
use crate::certificates::Issuing;

/// Keeps what is signed with up to date until a sender is gone. `can_sign` holds once there is something. A CA that
/// can't sign is reported in the log, and the one before stays.
pub(in crate::discovery) async fn feed(
    mut authorities: watch::Receiver<Option<Arc<Issuing>>>,
    mut trust_domains: watch::Receiver<Option<Arc<str>>>,
    signing: watch::Sender<Option<Arc<Signing>>>,
    can_sign: Condition,
) {
    loop {
        let authority = authorities.borrow_and_update().clone();
        let trust_domain = trust_domains.borrow_and_update().clone();
        if let (Some(authority), Some(trust_domain)) = (authority, trust_domain) {
            match made(&authority, &trust_domain) {
                Ok(new) => {
                    tracing::info!(
                        trust_domain = new.trust_domain,
                        roots = new.roots.len(),
                        "certificates of workloads are signed by the mesh's CA"
                    );
                    signing.send_replace(Some(Arc::new(new)));
                    can_sign.set(true);
                }
                Err(error) => tracing::error!(
                    %error,
                    "the mesh's CA can't sign certificates of workloads; the one before is used as long as there is one"
                ),
            }
        }
        let changed = tokio::select! {
            changed = authorities.changed() => changed,
            changed = trust_domains.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn made(authority: &Issuing, trust_domain: &str) -> Result<Signing, Error> {
    let Issuing { authority, roots } = authority;
    Ok(Signing {
        issuer: Issuer::from_pem(authority.certificate(), authority.key())?,
        roots: roots.clone(),
        trust_domain: trust_domain.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use pillion_certs::{Authority, Bundle};
    use pillion_serve::Readiness;
    use time::{Duration, OffsetDateTime};

    use super::*;

    #[tokio::test]
    async fn a_ca_and_a_trust_domain_are_needed() {
        let (authorities, receiver) = watch::channel(None);
        let (domains, trust_domains) = watch::channel(None);
        let (sender, mut signing) = watch::channel(None);
        let condition = Readiness::default().register("waiting");
        let fed = tokio::spawn(feed(receiver, trust_domains, sender, condition.clone()));
        let authority =
            Authority::generate("ca", OffsetDateTime::now_utc(), Duration::DAY).unwrap();
        let roots = Bundle::from_pem(authority.certificate()).unwrap();
        let issuing = Issuing { authority, roots };
        authorities.send_replace(Some(Arc::new(issuing)));
        tokio::task::yield_now().await;
        assert!(!condition.holds() && signing.borrow().is_none());
        for domain in ["a", "b"] {
            domains.send_replace(Some(domain.into()));
            let made = signing.wait_for(|made: &Option<Arc<Signing>>| {
                made.as_ref()
                    .is_some_and(|made| made.trust_domain == domain)
            });
            assert!(made.await.is_ok());
        }
        assert!(condition.holds());
        drop(domains);
        fed.await.unwrap();
    }
}
