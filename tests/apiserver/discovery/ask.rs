//! Asks the mesh's CA for certificates, as proxies do.

use std::{net::SocketAddr, sync::Arc};

use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_certs::{Bundle, verify_workload};
use pillion_envoy_api::istio::v1::auth::{
    IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
};
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::{Request, Status};

/// A request of 1,024 bits of RSA, by openssl.
pub const WEAK: &str = include_str!("weak.csr");

/// Who asks, and what it proves itself by. Each request has a connection of its own.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub address: SocketAddr,
    /// By which the service is trusted.
    pub roots: &'a str,
    pub token: Option<&'a str>,
    /// A certificate and its key, in PEM.
    pub identity: Option<(&'a str, &'a str)>,
}

/// A certificate that was issued, and its key.
pub struct Certificate {
    pub chain: Vec<String>,
    pub key: KeyPair,
}

impl Asker<'_> {
    /// Asks for a certificate of a new key, whose request has the names of somebody else.
    pub async fn certificate(&self) -> Result<Certificate, Status> {
        let key = KeyPair::generate().unwrap();
        let chain = self.create(&with_foreign_names(&key), 0).await?;
        Ok(Certificate { chain, key })
    }

    /// Sends a request.
    pub async fn create(&self, csr: &str, seconds: i64) -> Result<Vec<String>, Status> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(self.address.ip().to_string()).unwrap();
        let stream = TlsConnector::from(Arc::new(self.config()))
            .connect(name, stream)
            .await
            .expect("a handshake");
        let connected =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = connected.unwrap();
        tokio::spawn(connection);
        let service = tower::service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let origin = format!("https://{}", self.address).parse().unwrap();
        let mut client = IstioCertificateServiceClient::with_origin(service, origin);
        let mut request = Request::new(IstioCertificateRequest {
            csr: csr.to_owned(),
            validity_duration: seconds,
        });
        if let Some(token) = self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        // Istio lets a node's agent ask for its pods by this; here, it does not.
        let foreign = "spiffe://cluster.local/ns/kube-system/sa/admin".parse();
        let metadata = request.metadata_mut();
        metadata.insert("impersonatedidentity", foreign.unwrap());
        let created = client.create_certificate(request).await?;
        Ok(created.into_inner().cert_chain)
    }

    fn config(&self) -> ClientConfig {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.roots.as_bytes()) {
            store.add(root.unwrap()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store);
        let mut config = match self.identity {
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
                let chain = chain.map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

impl Certificate {
    /// The roots of the answer.
    pub fn roots(&self) -> &str {
        self.chain.last().unwrap()
    }

    /// The certificate and the CAs above it.
    pub fn own(&self) -> String {
        self.chain[..self.chain.len() - 1].concat()
    }

    /// Its identity, in a trust domain, as others believe it.
    pub fn id(&self, trust_domain: &str) -> String {
        let roots = Bundle::from_pem(self.roots()).unwrap();
        let own = self.own();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(own.as_bytes())
            .map(Result::unwrap)
            .collect();
        let now = OffsetDateTime::now_utc();
        let id = verify_workload(&chain, &roots, trust_domain, now);
        id.unwrap().to_string()
    }

    /// The names in it that are no URIs, after a check that its key is the request's.
    pub fn names(&self) -> Vec<String> {
        let pair = pillion_certs::Pair::from_pem(&self.own(), &self.key.serialize_pem());
        pair.unwrap().names().unwrap()
    }
}

/// A request for a key, which claims to be several others.
pub fn with_foreign_names(key: &KeyPair) -> String {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "admin.kube-system");
    let uri = "spiffe://cluster.local/ns/kube-system/sa/admin";
    params.subject_alt_names = vec![
        SanType::URI(uri.try_into().unwrap()),
        SanType::DnsName("admin.kube-system.svc".try_into().unwrap()),
    ];
    params.serialize_request(key).unwrap().pem().unwrap()
}
