//! Credentials for tests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use pillion_certs::{
    Authority, Bundle, CertificateRequest, Issuer, SpiffeId,
    mesh::{Identity, Trust, WorkloadKey},
};
use time::{Duration, OffsetDateTime};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    identity::{Credentials, EnvoyKey},
    transport::{ClientTransport, Transport},
};

/// A CA, and the workloads of its trust domain.
pub(crate) struct Mesh {
    root: String,
    issuer: Issuer,
}

impl Mesh {
    pub fn new() -> Self {
        let now = OffsetDateTime::now_utc();
        let root = Authority::generate("test", now, Duration::days(1)).unwrap();
        Self {
            root: root.certificate().to_owned(),
            issuer: Issuer::from_pem(root.certificate(), root.key()).unwrap(),
        }
    }

    /// Those of a workload with that account.
    pub fn credentials(&self, account: &str, generation: u64) -> Arc<Credentials> {
        let now = OffsetDateTime::now_utc();
        let key = WorkloadKey::generate().unwrap();
        let request = CertificateRequest::from_pem(&key.request().unwrap()).unwrap();
        let id = SpiffeId::new("cluster.local", "shop", account).unwrap();
        let life = Duration::hours(1);
        let issued = self.issuer.issue(&request, &id, now, life).unwrap();
        let roots = Bundle::from_pem(&self.root).unwrap();
        let domains = ["cluster.local".to_owned()];
        Arc::new(Credentials {
            identity: Arc::new(Identity::new(&issued.chain, &key).unwrap()),
            for_envoy: Some(EnvoyKey::new(&key)),
            trust: Arc::new(Trust::new(&roots, domains).unwrap()),
            generation,
        })
    }

    /// The certificate and the key of a workload, for programs that others wrote.
    pub fn files(&self, account: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key);
        let request = CertificateRequest::from_pem(&request.unwrap().pem().unwrap()).unwrap();
        let now = OffsetDateTime::now_utc();
        let id = SpiffeId::new("cluster.local", "shop", account).unwrap();
        let issued = self.issuer.issue(&request, &id, now, Duration::hours(1));
        (issued.unwrap().chain.concat(), key.serialize_pem())
    }

    /// The root, in PEM.
    pub fn roots(&self) -> &str {
        &self.root
    }

    /// That of other threads with these.
    pub fn client_transport(&self, account: &str) -> ClientTransport {
        let (_, credentials) = tokio::sync::watch::channel(Some(self.credentials(account, 1)));
        ClientTransport::new(&Arc::default(), &credentials)
    }

    /// A worker's transport with these.
    pub fn transport(&self, account: &str) -> Transport {
        let (_, credentials) = tokio::sync::watch::channel(Some(self.credentials(account, 1)));
        Transport::new(&Arc::default(), &credentials)
    }
}

/// A connection, whose server's address comes last.
pub(crate) async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0, address)
}

/// Lets time pass, as the runtime's clock has it. Nothing waits for it meanwhile.
pub(crate) async fn pass(time: std::time::Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A file that is there as long as this.
pub(crate) struct TempFile(String);

impl TempFile {
    pub fn new(content: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (own, number) = (std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(format!("pillion-transport-{own}-{number}"));
        std::fs::write(&path, content).unwrap();
        Self(path.into_os_string().into_string().unwrap())
    }

    pub fn path(&self) -> &str {
        &self.0
    }

    /// Puts another file in its place, as Kubernetes does it.
    pub fn replace(&self, content: &str) {
        let new = format!("{}.new", self.0);
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
