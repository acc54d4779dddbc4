//! Handshakes with servers that rustls alone serves.

mod shown;

use std::sync::Arc;

use pillion_certs::mesh::OutsideName;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::long;
use crate::{
    tables::{Carried, CertificateFiles, Outside, Proof, UpstreamTls},
    transport::{
        TlsFailure, Transport, secure,
        test_util::{Mesh, TempFile, pair},
    },
};

/// A CA that the mesh does not know.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A server with a certificate for these hosts, which speaks these protocols.
    fn server(&self, hosts: &[&str], alpn: &[&str]) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let (certificate, key) = self.certificate(hosts);
        let mut config = builder.with_single_cert(certificate, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// The certificate of a server for these hosts.
    fn certificate(
        &self,
        hosts: &[&str],
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let uri = "https://example.com/id".try_into().unwrap();
        params.subject_alt_names = hosts
            .iter()
            .map(|host| SanType::DnsName((*host).try_into().unwrap()))
            .chain([SanType::URI(uri)])
            .collect();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        (vec![certificate.der().clone()], key)
    }
}

fn checked(roots: &str, sni: &str, names: &[OutsideName]) -> Arc<UpstreamTls> {
    let outside = Outside {
        proof: Proof::Checked {
            roots: roots.into(),
            names: names.to_vec(),
        },
        shown: None,
    };
    Arc::new(UpstreamTls::outside(sni.into(), Vec::new(), outside))
}

fn dns(name: &str) -> OutsideName {
    OutsideName::Dns(name.to_owned())
}

/// The protocol that was agreed on, and the name that was asked for.
type Agreed = (Option<Vec<u8>>, Option<String>);

/// Answers a byte with another one, and tells what there is to see of the connection; `None` if there was none.
async fn answer<T>(
    server: &TlsAcceptor,
    accepted: TcpStream,
    see: impl FnOnce(&ServerConnection) -> T,
) -> Option<T> {
    let mut stream = server.accept(accepted).await.ok()?;
    stream.read_u8().await.ok()?;
    stream.write_all(b"!").await.unwrap();
    stream.flush().await.unwrap();
    Some(see(stream.get_ref().1))
}

/// A handshake, and a byte in either direction.
async fn shake(
    transport: &Transport,
    tls: &Arc<UpstreamTls>,
    carried: Carried,
    server: &TlsAcceptor,
) -> Result<Agreed, TlsFailure> {
    let (connected, accepted, address) = pair().await;
    let ask = async {
        let (mut stream, parties) =
            secure(transport, tls, (carried, address), connected, long()).await?;
        assert!(parties.is_none(), "a server outside has no identity");
        stream.write_all(b"?").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        Ok(())
    };
    let answer = answer(server, accepted, |state| {
        assert!(state.peer_certificates().is_none());
        let name = state.server_name().map(ToOwned::to_owned);
        (state.alpn_protocol().map(<[u8]>::to_vec), name)
    });
    let (asked, agreed) = tokio::join!(ask, answer);
    asked.map(|()| agreed.unwrap())
}

#[tokio::test]
async fn a_server_with_the_name_is_believed() {
    let ca = Ca::new();
    let file = TempFile::new(&ca.0.pem());
    let server = ca.server(&["*.example.com"], &["h2", "http/1.1"]);
    // It works without credentials of the mesh, too.
    for transport in [Transport::default(), Mesh::new().transport("web")] {
        for (carried, protocol) in [
            (Carried::Http1, Some("http/1.1")),
            (Carried::Http2, Some("h2")),
            (Carried::Bytes, None),
        ] {
            let tls = checked(file.path(), "api.example.com", &[dns("api.example.com")]);
            let agreed = shake(&transport, &tls, carried, &server).await.unwrap();
            let protocol = protocol.map(|name| name.as_bytes().to_vec());
            assert_eq!(agreed, (protocol, Some("api.example.com".to_owned())));
        }
    }
}

#[tokio::test]
async fn any_of_the_names_will_do_and_no_other() {
    let ca = Ca::new();
    let file = TempFile::new(&ca.0.pem());
    let server = ca.server(&["a.example.com", "*.wild.com"], &[]);
    let transport = Transport::default();
    let uri = OutsideName::Uri("https://example.com/id".to_owned());
    for names in [
        &[dns("x.example.com"), dns("A.example.com")][..],
        &[dns("*.wild.com")],
        &[uri],
        &[],
    ] {
        let tls = checked(file.path(), "", names);
        let agreed = shake(&transport, &tls, Carried::Bytes, &server).await;
        assert_eq!(agreed.unwrap(), (None, None), "{names:?}");
    }
    for name in ["b.example.com", "a.a.wild.com", "https://example.com/id"] {
        let tls = checked(file.path(), "a.example.com", &[dns(name)]);
        let failed = shake(&transport, &tls, Carried::Bytes, &server).await;
        let said = failed.unwrap_err().to_string();
        assert!(
            said.contains("for a.example.com, *.wild.com") && said.contains(name),
            "{said}"
        );
    }
}

#[tokio::test]
async fn other_roots_are_not_trusted_and_a_new_file_is() {
    let (ca, other) = (Ca::new(), Ca::new());
    let server = ca.server(&["a.example.com"], &[]);
    let file = TempFile::new(&other.0.pem());
    let tls = checked(file.path(), "a.example.com", &[dns("a.example.com")]);
    let transport = Transport::default();
    let failed = shake(&transport, &tls, Carried::Bytes, &server).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.kind(), "tls_peer_refused", "{failed}");
    file.replace(&ca.0.pem());
    // Another process looks at once.
    let later = Transport::default();
    shake(&later, &tls, Carried::Bytes, &server).await.unwrap();
}

#[tokio::test]
async fn without_roots_nobody_is_believed() {
    let server = Ca::new().server(&["a.example.com"], &[]);
    let tls = checked("/nowhere/roots.pem", "a.example.com", &[]);
    let transport = Transport::default();
    let failed = shake(&transport, &tls, Carried::Bytes, &server).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.kind(), "tls_roots");
    assert!(
        failed.to_string().contains("/nowhere/roots.pem"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_rule_may_take_anybody() {
    let server = Ca::new().server(&["a.example.com"], &[]);
    let sni = "other.example.com";
    let outside = Outside {
        proof: Proof::Unchecked,
        shown: None,
    };
    let tls = UpstreamTls::outside(sni.into(), Vec::new(), outside);
    let transport = Transport::default();
    let agreed = shake(&transport, &Arc::new(tls), Carried::Bytes, &server).await;
    assert_eq!(agreed.unwrap(), (None, Some(sni.to_owned())));
}
