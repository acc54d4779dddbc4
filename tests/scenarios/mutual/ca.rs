//! The CA of the mesh, and that of strangers.

use std::sync::Arc;

use pillion::discovery::Offline;
use pillion_certs::{
    Authority, Bundle, CertificateRequest, Issuer, SpiffeId,
    mesh::{Identity, Trust, WorkloadKey},
};
use rcgen::{CertificateParams, KeyPair};
use time::{Duration, OffsetDateTime};

/// A CA, whose root signs itself.
pub struct Ca {
    authority: Authority,
    issuer: Issuer,
}

impl Ca {
    pub fn new() -> Self {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::generate("mutual", now, Duration::DAY).unwrap();
        let issuer = Issuer::from_pem(authority.certificate(), authority.key()).unwrap();
        Self { authority, issuer }
    }

    /// The root, in PEM.
    pub fn root(&self) -> &str {
        self.authority.certificate()
    }

    /// Has discovery issue by it, and turn mutual TLS on.
    pub async fn sign_for(&self, discovery: &mut Offline) {
        let (root, key) = (self.root(), self.authority.key());
        discovery.mutual_tls(true).await.unwrap();
        discovery.issue_with(root, key, root).unwrap();
        discovery.trust(root).await.unwrap();
    }

    /// A certificate and its key, in PEM.
    pub fn certify(&self, id: &SpiffeId) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key);
        let request = CertificateRequest::from_pem(&request.unwrap().pem().unwrap()).unwrap();
        let now = OffsetDateTime::now_utc();
        let issued = self.issuer.issue(&request, id, now, Duration::DAY);
        (issued.unwrap().chain.concat(), key.serialize_pem())
    }

    /// The identity of a workload of the test's own, which gets its certificate at this time.
    pub fn identity(&self, id: &SpiffeId, at: OffsetDateTime, lifetime: Duration) -> Arc<Identity> {
        let key = WorkloadKey::generate().unwrap();
        let request = CertificateRequest::from_pem(&key.request().unwrap()).unwrap();
        let issued = self.issuer.issue(&request, id, at, lifetime).unwrap();
        Arc::new(Identity::new(&issued.chain, &key).unwrap())
    }

    /// What a workload trusts: this CA, for identities of this trust domain.
    pub fn trust(&self, trust_domain: &str) -> Arc<Trust> {
        let roots = Bundle::from_pem(self.root()).unwrap();
        Arc::new(Trust::new(&roots, [trust_domain.to_owned()]).unwrap())
    }
}
