//! Who asks for a certificate, and what proves it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use pillion_certs::{SpiffeId, verify_workload};
use pillion_serve::{Caller, Peer};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use tonic::metadata::MetadataMap;

use super::{refusal::Refusal, signing::Signing};
use crate::{
    discovery::{
        identity::{self, Authenticator, bearer},
        metrics::Proof,
    },
    model::Key,
    reviews::pool::{Pool, Unfinished},
};

/// How long it may take to check a certificate, with the wait for its turn.
const LONGEST: Duration = Duration::from_secs(5);

/// What tokens are worth.
#[derive(Debug)]
pub(in crate::discovery) enum Tokens {
    /// What the API server says of them.
    Reviewed(Arc<Authenticator>),
    /// They are `NAMESPACE/SERVICEACCOUNT`, and believed: for tests without an API server.
    Believed,
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub address: SocketAddr,
    pub caller: Caller,
    /// What it presented when it connected, if anything; nobody has judged it yet.
    certificates: Arc<[CertificateDer<'static>]>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Requester {
    /// Whose certificate it gets.
    pub id: SpiffeId,
    /// The pod that its token is bound to.
    pub pod: Option<Key>,
    pub proof: Proof,
    pub share: Share,
}

/// Whose share of certificates is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// A pod's, by its `metadata.uid`.
    Pod(Arc<str>),
    /// A workload's at an address: its pods have one identity, and no certificate says which of them asks.
    Workload(SpiffeId, Caller),
}

impl Origin {
    pub fn of(peer: Option<&Peer>) -> Self {
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = peer.map_or(unknown, Peer::address);
        Self {
            address,
            caller: peer.map_or_else(|| Caller::of(address.ip()), Peer::caller),
            certificates: peer.map_or_else(Arc::default, |peer| Arc::clone(peer.certificates())),
        }
    }
}

/// Finds out who asks: by the token, or else by the certificate. A certificate is not asked while a token is
/// refused, but it is while the API server does not say whose the token is.
///
/// # Errors
///
/// Returns why the caller is not believed.
pub(super) async fn identify(
    metadata: &MetadataMap,
    origin: &Origin,
    tokens: &Tokens,
    signing: &Arc<Signing>,
    pool: &Pool,
) -> Result<Requester, Refusal> {
    let Some(token) = bearer(metadata) else {
        if origin.certificates.is_empty() {
            return Err(Refusal::NoProof);
        }
        return by_certificate(origin, signing, pool).await;
    };
    let trust_domain = &signing.trust_domain;
    match tokens {
        Tokens::Believed => spelled(token, trust_domain, origin),
        Tokens::Reviewed(authenticator) => {
            match authenticator.identify(token, origin.address.ip()).await {
                Ok(identity) => by_token(identity, trust_domain, origin),
                Err(identity::Refusal::Unavailable) if !origin.certificates.is_empty() => {
                    by_certificate(origin, signing, pool).await
                }
                Err(refusal) => Err(Refusal::Token(refusal)),
            }
        }
    }
}

/// The account of the pod that a token is bound to.
fn by_token(
    identity: identity::Identity,
    trust_domain: &str,
    origin: &Origin,
) -> Result<Requester, Refusal> {
    let id = SpiffeId::new(trust_domain, &identity.pod.namespace, &identity.account)
        .map_err(Refusal::Identity)?;
    let share = match identity.uid {
        Some(uid) => Share::Pod(uid),
        None => Share::Workload(id.clone(), origin.caller),
    };
    Ok(Requester {
        id,
        pod: Some(identity.pod),
        proof: Proof::Token,
        share,
    })
}

/// The account that a token spells.
fn spelled(token: &str, trust_domain: &str, origin: &Origin) -> Result<Requester, Refusal> {
    let (namespace, account) = token.split_once('/').ok_or(Refusal::NoProof)?;
    let id = SpiffeId::new(trust_domain, namespace, account).map_err(Refusal::Identity)?;
    Ok(Requester {
        share: Share::Workload(id.clone(), origin.caller),
        id,
        pod: None,
        proof: Proof::Token,
    })
}

/// The workload whose certificate was presented. It is judged at this time, on the threads that sign: when it
/// was presented, another may have been in force.
async fn by_certificate(
    origin: &Origin,
    signing: &Arc<Signing>,
    pool: &Pool,
) -> Result<Requester, Refusal> {
    let (chain, signing) = (Arc::clone(&origin.certificates), Arc::clone(signing));
    let verify = move || {
        let now = OffsetDateTime::now_utc();
        verify_workload(&chain, &signing.roots, &signing.trust_domain, now)
    };
    let id = match pool.run(origin.caller, LONGEST, verify).await {
        Ok(verified) => verified.map_err(Refusal::Certificate)?,
        Err(Unfinished::Late) => return Err(Refusal::Late),
        Err(Unfinished::Panicked) => return Err(Refusal::Failed),
    };
    Ok(Requester {
        share: Share::Workload(id.clone(), origin.caller),
        id,
        pod: None,
        proof: Proof::Certificate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(account: &str) -> identity::Identity {
        identity::Identity {
            pod: Key::new("shop", "web-1"),
            uid: Some("uid".into()),
            account: account.into(),
            lasts: Duration::ZERO,
        }
    }

    #[test]
    fn a_token_is_worth_the_account_of_its_pod() {
        let origin = Origin::of(None);
        let requester = by_token(identity("web"), "td", &origin).unwrap();
        assert_eq!(requester.id.as_str(), "spiffe://td/ns/shop/sa/web");
        assert_eq!(requester.share, Share::Pod("uid".into()));
        // As of a client that no token was asked of.
        let nobody = by_token(identity(""), "td", &origin);
        assert!(matches!(nobody, Err(Refusal::Identity(_))));
    }

    #[test]
    fn a_token_that_is_believed_spells_an_account() {
        let origin = Origin::of(None);
        let requester = spelled("shop/web", "td", &origin).unwrap();
        assert_eq!(requester.id.as_str(), "spiffe://td/ns/shop/sa/web");
        for bad in ["", "shop", "shop/", "/web", "shop/web/x"] {
            assert!(spelled(bad, "td", &origin).is_err(), "{bad}");
        }
    }
}
