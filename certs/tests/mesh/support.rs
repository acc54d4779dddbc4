//! CAs, workloads, and handshakes between them.

use std::sync::Arc;

use pillion_certs::{
    Bundle, CertificateRequest, Issuer, SpiffeId,
    mesh::{
        ClientSettings, Identity, PeerFault, SanMatch, ServerSettings, Tickets, Trust, WorkloadKey,
        client_config, server_config,
    },
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use rustls::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    sign::{CertifiedKey, SingleCertAndKey},
};
use time::{Duration, OffsetDateTime};

pub const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";
pub const API: &str = "spiffe://cluster.local/ns/shop/sa/api";
/// A name of a service, as Istio's proxies ask for it.
pub const NAME: &str = "outbound_.8080_._.api.shop.svc.cluster.local";

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A CA that issues certificates, and others that no CA should.
pub struct Ca {
    pub issuer: Issuer,
    pub forger: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let forger = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = forger.key().serialize_pem();
        let issuer = Issuer::from_pem(&forger.pem(), &key).unwrap();
        Self { issuer, forger }
    }

    pub fn root(&self) -> Bundle {
        Bundle::from_pem(&self.forger.pem()).unwrap()
    }

    pub fn trust(&self) -> Arc<Trust> {
        trust(&self.root(), &["cluster.local"])
    }

    /// The identity of a workload, issued so long ago and for so long.
    pub fn workload_at(&self, id: &str, at: OffsetDateTime, lifetime: Duration) -> Arc<Identity> {
        let key = WorkloadKey::generate().unwrap();
        let request = CertificateRequest::from_pem(&key.request().unwrap()).unwrap();
        let id: SpiffeId = id.parse().unwrap();
        let issued = self.issuer.issue(&request, &id, at, lifetime).unwrap();
        Arc::new(Identity::new(&issued.chain, &key).unwrap())
    }

    pub fn workload(&self, id: &str) -> Arc<Identity> {
        self.workload_at(id, now(), Duration::days(1))
    }

    /// A certificate with any names, and changed in any way.
    pub fn forge(
        &self,
        uris: &[&str],
        change: impl Fn(&mut CertificateParams),
    ) -> Arc<SingleCertAndKey> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "forged");
        params.subject_alt_names = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()))
            .collect();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = now() - Duration::hours(1);
        params.not_after = now() + Duration::hours(1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.forger).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let chain = vec![certificate.der().clone()];
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).unwrap();
        Arc::new(SingleCertAndKey::from(certified))
    }
}

pub fn trust(roots: &Bundle, trust_domains: &[&str]) -> Arc<Trust> {
    let trust_domains = trust_domains.iter().map(|domain| (*domain).to_owned());
    Arc::new(Trust::new(roots, trust_domains).unwrap())
}

pub fn exact(uri: &str) -> SanMatch {
    SanMatch::UriExact(uri.to_owned())
}

pub fn client(
    identity: &Arc<Identity>,
    trust: &Arc<Trust>,
    sans: &[SanMatch],
) -> Arc<ClientConfig> {
    let settings = ClientSettings {
        alpn: vec![b"istio".to_vec()],
        sans: sans.to_vec(),
    };
    client_config(identity, trust, &settings).unwrap()
}

pub fn server_with(
    identity: &Arc<Identity>,
    trust: &Arc<Trust>,
    sans: Option<&[SanMatch]>,
    tickets: &Tickets,
) -> Arc<ServerConfig> {
    let settings = ServerSettings {
        alpn: vec![b"istio-http/1.1".to_vec(), b"istio".to_vec()],
        sans: sans.map(<[_]>::to_vec),
        tickets: tickets.clone(),
    };
    server_config(identity, trust, &settings).unwrap()
}

pub fn server(identity: &Arc<Identity>, trust: &Arc<Trust>) -> Arc<ServerConfig> {
    server_with(identity, trust, None, &Tickets::new().unwrap())
}

/// Both ends after their handshake, and what it failed by at each.
pub struct Hands {
    pub client: Connection,
    pub server: Connection,
    pub client_error: Option<rustls::Error>,
    pub server_error: Option<rustls::Error>,
}

impl Hands {
    pub fn client_fault(&self) -> Option<PeerFault> {
        PeerFault::of(self.client_error.as_ref()?)
    }

    pub fn server_fault(&self) -> Option<PeerFault> {
        PeerFault::of(self.server_error.as_ref()?)
    }

    /// Both ends, which must be content with each other.
    pub fn joined(self) -> (ClientConnection, ServerConnection) {
        assert_eq!((&self.client_error, &self.server_error), (&None, &None));
        match (self.client, self.server) {
            (Connection::Client(client), Connection::Server(server)) => (client, server),
            _ => unreachable!(),
        }
    }
}

/// Carries what one end has written to the other.
fn carry(from: &mut Connection, to: &mut Connection, failed: &mut Option<rustls::Error>) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() && failed.is_none() {
        to.read_tls(&mut rest).unwrap();
        *failed = to.process_new_packets().err();
    }
}

pub fn shake_hands(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Hands {
    finish(begin(client, server))
}

/// Both ends before their handshake. The client has chosen already which session it resumes.
pub fn begin(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Hands {
    let name = NAME.try_into().unwrap();
    Hands {
        client: ClientConnection::new(Arc::clone(client), name)
            .unwrap()
            .into(),
        server: ServerConnection::new(Arc::clone(server)).unwrap().into(),
        client_error: None,
        server_error: None,
    }
}

pub fn finish(mut hands: Hands) -> Hands {
    while hands.client.wants_write() || hands.server.wants_write() {
        carry(
            &mut hands.client,
            &mut hands.server,
            &mut hands.server_error,
        );
        carry(
            &mut hands.server,
            &mut hands.client,
            &mut hands.client_error,
        );
    }
    hands
}
