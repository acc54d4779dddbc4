//! A webhook to test, with a certificate that is thrown away.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion::{
    metrics::Metrics,
    webhook::{self, ActiveConfig, Limits, Webhook},
};
use pillion_inject::Config;
use pillion_serve::Readiness;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes: a test that waits for what never comes
/// fails by it, and no test measures by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a test waits for, or its failure.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

pub struct Server {
    pub address: SocketAddr,
    pub roots: RootCertStore,
    pub current: Arc<ActiveConfig>,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
    pub stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// With the built-in configuration and the default limits.
    pub async fn start() -> Self {
        Self::limited(Limits::default()).await
    }

    pub async fn limited(limits: Limits) -> Self {
        let server = Self::unconfigured(limits).await;
        server.current.replace(Config::builtin().unwrap());
        server
    }

    /// Before the ConfigMaps have been read.
    pub async fn unconfigured(limits: Limits) -> Self {
        let (tls, roots) = certificate();
        let current = Arc::<ActiveConfig>::default();
        let readiness = Arc::<Readiness>::default();
        let certificate = readiness.register("waiting for a serving certificate");
        certificate.set(true);
        let metrics = Arc::<Metrics>::default();
        let webhook = Webhook::new(
            Arc::clone(&current),
            Arc::clone(&readiness),
            certificate,
            Arc::clone(&metrics),
        )
        .unwrap();
        let webhook = Arc::new(webhook.with_limits(limits));
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(webhook::serve(listener, tls, webhook, stop.clone()));
        Self {
            address,
            roots,
            current,
            readiness,
            metrics,
            stop,
            task,
        }
    }

    /// Waits until the server has returned.
    pub async fn ended(self) {
        soon("the server's end", self.task).await.unwrap();
    }

    /// Waits until the port takes no more connections.
    pub async fn until_closed(&self) {
        let closed = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        soon("the port to be closed", closed).await;
    }

    /// Waits until so many reviews are being read or answered.
    pub async fn until_in_flight(&self, count: usize) {
        self.until_metric(&format!("pillion_webhook_reviews_in_flight {count}"))
            .await;
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().parse().unwrap()
    }

    /// Waits until the metrics have this line.
    pub async fn until_metric(&self, line: &str) {
        let seen = async {
            while !self.metrics.encode().lines().any(|there| there == line) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        soon(line, seen).await;
    }
}

fn certificate() -> (Arc<ServerConfig>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Arc::new(tls), roots)
}

/// A review of a small pod.
pub fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "7c9d-44",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "till"},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    })
}
