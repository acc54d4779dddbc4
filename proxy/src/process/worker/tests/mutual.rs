//! Mutual TLS, with OpenSSL as a stranger on both sides, and between two proxies of ours.

mod outside;

use std::{fs, path::PathBuf, process::Stdio};

use tokio::{
    io::AsyncBufReadExt as _,
    process::{Child, Command},
};

use super::*;
use crate::{
    tables::{
        Action, ClientCert, DownstreamTls, Forward, ForwardClientCert, Route, RouteMatch, SanMatch,
        TlsChain, TlsChains, UpstreamProtocol, UpstreamTls, VirtualHost,
    },
    transport::test_util::Mesh,
};

/// A folder of the test's own, with the files of a workload.
struct Folder(PathBuf);

impl Folder {
    fn new(mesh: &Mesh, account: &str) -> Self {
        let name = format!(
            "pillion-mutual-{}-{}",
            std::process::id(),
            fastrand::u64(..)
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let (chain, key) = mesh.files(account);
        fs::write(folder.join("chain.pem"), chain).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        fs::write(folder.join("roots.pem"), mesh.roots()).unwrap();
        Self(folder)
    }

    fn openssl(&self, arguments: &str) -> Command {
        let mut command = Command::new("openssl");
        command.current_dir(&self.0).args(arguments.split(' '));
        command.stderr(Stdio::piped()).stdout(Stdio::piped());
        command.kill_on_drop(true);
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn trusted() -> Arc<DownstreamTls> {
    Arc::new(DownstreamTls::new(
        vec!["h2".into(), "http/1.1".into()],
        vec![SanMatch::Prefix("spiffe://cluster.local/".into())],
    ))
}

fn to_server() -> HttpListener {
    let mut hosts = Hosts::default();
    let action = Action::Forward(Forward::to("server"));
    let host = VirtualHost {
        routes: vec![Arc::new(Route::new("all", RouteMatch::any(), action))],
        tells_attempt: false,
        is_stand_in: false,
    };
    hosts.add("*", Arc::new(host));
    HttpListener {
        client_cert: ClientCert {
            forward: ForwardClientCert::SanitizeSet,
            subject: true,
            uri: true,
        },
        ..HttpListener::new(Arc::new(hosts))
    }
}

/// A port that takes HTTP from clients that prove who they are alone.
fn strict() -> Listener {
    Listener {
        name: Arc::from("test"),
        detection: Detection::Tls(Duration::from_secs(30)),
        http: None,
        tcp: TcpRoutes::default(),
        tls: Some(TlsChains {
            chains: vec![TlsChain {
                server_names: Vec::new(),
                protocols: Vec::new(),
                ends: Some(trusted()),
                http: Some(to_server()),
                tcp: TcpRoutes::default(),
                policy: Some("peer-authentication/strict".into()),
            }],
            leaves_others: false,
        }),
    }
}

/// A port for HTTP in plaintext.
fn plain() -> Listener {
    Listener {
        name: Arc::from("test"),
        detection: Detection::Http,
        http: Some(to_server()),
        tcp: TcpRoutes::default(),
        tls: None,
    }
}

/// The cluster `server`, whose endpoint has to be of that account, if of one.
fn cluster(server: SocketAddr, account: Option<&str>) -> Clusters {
    cluster_of(UpstreamProtocol::Http1, server, account)
}

fn cluster_of(protocol: UpstreamProtocol, server: SocketAddr, account: Option<&str>) -> Clusters {
    let (settings, endpoints) = (
        settings(protocol, account),
        endpoint(server, account.is_some()),
    );
    Clusters::from_iter([ClusterStates::default().build(settings, endpoints)])
}

fn settings(protocol: UpstreamProtocol, account: Option<&str>) -> ClusterSettings {
    let mut settings = ClusterSettings::new("server");
    settings.protocol = protocol;
    settings.tls = account.map(|account| {
        let san = format!("spiffe://cluster.local/ns/shop/sa/{account}");
        Arc::new(UpstreamTls::new(
            "outbound_.9080_._.server.shop.svc.cluster.local".into(),
            vec!["istio".into()],
            vec![SanMatch::Exact(san.into())],
        ))
    });
    settings
}

fn endpoint(server: SocketAddr, is_secured: bool) -> EndpointSource {
    EndpointSource::List(vec![EndpointSettings {
        is_secured,
        ..EndpointSettings::new(server)
    }])
}

/// A proxy with that listener and cluster, as a workload of that account.
async fn proxy(
    mesh: &Mesh,
    account: &str,
    listener: Listener,
    clusters: Clusters,
) -> (u16, Gateway) {
    let port = free_port().await;
    let records = Records::new(Workload::default(), None);
    let credentials = watch::channel(Some(mesh.credentials(account, 1))).1;
    let gateway = gateway_as(credentials, port, listener, (clusters, records));
    gateway.entrances.open(Entrance::Bound(port), port).unwrap();
    (port, gateway)
}

/// An application, which answers with what it is asked.
async fn application() -> SocketAddr {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        return;
                    };
                    head.push(byte);
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    head.len()
                );
                let answer = [answer.as_bytes(), &head].concat();
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    address
}

/// What a client of OpenSSL gets, and what it says of the handshake.
async fn s_client(folder: &Folder, port: u16, options: &str) -> (String, String) {
    let arguments =
        format!("s_client -connect 127.0.0.1:{port} -CAfile roots.pem -ign_eof {options}");
    let mut command = folder.openssl(&arguments);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nx-forwarded-client-cert: By=me\r\n\r\n";
    // It may be refused before it asks.
    let _ = stdin.write_all(request).await;
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A server of OpenSSL that wants a certificate of its clients, and shows it in its answers.
async fn s_server(folder: &Folder) -> (Child, SocketAddr) {
    let port = free_port().await;
    let arguments = format!(
        "s_server -accept 127.0.0.1:{port} -cert chain.pem -key key.pem -CAfile roots.pem -Verify 2 \
         -verify_return_error -alpn http/1.1 -www"
    );
    let mut server = folder.openssl(&arguments).spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(server.stdout.take().unwrap()).lines();
    while lines
        .next_line()
        .await
        .unwrap()
        .is_some_and(|line| !line.contains("ACCEPT"))
    {}
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (server, ([127, 0, 0, 1], port).into())
}

const OWN: &str = "-cert chain.pem -key key.pem";

#[tokio::test]
async fn a_stranger_with_a_certificate_gets_in_and_its_name_is_passed_on() {
    let mesh = Mesh::new();
    let listener = strict();
    let (port, gateway) = proxy(&mesh, "own", listener, cluster(application().await, None)).await;
    let folder = Folder::new(&mesh, "web");
    for (options, version) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let (got, said) = s_client(&folder, port, &format!("{OWN} {options}")).await;
        assert!(got.contains("HTTP/1.1 200 OK"), "{got}\n{said}");
        assert!(got.contains(version), "{got}");
        let field = "x-forwarded-client-cert: By=spiffe://cluster.local/ns/shop/sa/own;Hash=";
        let end = ";Subject=\"\";URI=spiffe://cluster.local/ns/shop/sa/web\r\n";
        assert!(got.contains(field) && got.contains(end), "{got}");
        assert!(!got.contains("By=me"), "{got}");
    }
    gateway.workers.stop().await;
}

#[tokio::test]
async fn who_proves_nothing_does_not_get_in() {
    let mesh = Mesh::new();
    let (port, gateway) = proxy(&mesh, "own", strict(), cluster(application().await, None)).await;
    let folder = Folder::new(&mesh, "web");
    for options in [
        "-tls1_3",
        &format!("{OWN} -tls1_1 -cipher DEFAULT@SECLEVEL=0"),
    ] {
        let (got, said) = s_client(&folder, port, options).await;
        assert!(!got.contains("HTTP/1.1"), "{got}");
        assert!(said.contains("alert"), "{said}");
    }
    let foreign = Folder::new(&Mesh::new(), "web");
    let (got, said) = s_client(&foreign, port, OWN).await;
    assert!(
        !got.contains("HTTP/1.1") && said.contains("alert"),
        "{got}{said}"
    );
    // Plaintext is reset.
    assert!(ask(port).await.is_err());
    let mut text = String::new();
    gateway.records.encode(&mut text);
    assert!(text.contains("response_flags=\"NR\""), "{text}");
    assert!(text.contains("response_flags=\"DPE\""), "{text}");
    gateway.workers.stop().await;
}

#[tokio::test]
async fn a_stranger_serves_who_has_the_right_name() {
    let mesh = Mesh::new();
    let folder = Folder::new(&mesh, "server");
    let (_server, address) = s_server(&folder).await;
    let (right, gateway) = proxy(&mesh, "web", plain(), cluster(address, Some("server"))).await;
    let answer = ask(right).await.unwrap();
    // It shows its client's certificate.
    assert!(
        answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "),
        "{answer}"
    );
    assert!(answer.contains("TLSv1.3"), "{answer}");
    gateway.workers.stop().await;
    let (wrong, gateway) = proxy(&mesh, "web", plain(), cluster(address, Some("other"))).await;
    let answer = ask(wrong).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("sa/server") && answer.contains("sa/other"),
        "{answer}"
    );
    gateway.workers.stop().await;
    // One that trusts others does not take our certificate, and we don't take its.
    let foreign = Mesh::new();
    let (port, gateway) = proxy(&foreign, "web", plain(), cluster(address, Some("server"))).await;
    let answer = ask(port).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("trusted root"),
        "{answer}"
    );
    gateway.workers.stop().await;
}

#[tokio::test]
async fn two_proxies_speak_mutual_tls_and_say_so() {
    let mesh = Mesh::new();
    let application = application().await;
    let (inner, server) = proxy(&mesh, "server", strict(), cluster(application, None)).await;
    let address = ([127, 0, 0, 1], inner).into();
    let (outer, client) = proxy(&mesh, "web", plain(), cluster(address, Some("server"))).await;
    for _ in 0..20 {
        let answer = ask(outer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let uri = "URI=spiffe://cluster.local/ns/shop/sa/web\r\n";
        assert!(answer.contains(uri), "{answer}");
    }
    let mut text = String::new();
    client.records.encode(&mut text);
    for label in [
        "source_principal=\"spiffe://cluster.local/ns/shop/sa/web\"",
        "destination_principal=\"spiffe://cluster.local/ns/shop/sa/server\"",
    ] {
        assert!(text.contains(label), "{text}");
    }
    client.workers.stop().await;
    server.workers.stop().await;
}

#[tokio::test]
async fn a_client_that_learns_first_that_a_server_takes_plaintext_does_not_lose_requests() {
    let mesh = Mesh::new();
    let application = application().await;
    // The server does not know yet.
    let (inner, server) = proxy(&mesh, "server", strict(), cluster(application, None)).await;
    let address = ([127, 0, 0, 1], inner).into();
    let settings = settings(UpstreamProtocol::Http1, Some("server"));
    let mut states = ClusterStates::default();
    let mut told = |is_secured| states.build(settings.clone(), endpoint(address, is_secured));
    let _before = told(true);
    let clusters = Clusters::from_iter([told(false)]);
    let (outer, client) = proxy(&mesh, "web", plain(), clusters).await;
    let answer = ask(outer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    client.workers.stop().await;
    server.workers.stop().await;
}

#[tokio::test]
async fn http2_goes_by_mutual_tls_too() {
    let mesh = Mesh::new();
    let application = application().await;
    let (inner, server) = proxy(&mesh, "server", strict(), cluster(application, None)).await;
    let address = ([127, 0, 0, 1], inner).into();
    let clusters = cluster_of(UpstreamProtocol::Http2, address, Some("server"));
    let (outer, client) = proxy(&mesh, "web", plain(), clusters).await;
    for _ in 0..20 {
        let answer = ask(outer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    client.workers.stop().await;
    server.workers.stop().await;
}

#[tokio::test]
async fn a_port_takes_both_and_bytes_end_in_halves() {
    let mesh = Mesh::new();
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = echo.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            let mut all = Vec::new();
            // The answer needs all of the question.
            stream.read_to_end(&mut all).await.unwrap();
            all.reverse();
            stream.write_all(&all).await.unwrap();
        }
    });
    let to_server = || TcpRoutes {
        routes: vec![TcpRoute::to("server")],
        default: None,
    };
    let bytes = |tls| Listener {
        name: Arc::from("test"),
        detection: Detection::Tls(Duration::from_secs(30)),
        http: None,
        tcp: to_server(),
        tls,
    };
    let both = bytes(Some(TlsChains {
        chains: vec![TlsChain {
            server_names: Vec::new(),
            protocols: vec!["istio".into()],
            ends: Some(trusted()),
            http: None,
            tcp: to_server(),
            policy: None,
        }],
        leaves_others: false,
    }));
    let (inner, server) = proxy(&mesh, "server", both, cluster(address, None)).await;
    let address = ([127, 0, 0, 1], inner).into();
    let clusters = cluster(address, Some("server"));
    let (outer, client) = proxy(&mesh, "web", bytes(None), clusters).await;
    let sent: Vec<u8> = (0..1_000_003_u32).map(|byte| byte as u8).collect();
    let mut expected = sent.clone();
    expected.reverse();
    for port in [inner, outer] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        assert!(got == expected, "{port}: {}", got.len());
    }
    client.workers.stop().await;
    server.workers.stop().await;
}
