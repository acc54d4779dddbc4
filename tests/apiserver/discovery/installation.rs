//! A discovery service, in a namespace and a revision of its own.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{ConfigMap, Pod, Service, ServiceAccount},
        discovery::v1::EndpointSlice,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use pillion_envtest::{ControlPlane, free_port};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    sync::{Mutex, OnceCell},
};
use tonic::Status;

use super::ads::Proxy;
use crate::eventually;

static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// Held while a discovery service writes statuses: two would write those of the same objects.
pub static WRITER: Mutex<()> = Mutex::const_new(());

/// The control plane of these tests, which has Istio's kinds. Others test how the chart brings
/// them.
pub async fn plane() -> &'static ControlPlane {
    let start = || async {
        let plane = ControlPlane::start().await.unwrap();
        install_kinds(&plane.client().await.unwrap()).await;
        plane
    };
    PLANE.get_or_init(start).await
}

/// A running discovery service; it is killed when dropped.
pub struct Installation {
    pub client: Client,
    /// Of the installation; also the revision.
    pub namespace: String,
    pub ads: SocketAddr,
    pub webhook: SocketAddr,
    pub debug: SocketAddr,
    status: SocketAddr,
    child: Child,
}

fn port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()))
}

impl Installation {
    /// Starts one, and waits until it is ready. It writes no statuses: others may read them.
    pub async fn new() -> Self {
        Self::with(false).await
    }

    /// Starts one that may write statuses, and waits until it is ready.
    pub async fn with(statuses: bool) -> Self {
        let plane = plane().await;
        let client = plane.client().await.unwrap();
        let namespace = plane
            .namespace("discovery", crate::OPTED_OUT)
            .await
            .unwrap();
        Self::start(client, namespace, plane.kubeconfig(), statuses).await
    }

    /// Starts one in a namespace whose name is also the revision, as the account of a
    /// kubeconfig, and waits until it is ready.
    pub async fn start(
        client: Client,
        namespace: String,
        kubeconfig: &Path,
        statuses: bool,
    ) -> Self {
        let installation = Self::spawn(client, namespace, kubeconfig, statuses, &[]);
        installation.ready().await;
        installation
    }

    /// The same with more flags, and does not wait.
    pub fn spawn(
        client: Client,
        namespace: String,
        kubeconfig: &Path,
        statuses: bool,
        flags: &[&str],
    ) -> Self {
        let (ads, webhook, status, debug) = (port(), port(), port(), port());
        // Killed with this thread, too: a test process that is killed drops nothing.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_pillion")])
            .arg("discovery")
            .args(["--ads-address", &ads.to_string()])
            .args(["--webhook-address", &webhook.to_string()])
            .args(["--status-address", &status.to_string()])
            .args(["--debug-address", &debug.to_string()])
            .args(["--namespace", &namespace, "--revision", &namespace])
            .args(["--serving-dns-name", "127.0.0.1", "--drain-delay", "0s"])
            .args(["--log-format", "text"])
            .arg(format!("--statuses={statuses}"))
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .env_remove("POD_NAME")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            client,
            namespace,
            ads,
            webhook,
            debug,
            status,
            child,
        }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        eventually("discovery is ready", async || {
            assert!(self.child.id().is_some(), "discovery ended");
            let answer = self.get("/readyz")?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        })
        .await;
    }

    /// What the status port answers; `None` while it is closed.
    pub fn get(&self, path: &str) -> Option<String> {
        get(self.status, path)
    }

    /// What the debug port says about proxies.
    pub fn proxies(&self) -> Vec<Value> {
        let answer = get(self.debug, "/debug/syncz").unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// Makes a namespace for applications.
    pub async fn shop(&self) -> Shop {
        let plane = plane().await;
        let namespace = plane.namespace("shop", crate::OPTED_OUT).await.unwrap();
        Shop {
            client: self.client.clone(),
            namespace,
        }
    }

    /// The name of the ConfigMap with the mesh's root.
    pub fn root_map(&self) -> String {
        format!("istio-ca-root-cert-{}", self.namespace)
    }

    /// The root as the pods of a namespace see it.
    pub async fn root(&self, namespace: &str) -> String {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let name = self.root_map();
        eventually("the mesh's root", async || {
            let map = maps.get_opt(&name).await.unwrap()?;
            map.data?.remove("root-cert.pem")
        })
        .await
    }

    /// Connects as a pod.
    pub async fn connect(&self, shop: &Shop, pod: &Pod) -> Proxy {
        self.try_connect(shop, pod).await.unwrap()
    }

    /// The same; the error is the refusal.
    pub async fn try_connect(&self, shop: &Shop, pod: &Pod) -> Result<Proxy, Status> {
        let token = shop.token(pod, "istio-ca").await;
        let roots = self.root(&shop.namespace).await;
        Proxy::connect(self.ads, &roots, Some(&token)).await
    }
}

/// What a port answers without TLS; `None` while it is closed.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Istio's kinds.
async fn install_kinds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in pillion_api::crds().unwrap() {
        api.create(&PostParams::default(), &crd).await.unwrap();
        let name = crd.name_any();
        eventually("the kind is served", async || {
            let conditions = api.get(&name).await.ok()?.status?.conditions?;
            let mut named = conditions.iter().filter(|one| one.type_ == "Established");
            named.any(|one| one.status == "True").then_some(())
        })
        .await;
    }
}

/// A namespace of applications.
pub struct Shop {
    pub client: Client,
    pub namespace: String,
}

impl Shop {
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes a pod that runs, as far as the API server knows.
    pub async fn pod(&self, name: &str, ip: &str) -> Pod {
        let pods = self.api::<Pod>();
        let pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"nodeName": "nowhere", "containers": [{"name": "app", "image": "app:1"}]},
        }));
        pods.create(&PostParams::default(), &pod.unwrap())
            .await
            .unwrap();
        let status = json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}});
        let parameters = PatchParams::default();
        pods.patch_status(name, &parameters, &Patch::Merge(status))
            .await
            .unwrap()
    }

    /// A token as the kubelet projects it into a pod.
    pub async fn token(&self, pod: &Pod, audience: &str) -> String {
        self.token_of("default", Some(pod), audience).await
    }

    /// A token of an account, which is bound to a pod or to nothing.
    pub async fn token_of(&self, account: &str, pod: Option<&Pod>, audience: &str) -> String {
        let bound_object_ref = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        });
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![audience.to_owned()]),
                bound_object_ref,
                expiration_seconds: Some(3600),
            }),
            ..TokenRequest::default()
        };
        let accounts = self.api::<ServiceAccount>();
        let parameters = PostParams::default();
        let made = accounts
            .create_token_request(account, &parameters, &request)
            .await;
        made.unwrap().status.unwrap().token.unwrap()
    }

    /// Makes a Service of a port 9080 that is HTTP, and the EndpointSlice of its endpoints.
    pub async fn service(&self, name: &str, ips: &[&str]) {
        let service = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"ports": [{"name": "http", "port": 9080}]},
        }));
        let services = self.api::<Service>();
        services
            .create(&PostParams::default(), &service.unwrap())
            .await
            .unwrap();
        self.endpoints(name, ips).await;
    }

    /// Sets the endpoints of a Service.
    pub async fn endpoints(&self, name: &str, ips: &[&str]) {
        let endpoints: Vec<_> = ips.iter().map(|ip| json!({"addresses": [ip]})).collect();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 9080, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        let parameters = PatchParams::apply("test").force();
        let slices = self.api::<EndpointSlice>();
        slices
            .patch(name, &parameters, &Patch::Apply(slice))
            .await
            .unwrap();
    }

    /// Sets a rule.
    pub async fn rule(&self, kind: &str, name: &str, spec: Value) -> kube::Result<DynamicObject> {
        let api = self.rules(kind);
        let object = json!({
            "apiVersion": api_version(kind),
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        });
        let parameters = PatchParams::apply("test").force();
        api.patch(name, &parameters, &Patch::Apply(object)).await
    }

    /// The status of a rule.
    pub async fn status(&self, kind: &str, name: &str) -> Value {
        let object = self.rules(kind).get(name).await.unwrap();
        object.data["status"].clone()
    }

    /// The rules of a kind.
    pub fn rules(&self, kind: &str) -> Api<DynamicObject> {
        let kind = pillion_api::Kind::from_name(kind).unwrap();
        let gvk = GroupVersionKind::gvk(kind.group(), kind.versions()[1], kind.name());
        let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural());
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// The full host of a Service.
    pub fn host(&self, service: &str) -> String {
        format!("{service}.{}.svc.cluster.local", self.namespace)
    }
}

/// An older version of a kind, with its group.
fn api_version(kind: &str) -> String {
    let kind = pillion_api::Kind::from_name(kind).unwrap();
    format!("{}/{}", kind.group(), kind.versions()[1])
}

/// How long a test may wait for what must not happen.
pub const SOON: Duration = Duration::from_secs(2);
