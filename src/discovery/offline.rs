//! Discovery without an API server: whoever runs it says which objects there are, and who the
//! proxies are.
//!
//! Model, rendering and protocol are those of `pillion discovery`; watches and tokens are not
//! there. It is for tests that compare proxies (`tests/scenarios/`) and for benchmarks of them (`hack/mesh`), which need
//! no cluster for that. These are outside of this crate, so it is public, but hidden as what is there for the fuzz
//! targets: the commands that run them need no feature for it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::{core::v1, discovery::v1::EndpointSlice};
use kube::core::{DynamicObject, PartialObjectMeta};
use pillion_api::Kind;
use pillion_certs::{Bundle, Issuer};
use pillion_serve::{PortMetrics, Readiness, Tls};
use pillion_xds::Snapshot;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    accounts::Accounts,
    ads::Ads,
    beside::Beside,
    ca::{Ca, Lifetimes, Signing, Tokens},
    client::Connect,
    convert::{
        endpoints,
        mesh::{Defaults, Mesh},
        meta, pod, rule, service,
    },
    findings::Findings,
    metrics::Metrics,
    port,
    proxies::{Attributions, Proxies, Tell},
    report::Reports,
    status::Board,
    thread,
    update::{UPDATES, Update},
};
use crate::model::{Change, Event, Key, LoadBalancer};

/// Why something is not taken, fault by fault.
pub type Faults = Vec<String>;

/// Discovery without an API server. It ends when it is dropped.
#[derive(Debug)]
pub struct Offline {
    updates: mpsc::Sender<Update>,
    ads: Ads,
    ca: Ca,
    signing: watch::Sender<Option<Arc<Signing>>>,
    /// That of the last configuration.
    trust_domain: Mutex<Arc<str>>,
    defaults: Defaults,
    proxies: Proxies,
    stop: CancellationToken,
}

impl Offline {
    /// Starts with a mesh of the cluster domain `cluster.local` and the root namespace
    /// `istio-system` in which there is nothing, and whose configuration says nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub fn start() -> io::Result<Self> {
        let defaults = Defaults {
            domain: "cluster.local".into(),
            namespace: "istio-system".into(),
            load_balancer: LoadBalancer::LeastRequest,
            mutual_tls: false,
            trust_domain: None,
        };
        let (updates, receiver) = mpsc::channel(UPDATES);
        let metrics = Arc::<Metrics>::default();
        let synced = Readiness::default().register("waiting for nothing");
        let mesh = Mesh::default_of(&defaults);
        let tell = Tell {
            proxies: Proxies::default(),
            board: Board::default(),
            reports: Reports::unpublished(Arc::clone(&metrics)),
            attributions: Attributions::undone(),
        };
        let proxies = tell.proxies.clone();
        let findings = Findings::new(
            tell.board.clone(),
            Beside::default(),
            watch::channel(false).1,
        );
        let accounts = Accounts::default();
        let shared = (Arc::clone(&metrics), findings, accounts.clone());
        thread::start(receiver, 0, synced, &mesh, shared)?;
        let (signing, receiver) = watch::channel(None);
        let lifetimes = Lifetimes::default();
        let proofs = (Tokens::Believed, accounts);
        let ca = Ca::start(proofs, receiver, lifetimes, Arc::clone(&metrics))?;
        let stop = CancellationToken::new();
        Ok(Self {
            ca,
            signing,
            trust_domain: Mutex::new(mesh.model.trust_domain),
            ads: Ads::of_anyone(updates.clone(), metrics, tell, stop.clone()),
            updates,
            defaults,
            proxies,
            stop,
        })
    }

    /// Turns mutual TLS on or off, as the flag `--mutual-tls` does, and sets the mesh's configuration
    /// back to one that says nothing.
    ///
    /// # Errors
    ///
    /// Returns that the thread of the model has ended.
    pub async fn mutual_tls(&mut self, is_on: bool) -> Result<(), Faults> {
        self.defaults.mutual_tls = is_on;
        let mesh = Mesh::default_of(&self.defaults);
        *self.domain() = Arc::clone(&mesh.model.trust_domain);
        self.send(Update::Mesh(Box::new(mesh))).await
    }

    /// Replaces the mesh's configuration by this text of MeshConfig.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the text.
    pub async fn configure(&self, mesh: &str) -> Result<(), Faults> {
        let mesh = Mesh::parse(mesh, &self.defaults)?;
        *self.domain() = Arc::clone(&mesh.model.trust_domain);
        self.send(Update::Mesh(Box::new(mesh))).await
    }

    /// Replaces the roots that all proxies trust, in PEM (`ROOTCA`).
    ///
    /// # Errors
    ///
    /// Returns that the thread of the model has ended.
    pub async fn trust(&self, roots: &str) -> Result<(), Faults> {
        self.send(Update::Roots(roots.into())).await
    }

    /// Issues certificates by this CA from now on: its chain, without the root, or the root itself if that signs; its key;
    /// and the roots that workloads trust; all in PEM. Identities are of the trust domain of the last configuration.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the CA.
    pub fn issue_with(&self, chain: &str, key: &str, roots: &str) -> Result<(), Faults> {
        let signing = || {
            Ok::<_, pillion_certs::Error>(Signing {
                issuer: Issuer::from_pem(chain, key)?,
                roots: Bundle::from_pem(roots)?,
                trust_domain: self.domain().to_string(),
            })
        };
        let signing = signing().map_err(|error| vec![error.to_string()])?;
        self.signing.send_replace(Some(Arc::new(signing)));
        Ok(())
    }

    fn domain(&self) -> MutexGuard<'_, Arc<str>> {
        // A name is whole after any panic.
        self.trust_domain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates or replaces an object: a Service, EndpointSlice, Pod or Namespace, or one of
    /// Istio's kinds.
    ///
    /// # Errors
    ///
    /// Returns why the object is invalid, or that its kind is another one.
    pub async fn apply(&self, object: &Value) -> Result<(), Faults> {
        self.send(applied(object)?).await
    }

    /// Deletes an object, of which kind and name are enough.
    ///
    /// # Errors
    ///
    /// Returns that its kind is another one.
    pub async fn delete(&self, object: &Value) -> Result<(), Faults> {
        self.send(deleted(object)?).await
    }

    /// Serves proxies without TLS until this value is dropped. A proxy is the pod that its
    /// node id names.
    pub fn serve(&self, listener: TcpListener) -> impl Future<Output = ()> + use<> {
        port::serve_plaintext(listener, self.ads.clone(), self.stop.clone())
    }

    /// The same with TLS. Streams need no token. Certificates are issued once there is a CA for it
    /// ([`issue_with`](Self::issue_with)): the token `NAMESPACE/SERVICEACCOUNT` gets that account's.
    pub fn serve_tls(&self, listener: TcpListener, tls: Tls) -> impl Future<Output = ()> + use<> {
        let services = (self.ads.clone(), self.ca.clone());
        let stop = self.stop.clone();
        let observed = (Arc::<Readiness>::default(), PortMetrics::default());
        port::serve(listener, tls, services, observed, stop)
    }

    /// Receives what the proxy of a pod gets, now and whenever that changes. Before the pod is
    /// known, that is nothing.
    ///
    /// # Errors
    ///
    /// Returns that the thread of the model has ended.
    pub async fn follow(
        &self,
        namespace: &str,
        pod: &str,
    ) -> Result<watch::Receiver<Snapshot>, Faults> {
        let (snapshots, receiver) = watch::channel(Snapshot::new());
        let connect = Connect {
            pod: Key::new(namespace, pod),
            uid: None,
            snapshots,
            gone: CancellationToken::new(),
        };
        self.send(Update::Connect(connect)).await?;
        Ok(receiver)
    }

    /// Whether every connected proxy has replied to the last response of each type.
    pub fn have_replied(&self) -> bool {
        self.proxies.have_replied()
    }

    async fn send(&self, update: Update) -> Result<(), Faults> {
        let sent = self.updates.send(update).await;
        sent.map_err(|_| vec!["the thread of the model has ended".to_owned()])
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The update for an object that is there.
fn applied(object: &Value) -> Result<Update, Faults> {
    let event = match kind(object) {
        "Service" => {
            let object: v1::Service = typed(object)?;
            Event::Service(Change::Apply(service::service(&object)))
        }
        "EndpointSlice" => {
            let object: EndpointSlice = typed(object)?;
            let slice = endpoints::endpoint_slice(&object);
            let slice = slice.ok_or_else(|| vec!["the slice belongs to no Service".to_owned()])?;
            Event::Endpoints(Change::Apply(slice))
        }
        "Namespace" => {
            let object: PartialObjectMeta<v1::Namespace> = typed(object)?;
            Event::Namespace(Change::Apply(meta::namespace(&object)))
        }
        "Pod" => {
            let object: pod::Listed = typed(object)?;
            let uid = object.metadata.uid.clone().unwrap_or_default();
            let pod = pod::pod(&object);
            let pod = pod.ok_or_else(|| vec!["the pod has no address, or has ended".to_owned()])?;
            return Ok(Update::Pod {
                change: Box::new(Change::Apply(pod)),
                uid: uid.into(),
            });
        }
        name => {
            let kind = Kind::from_name(name).ok_or_else(|| another(name))?;
            return rule::applied(kind, &typed(object)?).map(|(update, _)| update);
        }
    };
    Ok(Update::Object(Box::new(event)))
}

/// The update for an object that is gone.
fn deleted(object: &Value) -> Result<Update, Faults> {
    let key = meta::key(&typed::<DynamicObject>(object)?);
    let event = match kind(object) {
        "Service" => Event::Service(Change::Delete(key)),
        "EndpointSlice" => Event::Endpoints(Change::Delete(key)),
        "Namespace" => Event::Namespace(Change::Delete(key)),
        "Pod" => {
            return Ok(Update::Pod {
                change: Box::new(Change::Delete(key)),
                uid: "".into(),
            });
        }
        name => {
            let kind = Kind::from_name(name).ok_or_else(|| another(name))?;
            return Ok(rule::deleted(kind, key));
        }
    };
    Ok(Update::Object(Box::new(event)))
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or("")
}

fn another(kind: &str) -> Faults {
    vec![format!("discovery does not read the kind {kind:?}")]
}

fn typed<T: DeserializeOwned>(object: &Value) -> Result<T, Faults> {
    T::deserialize(object).map_err(|error| vec![error.to_string()])
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::type_url;
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "namespace": "default"},
            "spec": {"containers": []}, "status": {"podIPs": [{"ip": "10.0.0.1"}]},
        })
    }

    #[tokio::test]
    async fn a_pod_gets_what_its_objects_say() {
        let discovery = Offline::start().unwrap();
        let mut snapshots = discovery.follow("default", "client").await.unwrap();
        discovery.apply(&pod()).await.unwrap();
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]},
        });
        discovery.apply(&service).await.unwrap();
        let name = "outbound|80||web.default.svc.cluster.local";
        let has = |snapshot: &Snapshot| {
            let clusters = snapshot.get(type_url::CLUSTER);
            clusters.is_some_and(|clusters| clusters.get(name).is_some())
        };
        snapshots.wait_for(has).await.unwrap();
        discovery.delete(&service).await.unwrap();
        snapshots.wait_for(|snapshot| !has(snapshot)).await.unwrap();
    }

    #[tokio::test]
    async fn all_proxies_get_the_roots_whenever_they_change() {
        let discovery = Offline::start().unwrap();
        let mut snapshots = discovery.follow("default", "client").await.unwrap();
        discovery.apply(&pod()).await.unwrap();
        for roots in ["one", "another", "one"] {
            discovery.trust(roots).await.unwrap();
            let has = |snapshot: &Snapshot| {
                let secrets = snapshot.get(type_url::SECRET);
                let names = secrets.map(|secrets| secrets.iter().count());
                let found = secrets.and_then(|secrets| secrets.get("ROOTCA"));
                let bytes = found.map(|found| found.body.value.to_vec());
                let text =
                    String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
                names == Some(1) && text.contains(roots)
            };
            snapshots.wait_for(has).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_no_object_of_the_mesh_is_refused() {
        let discovery = Offline::start().unwrap();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
        assert!(discovery.apply(&secret).await.is_err());
        assert!(discovery.delete(&secret).await.is_err());
        assert!(discovery.configure("connectTimeout: soon").await.is_err());
    }
}
