//! Handshakes, as an API server makes them.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Connects anew, trusting these roots.
pub async fn connect(address: SocketAddr, roots: &str) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from(address.ip().to_string())?;
    let stream = TcpStream::connect(address).await?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?)
}

/// Connects anew; the certificate that was presented.
pub async fn handshake(
    address: SocketAddr,
    roots: &str,
) -> anyhow::Result<CertificateDer<'static>> {
    let stream = connect(address, roots).await?;
    let (_, connection) = stream.get_ref();
    let presented = connection
        .peer_certificates()
        .and_then(|chain| chain.first());
    Ok(presented.expect("no certificate").clone().into_owned())
}
