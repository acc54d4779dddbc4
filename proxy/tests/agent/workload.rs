//! Another workload, which speaks with the pod.

use std::{io, sync::Arc};

use pillion_certs::{
    Bundle, CertificateRequest, SpiffeId,
    mesh::{ClientSettings, Identity, Peer, Trust, WorkloadKey, client_config},
    unverified_client_config,
};
use rustls::{ClientConfig, pki_types::ServerName};
use time::{Duration, OffsetDateTime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
};
use tokio_rustls::TlsConnector;

use crate::{
    control_plane::{ControlPlane, PORT},
    pod::POD,
};

/// A client of the pod.
pub struct Workload(Arc<ClientConfig>);

impl Workload {
    /// One with a certificate of the mesh's CA.
    pub fn of(control_plane: &ControlPlane, account: &str) -> Self {
        let key = WorkloadKey::generate().unwrap();
        let request = CertificateRequest::from_pem(&key.request().unwrap()).unwrap();
        let id = SpiffeId::new("cluster.local", "shop", account).unwrap();
        let (now, life) = (OffsetDateTime::now_utc(), Duration::hours(1));
        let issuer = control_plane.issuer();
        let issued = issuer.issue(&request, &id, now, life).unwrap();
        let identity = Identity::new(&issued.chain, &key).unwrap();
        let roots = Bundle::from_pem(&control_plane.root).unwrap();
        let trust = Trust::new(&roots, ["cluster.local".to_owned()]).unwrap();
        let settings = ClientSettings {
            alpn: Vec::new(),
            sans: Vec::new(),
        };
        let config = client_config(&Arc::new(identity), &Arc::new(trust), &settings);
        Self(config.unwrap())
    }

    /// One without a certificate, who does not ask who the pod is.
    pub fn of_nobody() -> Self {
        Self(Arc::new(unverified_client_config().unwrap()))
    }

    /// Sends a request. Returns the answer, and a hash of the pod's certificate.
    pub fn ask(&self) -> io::Result<(String, String)> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let stream = TcpStream::connect((POD, PORT)).await?;
            let name = ServerName::try_from("web.shop").unwrap();
            let connector = TlsConnector::from(Arc::clone(&self.0));
            let mut stream = connector.connect(name, stream).await?;
            let peer = Peer::of(stream.get_ref().1);
            let request = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await?;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            if answer.is_empty() {
                read?;
            }
            let hash = peer.map(|peer| peer.hash().to_owned());
            let answer = String::from_utf8_lossy(&answer).into_owned();
            Ok((answer, hash.unwrap_or_default()))
        })
    }
}
