//! Handshakes, as an API server makes them.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Connects anew, trusting these roots.
pub async fn connect(address: SocketAddr, roots: &str) -> anyhow::Result<TlsStream<TcpStream>> {
    connect_as(None, &[&TLS13, &TLS12], address, roots).await
}

/// A client's certificate and its key, in PEM.
pub type Identity<'a> = (&'a str, &'a str);

/// The same with a certificate and by these versions of TLS.
pub async fn connect_as(
    identity: Option<Identity<'_>>,
    versions: &[&'static SupportedProtocolVersion],
    address: SocketAddr,
    roots: &str,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    over(stream, identity, versions, roots).await
}

/// The same over a stream that is connected already.
pub async fn over(
    stream: TcpStream,
    identity: Option<Identity<'_>>,
    versions: &[&'static SupportedProtocolVersion],
    roots: &str,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(store);
    let config = match identity {
        Some((certificate, key)) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(key.as_bytes())?,
        )?,
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from(stream.peer_addr()?.ip().to_string())?;
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
