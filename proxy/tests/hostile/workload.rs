//! Workloads of the mesh that do their handshakes as they should, and then send what records they
//! like.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
};

use pillion_certs::{CertificateRequest, Issuer, SpiffeId, unverified_client_config_with};
use rustls::{
    ClientConfig, ClientConnection, KeyLog, StreamOwned,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{cipher_suite as suite, default_provider},
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use time::{Duration, OffsetDateTime};

use crate::{
    addresses::{HONEST, HOSTILE},
    client::connect,
    records::Records,
};

/// Of TLS.
#[derive(Debug, Clone, Copy)]
pub enum Version {
    Tls12,
    Tls13,
}

/// A client without a certificate, who does not ask who the pod is. Its only cipher has keys of 32
/// bytes in both versions.
fn nobody(version: Version) -> ClientConfig {
    let (version, suite) = match version {
        Version::Tls12 => (&TLS12, suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        Version::Tls13 => (&TLS13, suite::TLS13_CHACHA20_POLY1305_SHA256),
    };
    let provider = CryptoProvider {
        cipher_suites: vec![suite],
        ..default_provider()
    };
    let mut config = unverified_client_config_with(provider, &[version]).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn begin(config: ClientConfig) -> ClientConnection {
    let name = ServerName::try_from("web.shop").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// What a client sends first.
pub fn hello(version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(nobody(version)).write_tls(&mut bytes).unwrap();
    bytes
}

/// Does the handshake without a certificate, and returns what becomes of it: the first that a
/// server says of it may be an alert behind the handshake.
pub fn prove_nothing(to: SocketAddr, version: Version) -> io::Result<usize> {
    let mut tls = begin(nobody(version));
    let mut stream = connect(HOSTILE, to)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    StreamOwned::new(tls, stream).read(&mut [0])
}

/// A workload.
#[derive(Clone)]
pub struct Workload(Arc<SingleCertAndKey>);

impl Workload {
    /// One with a certificate of the mesh's CA.
    pub fn new(issuer: &Issuer) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key);
        let request = CertificateRequest::from_pem(&request.unwrap().pem().unwrap()).unwrap();
        let id = SpiffeId::new("cluster.local", "shop", "client").unwrap();
        let now = OffsetDateTime::now_utc();
        let issued = issuer.issue(&request, &id, now, Duration::hours(1));
        let chain = issued.unwrap().chain.concat();
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = CertifiedKey::from_der(chain, key, &default_provider()).unwrap();
        Self(Arc::new(SingleCertAndKey::from(key)))
    }

    /// Does the handshake, and then may send any records.
    pub fn connect(&self, to: SocketAddr, version: Version) -> (TcpStream, Records) {
        let secret = Arc::<Secret>::default();
        let mut config = self.config(version);
        config.key_log = Arc::<Secret>::clone(&secret);
        config.enable_secret_extraction = true;
        let mut tls = begin(config);
        let mut stream = connect(HOSTILE, to).unwrap();
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut stream).unwrap();
        }
        if matches!(version, Version::Tls13) {
            // The tickets come when the other side's handshake is done, too.
            stream.peek(&mut [0]).unwrap();
        }
        let Secret(secret) = &*secret;
        let secret = secret.lock().unwrap().clone();
        (stream, Records::new(tls, secret))
    }

    /// As an honest client, sends a request whose response ends the connection.
    pub fn ask(&self, to: SocketAddr) -> io::Result<String> {
        let stream = connect(HONEST, to)?;
        let mut stream = StreamOwned::new(begin(self.config(Version::Tls13)), stream);
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request)?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        if answer.is_empty() {
            read?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn config(&self, version: Version) -> ClientConfig {
        let mut config = nobody(version);
        let Self(shown) = self;
        config.client_auth_cert_resolver = Arc::<SingleCertAndKey>::clone(shown);
        config
    }
}

/// The secret of which a client's keys are made (TLS 1.3).
#[derive(Debug, Default)]
struct Secret(Mutex<Vec<u8>>);

impl KeyLog for Secret {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "CLIENT_TRAFFIC_SECRET_0" {
            let Self(held) = self;
            *held.lock().unwrap() = secret.to_vec();
        }
    }
}
