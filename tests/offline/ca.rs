//! The mesh's CA at a loopback port, without an API server: a token says itself whose it is.

use std::{net::SocketAddr, sync::Arc, time::Duration as StdDuration};

use pillion::discovery::Offline;
use pillion_certs::{Authority, CertificateRequest, Issuer, Resolver, SpiffeId};
use pillion_serve::{Readiness, Tls};
use rcgen::KeyPair;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tonic::{Code, Status};

use crate::ask::{Asker, WEAK, with_foreign_names};

/// For what another thread takes in.
const PATIENCE: StdDuration = StdDuration::from_secs(30);
const PAUSE: StdDuration = StdDuration::from_millis(20);

/// Discovery that issues certificates, and whose own is of the same CA.
struct Mesh {
    discovery: Offline,
    address: SocketAddr,
    authority: Authority,
}

impl Mesh {
    async fn start() -> Self {
        let (now, day) = (OffsetDateTime::now_utc(), Duration::DAY);
        let authority = Authority::generate("ca", now, day).unwrap();
        let names = ["127.0.0.1".to_owned()];
        let resolver = Arc::new(Resolver::default());
        resolver.replace(&authority.issue(&names, now, day).unwrap());
        let config = pillion_certs::asking_server_config(resolver).unwrap();
        let certificate = Readiness::default().register("the certificate");
        certificate.set(true);
        let discovery = Offline::start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls::new(&config, certificate, "the test's own");
        tokio::spawn(discovery.serve_tls(listener, tls));
        Self {
            discovery,
            address,
            authority,
        }
    }

    fn issue(&self) {
        let (certificate, key) = (self.authority.certificate(), self.authority.key());
        self.discovery
            .issue_with(certificate, key, certificate)
            .unwrap();
    }

    fn asker<'a>(
        &'a self,
        token: Option<&'a str>,
        identity: Option<(&'a str, &'a str)>,
    ) -> Asker<'a> {
        Asker {
            address: self.address,
            roots: self.authority.certificate(),
            token,
            identity,
        }
    }
}

/// A certificate of an authority for any identity, with its key, from a time on.
fn certificate(authority: &Authority, id: &SpiffeId, from: OffsetDateTime) -> (String, String) {
    let issuer = Issuer::from_pem(authority.certificate(), authority.key()).unwrap();
    let key = KeyPair::generate().unwrap();
    let request = CertificateRequest::from_pem(&with_foreign_names(&key)).unwrap();
    let issued = issuer.issue(&request, id, from, Duration::MINUTE).unwrap();
    (issued.chain.concat(), key.serialize_pem())
}

/// The pod of the account `shop/web`.
fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "web-1"},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "web", "image": "web"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]},
    })
}

fn code<T>(answer: Result<T, Status>) -> Code {
    answer.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_gets_its_identity_and_renews_it_by_its_certificate() {
    let mesh = Mesh::start().await;
    let asker = mesh.asker(Some("shop/web"), None);
    assert_eq!(code(asker.certificate().await), Code::Unavailable);
    mesh.issue();
    let first = asker.certificate().await.unwrap();
    assert_eq!(
        first.id("cluster.local"),
        "spiffe://cluster.local/ns/shop/sa/web"
    );
    assert_eq!(first.names(), [""; 0]);
    assert_eq!(first.chain.len(), 2);
    let roots = first.roots().replace('\r', "");
    assert_eq!(roots, mesh.authority.certificate().replace('\r', ""));

    let (own, key) = (first.own(), first.key.serialize_pem());
    // A certificate alone counts for as long as its account has a pod.
    let renewal = mesh.asker(None, Some((&own, &key)));
    let gone = renewal.certificate().await.err().unwrap();
    assert_eq!(gone.code(), Code::Unauthenticated);
    assert!(gone.message().contains("no pod of"), "{gone:?}");
    mesh.discovery.apply(&pod()).await.unwrap();
    let renewed = timeout(PATIENCE, async {
        loop {
            if let Ok(renewed) = renewal.certificate().await {
                break renewed;
            }
            sleep(PAUSE).await;
        }
    });
    let renewed = renewed.await.unwrap();
    assert_eq!(renewed.id("cluster.local"), first.id("cluster.local"));
    assert_ne!(renewed.own(), own);

    // The trust domain changes.
    mesh.discovery.configure("trustDomain: td").await.unwrap();
    mesh.issue();
    let moved = asker.certificate().await.unwrap();
    assert_eq!(moved.id("td"), "spiffe://td/ns/shop/sa/web");
    let stale = mesh.asker(None, Some((&own, &key))).certificate().await;
    let stale = stale.err().unwrap();
    assert_eq!(stale.code(), Code::Unauthenticated);
    assert!(stale.message().contains("cluster.local"), "{stale:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_prove_nothing_are_refused_in_words() {
    let mesh = Mesh::start().await;
    mesh.issue();
    let now = OffsetDateTime::now_utc();
    let stranger = Authority::generate("stranger", now, Duration::DAY).unwrap();
    let id = |domain| SpiffeId::new(domain, "shop", "web").unwrap();
    let ours = &mesh.authority;
    for (what, (chain, key), word) in [
        ("foreign", certificate(ours, &id("other"), now), "other"),
        (
            "stranger's",
            certificate(&stranger, &id("cluster.local"), now),
            "UnknownIssuer",
        ),
        ("serving", serving(ours, now), "not accepted"),
        (
            "expired",
            certificate(ours, &id("cluster.local"), now - Duration::minutes(30)),
            "expired",
        ),
        (
            "later",
            certificate(ours, &id("cluster.local"), now + Duration::HOUR),
            "not valid yet",
        ),
    ] {
        let refused = mesh.asker(None, Some((&chain, &key))).certificate().await;
        let refused = refused.err().unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated, "{what}: {refused:?}");
        assert!(refused.message().contains(word), "{what}: {refused:?}");
        // Who has such a certificate still has a token.
        let by_token = mesh.asker(Some("shop/web"), Some((&chain, &key)));
        assert_eq!(code(by_token.certificate().await), Code::Ok, "{what}");
    }
    let nothing = mesh.asker(None, None).certificate().await;
    assert_eq!(code(nothing), Code::Unauthenticated);
}

/// A serving certificate of the CA, which is nobody's identity.
fn serving(authority: &Authority, now: OffsetDateTime) -> (String, String) {
    let pair = authority
        .issue(&["web".to_owned()], now, Duration::DAY)
        .unwrap();
    (pair.chain().to_owned(), pair.key().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused() {
    let mesh = Mesh::start().await;
    mesh.issue();
    let asker = mesh.asker(Some("shop/web"), None);
    let csr = with_foreign_names(&KeyPair::generate().unwrap());
    let spoiled = csr.replacen("MII", "MIJ", 1);
    let (long, mega) = ("A".repeat(32 << 10), "A".repeat(4 << 20));
    for (what, csr) in [
        ("weak", WEAK),
        ("spoiled", &spoiled),
        ("garbage", "garbage"),
        ("empty", ""),
        ("long", &long),
        ("mega", &mega),
    ] {
        let refused = asker.create(csr, 0).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused:?}");
    }
    for bad in ["", "shop", "shop/", "a b/web", "../web"] {
        let refused = mesh.asker(Some(bad), None).create(&csr, 0).await;
        assert!(refused.is_err(), "{bad}");
    }
    // An unlikely wish is granted within bounds.
    for seconds in [i64::MIN, -1, 1, i64::MAX] {
        assert!(asker.create(&csr, seconds).await.is_ok(), "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_to_wait() {
    let mesh = Mesh::start().await;
    mesh.issue();
    let asker = mesh.asker(Some("shop/web"), None);
    let csr = with_foreign_names(&KeyPair::generate().unwrap());
    let mut refused = None;
    for _ in 0..256 {
        refused = asker.create(&csr, 0).await.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("try again in"), "{refused:?}");
    let other = mesh.asker(Some("shop/other"), None).create(&csr, 0).await;
    assert_eq!(code(other), Code::Ok);
}
