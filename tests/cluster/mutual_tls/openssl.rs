//! OpenSSL and SPIFFE's library for Go as clients that are not proxies of the mesh: what servers show them, and where they are
//! let in.

use std::{env, fs, path::PathBuf};

use pillion_envoy_api::istio::v1::auth::{IstioCertificateRequest, IstioCertificateResponse};
use prost::Message as _;
use tokio::process::Command;

use super::{
    peers::identity,
    trio::{PORTS, Trio},
};
use crate::harness::{Namespace, mode, output, peer_authentication, run};

/// What a sidecar offers for HTTP/1.1.
const PROTOCOL: &str = "istio-http/1.1";
const DISCOVERY: &str = "pillion-discovery.istio-system.svc";
const METHOD: &str = "istio.v1.auth.IstioCertificateService/CreateCertificate";
/// Before a message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Connects to a server's port, and returns what OpenSSL prints and the server answers. The node reaches its pods without
/// a sidecar.
async fn s_client(shop: &Namespace, pod: &str, port: u16, more: &[&str]) -> String {
    let address = format!("{}:{port}", shop.address(pod).await);
    let mut command = shop.cluster.hack(&["enter", "openssl", "s_client"]);
    command
        .args(["-connect", &address, "-alpn", PROTOCOL, "-ign_eof"])
        .args(more);
    let request = "GET /headers HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n";
    // It fails where it is refused.
    let output = run(&mut command, request).await;
    let [said, complaint] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{said}{complaint}")
}

/// What SPIFFE's library for Go says of a server, whose ID has to be this, and what the server answers.
async fn go_spiffe(shop: &Namespace, [certificate, key, roots]: [&str; 3], id: &str) -> String {
    // It is cached, but for whoever runs this test alone.
    output(Command::new("hack/go/build").arg("spiffe"), "").await;
    let address = format!("{}:{}", shop.address("server").await, PORTS[0]);
    let mut command = shop.cluster.hack(&["enter", "spiffe", "get"]);
    command
        .args([certificate, key, roots])
        .args([&address, id, "/headers"]);
    output(&mut command, "").await
}

/// A folder for keys and certificates, which goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(shop: &Namespace) -> Self {
        let folder = env::temp_dir().join(format!("pillion-openssl-{}", shop.name()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a key, and a request for a certificate, or with `-x509` a certificate that nobody else vouches for.
async fn request(key: &str, file: &str, more: &[&str]) {
    let mut command = Command::new("openssl");
    command
        .args(["req", "-new", "-newkey", "ec", "-nodes", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-subj", "/CN=somebody-else"])
        .args(["-keyout", key, "-out", file])
        .args(more);
    output(&mut command, "").await;
}

/// Asks the mesh's CA by curl, as the pod `client`. Returns the chain, whose last element are the roots.
async fn certify(shop: &Namespace, folder: &Folder, csr: String) -> Vec<String> {
    let token = [
        "create",
        "token",
        "default",
        "--audience=istio-ca",
        "--bound-object-kind=Pod",
        "--bound-object-name=client",
    ];
    let token = shop.kubectl(&token).await;
    let request = IstioCertificateRequest {
        csr,
        ..IstioCertificateRequest::default()
    };
    let mut message = vec![0; PREFIX];
    request.encode(&mut message).unwrap();
    let length = u32::try_from(message.len() - PREFIX).unwrap();
    message[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    fs::write(folder.file("message"), message).unwrap();

    let mut address = shop.cluster.tool("kubectl");
    address.args(["-n", "istio-system", "get", "service", "pillion-discovery"]);
    let address = output(address.args(["-o", "jsonpath={.spec.clusterIP}"]), "").await;
    let mut curl = shop.cluster.hack(&["enter", "curl", "-sS", "-f"]);
    curl.args(["--http2", "--cacert", &folder.file("root.pem")])
        .args(["--resolve", &format!("{DISCOVERY}:15012:{address}")])
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(["-H", &format!("authorization: Bearer {}", token.trim())])
        .args(["--data-binary", &format!("@{}", folder.file("message"))])
        .args(["-o", &folder.file("answer")])
        .arg(format!("https://{DISCOVERY}:15012/{METHOD}"));
    output(&mut curl, "").await;
    let answer = fs::read(folder.file("answer")).unwrap();
    let message = answer.get(PREFIX..).expect("the CA refuses");
    IstioCertificateResponse::decode(message)
        .unwrap()
        .cert_chain
}

/// Whether the server has cut the connection. The alert that tells why may come too late for a client that writes.
fn is_refused(said: &str) -> bool {
    let is_cut = said.contains(" alert ") || said.contains("errno=104");
    is_cut && !said.contains("HTTP/1.1")
}

#[tokio::test]
async fn strangers_are_let_in_by_the_mesh_s_certificate_alone() {
    let Some(trio) = Trio::injected("openssl").await else {
        return;
    };
    let shop = &trio.shop;
    let strict = peer_authentication("default", &mode("STRICT"));
    shop.apply(&strict).await;
    trio.until_refused("plain", &[PORTS[0]]).await;

    let folder = Folder::new(shop);
    let map = "configmap/istio-ca-root-cert";
    let map = ["get", map, "-o", r"jsonpath={.data.root-cert\.pem}"];
    let root = shop.kubectl(&map).await;
    fs::write(folder.file("root.pem"), &root).unwrap();
    let [key, csr, certificate] =
        ["key.pem", "csr.pem", "certificate.pem"].map(|it| folder.file(it));
    request(&key, &csr, &[]).await;
    let csr = fs::read_to_string(csr).unwrap();
    let mut chain = certify(shop, &folder, csr).await;
    assert_eq!(chain.pop().unwrap().trim(), root.trim());
    fs::write(&certificate, chain.concat()).unwrap();

    let roots = folder.file("root.pem");
    let trusting = ["-CAfile", &roots, "-verify_return_error"];
    let ask = async |more: &[&str]| {
        let more = [&trusting[..], more].concat();
        s_client(shop, "server", PORTS[0], &more).await
    };
    // As the pod that has asked for it, whatever the request said.
    let own = ["-cert", &certificate, "-key", &key];
    let said = ask(&own).await;
    for words in [
        "New, TLSv1.3",
        "Verification: OK",
        "HTTP/1.1 200",
        &format!("URI={}", identity(shop)),
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("somebody-else"), "{said}");
    let said = ask(&[&own[..], &["-tls1_2"]].concat()).await;
    assert!(said.contains("New, TLSv1.2"), "{said}");
    assert!(said.contains("HTTP/1.1 200"), "{said}");

    let id = identity(shop);
    let said = go_spiffe(shop, [&certificate, &key, &roots], &id).await;
    // It offers no protocol, so none is agreed on.
    let welcome = format!("version=TLS 1.3\nalpn=\npeer={id}\nstatus=200\n");
    assert!(said.starts_with(&welcome), "{said}");
    assert!(said.contains(&format!("URI={id}")), "{said}");

    let older = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
    let said = ask(&[&own[..], &older].concat()).await;
    assert!(is_refused(&said), "{said}");

    let said = ask(&[]).await;
    assert!(said.contains("Verification: OK"), "{said}");
    assert!(is_refused(&said), "{said}");

    let [key, foreign] = ["foreign-key.pem", "foreign.pem"].map(|it| folder.file(it));
    let name = format!("subjectAltName=URI:{}", identity(shop));
    request(&key, &foreign, &["-x509", "-addext", &name]).await;
    let said = ask(&["-cert", &foreign, "-key", &key]).await;
    assert!(is_refused(&said), "{said}");
}
