//! The chart in a cluster, with its injector running beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use pillion_envtest::ControlPlane;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::injector_process::{InjectorProcess, Ports};

/// A release of the chart, and its injector.
pub struct Installation {
    pub plane: &'static ControlPlane,
    pub client: Client,
    pub namespace: String,
    pub revision: String,
    pub injector: InjectorProcess,
}

impl Installation {
    /// Installs a revision that no other test has: its name is the namespace's.
    pub async fn of_its_own(values: &[&str]) -> Self {
        let plane = ControlPlane::shared().await.unwrap();
        let namespace = plane.namespace("mesh", &[]).await.unwrap();
        Self::new(&namespace, &namespace, values).await
    }

    /// Installs a revision into a namespace that is there already.
    pub async fn new(namespace: &str, revision: &str, values: &[&str]) -> Self {
        let plane = ControlPlane::shared().await.unwrap();
        let ports = Ports::free();
        helm_upgrade(plane, namespace, revision, ports, values).await;
        let kubeconfig = own_kubeconfig(plane, namespace, revision).await;
        let arguments = ["--namespace", namespace, "--revision", revision];
        let mut injector = InjectorProcess::start(&kubeconfig, ports, &arguments);
        injector.ready().await;
        let installation = Self {
            plane,
            client: plane.client().await.unwrap(),
            namespace: namespace.to_owned(),
            revision: revision.to_owned(),
            injector,
        };
        installation.wait_until_called().await;
        installation
    }

    /// The API server learns of a webhook, and of each change to its caBundle, a moment later.
    async fn wait_until_called(&self) {
        let namespace = self.shop(&[]).await;
        crate::eventually("the webhook is called", async || {
            match self.try_pod(&namespace, &pod(json!({}), json!({}))).await {
                Ok(pod) => injected_by(&pod).map(|_| ()),
                Err(error) => {
                    assert!(error.to_string().contains("failed calling"), "{error}");
                    None
                }
            }
        })
        .await;
    }

    /// Changes the release's values.
    pub async fn upgrade(&self, values: &[&str]) {
        let ports = self.injector.ports;
        helm_upgrade(self.plane, &self.namespace, &self.revision, ports, values).await;
    }

    /// A namespace with the label of this revision.
    pub async fn shop(&self, labels: &[(&str, &str)]) -> String {
        let revision = [("istio.io/rev", self.revision.as_str())];
        let labels = [&revision, labels].concat();
        self.plane.namespace("shop", &labels).await.unwrap()
    }

    /// Has a pod admitted, and not kept. Fields that the API server does not know
    /// are errors.
    pub async fn try_pod(&self, namespace: &str, pod: &Value) -> kube::Result<Value> {
        self.client.request(creation(namespace, pod)).await
    }

    /// Whether Pod Security warns of a pod.
    pub async fn is_warned_of(&self, namespace: &str, pod: &Value) -> bool {
        let warnings = self.warnings(namespace, pod).await;
        warnings
            .iter()
            .any(|warning| warning.contains("PodSecurity"))
    }

    /// What the API server warns of when a pod is created, be it denied or not.
    pub async fn warnings(&self, namespace: &str, pod: &Value) -> Vec<String> {
        let request = creation(namespace, pod).map(kube::client::Body::from);
        let answer = self.client.send(request).await.unwrap();
        let warnings = answer.headers().get_all("warning").iter();
        warnings
            .map(|warning| String::from_utf8(warning.as_bytes().to_vec()).unwrap())
            .collect()
    }

    /// As `try_pod`, and it has to be accepted.
    pub async fn pod(&self, namespace: &str, pod: &Value) -> Value {
        self.try_pod(namespace, pod)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{pod:#}"))
    }

    /// Edits a key of a ConfigMap of the installation.
    pub async fn edit(&self, map: &str, key: &str, text: &str) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = format!("{map}-{}", self.revision);
        let patch = Patch::Merge(json!({"data": {key: text}}));
        api.patch(&name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// The text of a key of a ConfigMap of the installation.
    pub async fn config(&self, map: &str, key: &str) -> String {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = format!("{map}-{}", self.revision);
        api.get(&name).await.unwrap().data.unwrap()[key].clone()
    }

    /// What the built `pillion` writes with the configuration of this installation.
    pub async fn cli(&self, arguments: &[&str], input: &str) -> String {
        stdout(&self.try_cli(arguments, input).await)
    }

    /// The same, whether it succeeds or not.
    pub async fn try_cli(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"));
        command
            .args(arguments)
            .args(["--istioNamespace", &self.namespace])
            .args(["--revision", &self.revision])
            .env("KUBECONFIG", self.plane.kubeconfig());
        run(command, input).await
    }

    /// kubectl with the rights of an administrator.
    pub async fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        kubectl(self.plane, arguments, input).await
    }
}

fn creation(namespace: &str, pod: &Value) -> axum::http::Request<Vec<u8>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict");
    axum::http::Request::post(path)
        .header("content-type", "application/json")
        .body(pod.to_string().into_bytes())
        .unwrap()
}

/// A pod of one container.
pub fn pod(labels: Value, annotations: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    })
}

/// The revision that has injected a pod, if one has.
pub fn injected_by(pod: &Value) -> Option<&str> {
    let revision = pod["metadata"]["annotations"]["istio.io/rev"].as_str();
    let has_proxy = ["initContainers", "containers"]
        .iter()
        .any(|list| names(&pod["spec"][*list]).contains(&"istio-proxy"));
    assert_eq!(has_proxy, revision.is_some(), "half an injection: {pod:#}");
    revision
}

/// The names of a list's items.
pub fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

/// What a command that has to succeed writes.
pub fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> Output {
    let mut command = plane.tool("kubectl").unwrap();
    command.args(arguments);
    run(command, input).await
}

/// Runs a command to its end, with some standard input.
pub async fn run(mut command: tokio::process::Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // One that ends early says why; that it closed its input does not matter.
    let _ = pipe.write_all(input.as_bytes()).await;
    drop(pipe);
    child.wait_with_output().await.unwrap()
}

async fn helm_upgrade(
    plane: &ControlPlane,
    namespace: &str,
    revision: &str,
    ports: Ports,
    values: &[&str],
) {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/pillion");
    let url = format!("sidecarInjectorWebhook.injectionURL={}", ports.url());
    let mut helm = plane.tool("helm").unwrap();
    helm.args(["upgrade", "--install", "--namespace", namespace])
        .arg(format!("pillion-{revision}"))
        .arg(chart)
        .args(["--set", &url, "--set", "crds.enabled=false"])
        .args(["--set-string", &format!("revision={revision}")])
        .args(values);
    stdout(&run(helm, "").await);
}

/// A kubeconfig with the rights that the chart gives the injector, and no others.
async fn own_kubeconfig(plane: &ControlPlane, namespace: &str, revision: &str) -> PathBuf {
    let account = match revision {
        "default" => "pillion-injector".to_owned(),
        revision => format!("pillion-injector-{revision}"),
    };
    let token = kubectl(plane, &["-n", namespace, "create", "token", &account], "").await;
    let admin = fs::read_to_string(plane.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&admin).unwrap();
    config["users"][0]["user"] = json!({"token": stdout(&token).trim()});
    let path = plane
        .folder()
        .join(format!("{namespace}-{revision}.kubeconfig"));
    fs::write(&path, config.to_string()).unwrap();
    path
}
