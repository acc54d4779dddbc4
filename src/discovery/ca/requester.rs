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
        accounts::{Accounts, Standing},
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

/// Identifies the client by its token, or else by its certificate if its account has a pod. The certificate does not
/// make up for a token that is refused, but it does while the API server can't review the token.
///
/// # Errors
///
/// Returns why the caller is not believed.
pub(super) async fn identify(
    metadata: &MetadataMap,
    origin: &Origin,
    (tokens, accounts): (&Tokens, &Accounts),
    signing: &Arc<Signing>,
    pool: &Pool,
) -> Result<Requester, Refusal> {
    let Some(token) = bearer(metadata) else {
        if origin.certificates.is_empty() {
            return Err(Refusal::NoProof);
        }
        return by_certificate(origin, accounts, signing, pool).await;
    };
    let trust_domain = &signing.trust_domain;
    match tokens {
        Tokens::Believed => spelled(token, trust_domain, origin),
        Tokens::Reviewed(authenticator) => {
            match authenticator.identify(token, origin.address.ip()).await {
                Ok(identity) => by_token(identity, trust_domain, origin),
                Err(identity::Refusal::Unavailable) if !origin.certificates.is_empty() => {
                    by_certificate(origin, accounts, signing, pool).await
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
/// was presented, another may have been in force. A stolen one can be renewed only while the workload exists.
async fn by_certificate(
    origin: &Origin,
    accounts: &Accounts,
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
    match accounts.standing(id.namespace(), id.service_account()) {
        Standing::HasPod => {}
        Standing::HasNone => return Err(Refusal::NoPod(id)),
        Standing::Unknown => return Err(Refusal::NotListed),
    }
    Ok(Requester {
        share: Share::Workload(id.clone(), origin.caller),
        id,
        pod: None,
        proof: Proof::Certificate,
    })
}

#[cfg(test)]
mod tests {
    use pillion_certs::{Authority, Bundle, CertificateRequest, Issuer, mesh::WorkloadKey};
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::model::{Captured, Change, Labels, Pod, ProxyKind};

    /// A CA, and who has a certificate of it for `shop/web`.
    fn with_certificate() -> (Arc<Signing>, Origin) {
        let (now, day) = (OffsetDateTime::now_utc(), time::Duration::DAY);
        let authority = Authority::generate("ca", now, day).unwrap();
        let issuer = Issuer::from_pem(authority.certificate(), authority.key()).unwrap();
        let request = WorkloadKey::generate().unwrap().request().unwrap();
        let request = CertificateRequest::from_pem(&request).unwrap();
        let id = SpiffeId::new("td", "shop", "web").unwrap();
        let chain = issuer
            .issue(&request, &id, now, day)
            .unwrap()
            .chain
            .concat();
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
        let origin = Origin {
            certificates: chain.map(Result::unwrap).collect(),
            ..Origin::of(None)
        };
        let signing = Signing {
            issuer,
            roots: Bundle::from_pem(authority.certificate()).unwrap(),
            trust_domain: "td".to_owned(),
        };
        (Arc::new(signing), origin)
    }

    /// Otherwise a stolen certificate could be renewed for ever.
    #[tokio::test]
    async fn a_certificate_is_worth_something_while_its_account_has_a_pod() {
        let (signing, origin) = with_certificate();
        let pool = Pool::named("sign", 1).unwrap();
        let accounts = Accounts::default();
        let ask = async || {
            let proofs = (&Tokens::Believed, &accounts);
            identify(&MetadataMap::new(), &origin, proofs, &signing, &pool).await
        };
        assert!(matches!(ask().await, Err(Refusal::NotListed)));
        accounts.complete();
        assert!(matches!(ask().await, Err(Refusal::NoPod(_))));
        accounts.take(&Change::Apply(Pod {
            key: Key::new("shop", "web-1"),
            labels: Labels::default(),
            ips: Vec::new(),
            service_account: "web".into(),
            node: None,
            ports: Vec::new(),
            has_proxy: true,
            captured: Captured::All,
            proxy: ProxyKind::Sidecar,
            tracing: None,
        }));
        let requester = ask().await.unwrap();
        assert_eq!(requester.id.as_str(), "spiffe://td/ns/shop/sa/web");
        assert_eq!(requester.proof, Proof::Certificate);
        accounts.take(&Change::Delete(Key::new("shop", "web-1")));
        assert!(matches!(ask().await, Err(Refusal::NoPod(_))));
        // A token needs no pod that is known here: the API server knows it.
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", "Bearer shop/web".parse().unwrap());
        let proofs = (&Tokens::Believed, &accounts);
        let by_token = identify(&metadata, &origin, proofs, &signing, &pool).await;
        assert_eq!(by_token.unwrap().proof, Proof::Token);
    }

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
