//! Servers that are shown a certificate of files.

use rustls::{
    HandshakeKind, RootCertStore, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use super::*;
use crate::transport::{followed::FRESH, test_util::pass};

/// The files of a certificate that a CA has issued to a client.
struct Files {
    chain: TempFile,
    key: TempFile,
}

impl Files {
    fn new((chain, key, _): &Issued) -> Self {
        Self {
            chain: TempFile::new(chain),
            key: TempFile::new(key),
        }
    }

    fn paths(&self) -> CertificateFiles {
        CertificateFiles {
            chain: self.chain.path().into(),
            key: self.key.path().into(),
        }
    }
}

/// A client's certificate and its key in PEM, and the certificate as servers see it.
type Issued = (String, String, Vec<u8>);

impl Ca {
    fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().signed_by(&key, &self.0);
        let certificate = certificate.unwrap();
        let der = certificate.der().to_vec();
        (certificate.pem(), key.serialize_pem(), der)
    }

    /// A server that wants a certificate of those CAs, or that of anybody else.
    fn asking(&self, clients: &Ca, version: &'static SupportedProtocolVersion) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(clients.0.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap());
        let (certificate, key) = self.certificate(&["a.example.com"]);
        let config = builder.with_single_cert(certificate, key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn showing(roots: &TempFile, shown: Option<CertificateFiles>) -> Arc<UpstreamTls> {
    let outside = Outside {
        proof: Proof::Checked {
            roots: roots.path().into(),
            names: vec![dns("a.example.com")],
        },
        shown,
    };
    Arc::new(UpstreamTls::outside(
        "a.example.com".into(),
        Vec::new(),
        outside,
    ))
}

/// A handshake, and a byte in either direction: the certificate that the server was shown, and whether a session was
/// resumed. All servers have the same address, as far as sessions are concerned.
async fn shake(
    transport: &Transport,
    tls: &Arc<UpstreamTls>,
    server: &TlsAcceptor,
) -> Result<(Option<Vec<u8>>, HandshakeKind), TlsFailure> {
    let (connected, accepted, _) = pair().await;
    let to = (Carried::Bytes, ([10, 0, 0, 1], 443).into());
    let ask = async {
        let (mut stream, _) = secure(transport, tls, to, connected, long()).await?;
        // A server that has refused the certificate does not read it.
        let _ = stream.write_all(b"?").await;
        let _ = stream.flush().await;
        assert_eq!(stream.read_u8().await?, b'!');
        Ok(())
    };
    let answer = answer(server, accepted, |state| {
        let chain = state.peer_certificates();
        let shown = chain.map(|chain| chain[0].to_vec());
        (shown, state.handshake_kind().unwrap())
    });
    let (asked, seen) = tokio::join!(ask, answer);
    asked.map(|()| seen.unwrap())
}

#[tokio::test]
async fn a_server_that_asks_is_shown_the_certificate() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let roots = TempFile::new(&ca.0.pem());
    let issued = clients.issue();
    let files = Files::new(&issued);
    let tls = showing(&roots, Some(files.paths()));
    for version in [&TLS13, &TLS12] {
        let server = ca.asking(&clients, version);
        // It works without credentials of the mesh, and shows nothing of those that there are.
        for transport in [Transport::default(), Mesh::new().transport("web")] {
            let (shown, _) = shake(&transport, &tls, &server).await.unwrap();
            assert_eq!(shown.as_ref(), Some(&issued.2));
        }
    }
    let silent = ca.server(&["a.example.com"], &[]);
    let (shown, _) = shake(&Transport::default(), &tls, &silent).await.unwrap();
    assert_eq!(shown, None);
}

#[tokio::test]
async fn no_certificate_or_a_wrong_one_is_refused() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let roots = TempFile::new(&ca.0.pem());
    let wrong = Files::new(&Ca::new().issue());
    for version in [&TLS13, &TLS12] {
        let server = ca.asking(&clients, version);
        for shown in [None, Some(wrong.paths())] {
            let transport = Mesh::new().transport("web");
            let failed = shake(&transport, &showing(&roots, shown), &server).await;
            let failed = failed.unwrap_err();
            assert_eq!(failed.kind(), "tls_alert", "{failed}");
        }
    }
}

#[tokio::test]
async fn without_its_files_a_cluster_has_no_connections_and_says_why() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let roots = TempFile::new(&ca.0.pem());
    let server = ca.asking(&clients, &TLS13);
    let files = Files::new(&clients.issue());
    let mut paths = files.paths();
    paths.key = "/nowhere/key.pem".into();
    let transport = Transport::default();
    let failed = shake(&transport, &showing(&roots, Some(paths)), &server).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.kind(), "tls_client_certificate");
    let said = failed.to_string();
    assert!(
        said.contains("/nowhere/key.pem") && said.contains("privateKey"),
        "{said}"
    );
    // Others go on.
    let tls = showing(&roots, Some(files.paths()));
    shake(&transport, &tls, &server).await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_then_on_in_sessions_of_its_own() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let roots = TempFile::new(&ca.0.pem());
    let server = ca.asking(&clients, &TLS13);
    let (old, new) = (clients.issue(), clients.issue());
    let files = Files::new(&old);
    let (transport, tls) = (Transport::default(), showing(&roots, Some(files.paths())));
    let shown = async || shake(&transport, &tls, &server).await.unwrap();
    let before = Some(old.2);
    assert_eq!(shown().await, (before.clone(), HandshakeKind::Full));
    assert_eq!(shown().await, (before.clone(), HandshakeKind::Resumed));
    // Whoever writes both is between them.
    files.chain.replace(&new.0);
    pass(FRESH).await;
    assert_eq!(shown().await, (before, HandshakeKind::Resumed));
    files.key.replace(&new.1);
    pass(FRESH).await;
    assert_eq!(shown().await, (Some(new.2.clone()), HandshakeKind::Full));
    assert_eq!(shown().await, (Some(new.2), HandshakeKind::Resumed));
}
