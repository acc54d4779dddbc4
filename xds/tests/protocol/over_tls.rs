//! A client and a server over TLS, whose roots and token change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use pillion_certs::{Authority, Resolver, server_config};
use pillion_xds::client::{Connect, file};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    support::*,
    wire::{Application, Server},
};

fn authority() -> Authority {
    Authority::generate("ca", OffsetDateTime::now_utc(), Duration::DAY).unwrap()
}

/// A server whose certificate is of this CA, for `localhost`.
async fn server(authority: &Authority) -> Server {
    let now = OffsetDateTime::now_utc();
    let pair = authority.issue(&["localhost".to_owned()], now, Duration::DAY);
    let resolver = Arc::new(Resolver::default());
    resolver.replace(&pair.unwrap());
    let mut config = server_config(resolver).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::with(listener, move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }
    })
}

/// Files of one test.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn connect(&self, address: &str) -> Connect {
        Connect {
            address: address.to_owned(),
            roots: Some(file(self.0.join("root-cert.pem"))),
            token: Some(file(self.0.join("istio-token"))),
        }
    }
}

#[tokio::test]
async fn shows_the_token_as_it_is_at_each_connection() {
    let (authority, files) = (authority(), Files::new("token"));
    let mut server = server(&authority).await;
    files.write("root-cert.pem", authority.certificate());
    files.write("istio-token", "first\n");
    let mut client = Application::start(files.connect(&server.address), CLUSTER, &["*"]);
    let peer = server.accept().await;
    assert_eq!(peer.authorization.as_deref(), Some("Bearer first"));
    files.write("istio-token", "second");
    drop(peer);
    client.disconnected().await;
    let peer = server.accept().await;
    assert_eq!(peer.authorization.as_deref(), Some("Bearer second"));
}

#[tokio::test]
async fn trusts_the_roots_as_they_are_at_each_connection() {
    let (ours, other, files) = (authority(), authority(), Files::new("roots"));
    let mut server = server(&ours).await;
    files.write("istio-token", "token");
    files.write("root-cert.pem", other.certificate());
    let mut client = Application::start(files.connect(&server.address), CLUSTER, &["*"]);
    let reason = client.disconnected().await;
    assert!(reason.contains("TLS"), "{reason}");
    files.write("root-cert.pem", ours.certificate());
    assert_eq!(
        server
            .accept()
            .await
            .request()
            .await
            .resource_names_subscribe,
        ["*"]
    );
}

#[tokio::test]
async fn says_which_file_it_lacks() {
    let files = Files::new("nothing");
    let mut client = Application::start(files.connect("localhost:1"), CLUSTER, &["*"]);
    let reason = client.disconnected().await;
    assert!(reason.contains("root-cert.pem"), "{reason}");
}

#[tokio::test]
async fn shows_no_token_without_tls() {
    let mut server = Server::start().await;
    let files = Files::new("plain");
    files.write("istio-token", "token");
    let connect = Connect {
        roots: None,
        ..files.connect(&server.address)
    };
    let _client = Application::start(connect, CLUSTER, &["*"]);
    assert_eq!(server.accept().await.authorization, None);
}
