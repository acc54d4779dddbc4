//! A namespace of one test.

use std::{env, thread};

use k8s_openapi::api::core::v1::{ContainerStatus, Namespace as Object, Pod};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use serde_json::{Value, json};
use tokio::{
    process::Command,
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    cluster::{Cluster, in_cluster, tool},
    counters::Counters,
    eventually::eventually,
    shell,
    sidecar::Sidecar,
};

/// A test that disturbs the others takes this for itself alone.
static TURNS: RwLock<()> = RwLock::const_new(());

/// A lock that a test holds until it ends: shared to run beside other tests, exclusive to run alone.
enum Turn {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

impl Turn {
    async fn shared() -> Self {
        let _guard = TURNS.read().await;
        Self::Shared { _guard }
    }

    async fn alone() -> Self {
        let _guard = TURNS.write().await;
        Self::Alone { _guard }
    }
}

/// The label of a namespace whose pods the default revision injects.
const INJECTED: (&str, &str) = ("istio-injection", "enabled");

/// A namespace that is deleted with the value; before that, what happened in it is printed if the test has failed.
pub struct Namespace {
    pub cluster: &'static Cluster,
    pub client: Client,
    name: String,
    sidecar: Sidecar,
    _turn: Turn,
}

impl Namespace {
    /// One whose pods are injected. `None` if there can't be a cluster here; the harness has said so.
    pub async fn injected(prefix: &str) -> Option<Self> {
        Self::new(prefix, INJECTED, Turn::shared()).await
    }

    /// One whose pods are injected with a stock Envoy and its agent: those of `create` and `apply_samples`.
    pub async fn of_envoy(prefix: &str) -> Option<Self> {
        let mut namespace = Self::injected(prefix).await?;
        namespace.sidecar = Sidecar::envoy(namespace.cluster).await;
        Some(namespace)
    }

    /// One whose pods the injector of another revision injects.
    pub async fn of_revision(prefix: &str, revision: &str) -> Option<Self> {
        Self::new(prefix, ("istio.io/rev", revision), Turn::shared()).await
    }

    /// One whose pods are injected, of a test beside which no other runs.
    pub async fn alone(prefix: &str) -> Option<Self> {
        Self::new(prefix, INJECTED, Turn::alone()).await
    }

    async fn new(
        prefix: &str,
        (key, value): (&str, &str),
        turn: impl Future<Output = Turn>,
    ) -> Option<Self> {
        let cluster = Cluster::shared()?;
        let turn = turn.await;
        let client = cluster.client().await;
        let object = Object {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                labels: Some([(key.to_owned(), value.to_owned())].into()),
                ..ObjectMeta::default()
            },
            ..Object::default()
        };
        let namespaces: Api<Object> = Api::all(client.clone());
        let made = namespaces
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let namespace = Self {
            cluster,
            client,
            name: made.metadata.name.unwrap(),
            sidecar: Sidecar::Proxy,
            _turn: turn,
        };
        // Without it, pods are refused.
        let account = ["wait", "--for=create", "serviceaccount/default"];
        namespace.kubectl(&account).await;
        Some(namespace)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objects of a kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// kubectl in this namespace, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.cluster.tool("kubectl");
        command.args(["--namespace", &self.name]).args(arguments);
        command
    }

    /// What kubectl prints when it succeeds.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        shell::output(&mut self.command(arguments), "").await
    }

    /// Applies YAML that somebody has typed.
    pub async fn apply(&self, yaml: &str) {
        let mut apply = self.command(&["apply", "-f", "-"]);
        shell::output(&mut apply, yaml).await;
    }

    /// Applies files of the samples.
    pub async fn apply_samples(&self, files: &[&str]) {
        if let Some(objects) = self.sidecar.of_samples(files) {
            return self.apply(&list(&objects).to_string()).await;
        }
        let files: Vec<_> = files.iter().map(|file| format!("samples/{file}")).collect();
        let mut arguments = vec!["apply"];
        for file in &files {
            arguments.extend(["-f", file]);
        }
        self.kubectl(&arguments).await;
    }

    /// Waits until all Deployments have their pods.
    pub async fn wait_for_deployments(&self) {
        let available = "--for=condition=Available";
        let arguments = ["wait", available, "deployment", "--all", "--timeout=120s"];
        self.kubectl(&arguments).await;
    }

    /// Creates objects.
    pub async fn create(&self, objects: &[Value]) {
        let list = list(&self.sidecar.of(objects));
        let mut create = self.command(&["create", "-f", "-"]);
        shell::output(&mut create, &list.to_string()).await;
    }

    /// Waits for what `kubectl wait --for` waits for.
    pub async fn wait(&self, object: &str, condition: &str) {
        let arguments = [
            "wait",
            object,
            &format!("--for={condition}"),
            "--timeout=120s",
        ];
        self.kubectl(&arguments).await;
    }

    pub async fn wait_ready(&self, pods: &[&str]) {
        let mut arguments = vec!["wait", "--for=condition=Ready", "--timeout=120s", "pod"];
        arguments.extend(pods);
        self.kubectl(&arguments).await;
    }

    /// What a command in a pod's first container prints when it succeeds.
    pub async fn exec(&self, pod: &str, command: &[&str]) -> String {
        self.kubectl(&[&["exec", pod, "--"], command].concat())
            .await
    }

    /// What a command in one of a pod's containers prints when it succeeds.
    pub async fn exec_in(&self, pod: &str, container: &str, command: &[&str]) -> String {
        let exec = ["exec", pod, "-c", container, "--"];
        self.kubectl(&[&exec, command].concat()).await
    }

    /// What the shell of a pod with busybox prints when the script succeeds.
    pub async fn sh(&self, pod: &str, script: &str) -> String {
        self.exec(pod, &["sh", "-euc", script]).await
    }

    /// What the pod's sidecar has counted.
    pub async fn counters(&self, pod: &str) -> Counters {
        Counters::read(&self.client, &self.name, pod).await
    }

    pub async fn pod(&self, name: &str) -> Pod {
        self.api::<Pod>().get(name).await.unwrap()
    }

    /// The address of a pod that has one.
    pub async fn address(&self, pod: &str) -> String {
        eventually("the pod has an address", async || {
            self.pod(pod).await.status?.pod_ip
        })
        .await
    }

    /// The state of one of a pod's containers, the sidecar included.
    pub async fn container(&self, pod: &str, container: &str) -> Option<ContainerStatus> {
        let status = self.pod(pod).await.status?;
        let init = status.init_container_statuses.unwrap_or_default();
        let all = status.container_statuses.unwrap_or_default();
        init.into_iter()
            .chain(all)
            .find(|status| status.name == container)
    }

    /// What is known of a failure.
    fn print(&self) {
        let kubectl = |arguments: &[&str]| {
            let mut command = std::process::Command::new(tool("kubectl"));
            in_cluster(&mut command)
                .args(["--namespace", &self.name])
                .args(arguments);
            command.output().map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        };
        eprintln!("== pods\n{}", kubectl(&["get", "pods", "-o", "wide"]));
        let events = ["get", "events", "--sort-by=.metadata.creationTimestamp"];
        eprintln!("== events\n{}", kubectl(&events));
        let pods = kubectl(&["get", "pods", "-o", "name"]);
        // A test may have hundreds that have never run.
        for pod in pods.lines().take(8) {
            let logs = ["logs", pod, "--all-containers", "--prefix", "--tail=40"];
            eprintln!("== logs of {pod}\n{}", kubectl(&logs));
        }
        for app in [
            "pillion-injector",
            "pillion-discovery",
            "istio-ingressgateway",
        ] {
            let label = format!("app={app}");
            let logs = ["logs", "-l", &label, "--tail=20", "-n", "istio-system"];
            eprintln!("== logs of {app}\n{}", kubectl(&logs));
        }
    }
}

fn list(objects: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print();
            if env::var_os("PILLION_CLUSTER_KEEP").is_some() {
                eprintln!("the namespace {} is kept", self.name);
                return;
            }
        }
        // What it has at the gateway goes first: of a namespace that ends, it would stay until the controllers of a busy
        // cluster come to it, and others have the same hosts.
        let shown = "gateways.networking.istio.io,virtualservices.networking.istio.io";
        for arguments in [
            &["-n", &self.name, "delete", shown, "--all", "--wait=false"][..],
            &["delete", "namespace", &self.name, "--wait=false"],
        ] {
            let mut delete = std::process::Command::new(tool("kubectl"));
            in_cluster(&mut delete).args(arguments);
            // It goes with the cluster at the latest.
            let _ = delete.output();
        }
    }
}
