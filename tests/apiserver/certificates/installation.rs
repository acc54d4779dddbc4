//! What an injector needs in a cluster, in a namespace and a revision of its own.

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration,
        core::v1::{ConfigMap, Pod, Secret},
    },
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pillion_envtest::ControlPlane;
use pillion_inject::Config;
use serde_json::json;

use crate::{
    OPTED_OUT,
    injector_process::{InjectorProcess, Ports},
};

/// An installation; its revision is the namespace's name.
pub struct Installation {
    pub plane: &'static ControlPlane,
    pub client: Client,
    pub namespace: String,
}

impl Installation {
    /// Makes the namespace, the ConfigMaps, and a webhook for each injector,
    /// which gets the pods with the label `replica` of its number.
    pub async fn new(replicas: &[Ports]) -> Self {
        Self::on(ControlPlane::shared().await.unwrap(), replicas).await
    }

    /// The same on another control plane.
    pub async fn on(plane: &'static ControlPlane, replicas: &[Ports]) -> Self {
        let client = plane.client().await.unwrap();
        let namespace = plane.namespace("certificates", OPTED_OUT).await.unwrap();
        let installation = Self {
            plane,
            client,
            namespace,
        };
        installation.create_config_maps().await;
        installation.create_webhooks(replicas).await;
        installation
    }

    async fn create_config_maps(&self) {
        let sources = Config::builtin_sources().unwrap();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        for (name, data) in [
            (
                "istio-sidecar-injector",
                json!({"config": sources.config, "values": sources.values}),
            ),
            ("istio", json!({"mesh": sources.mesh})),
        ] {
            let name = format!("{name}-{}", self.namespace);
            let map =
                serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).unwrap();
            api.create(&PostParams::default(), &map).await.unwrap();
        }
    }

    async fn create_webhooks(&self, replicas: &[Ports]) {
        let webhooks: Vec<_> = replicas
            .iter()
            .enumerate()
            .map(|(number, ports)| {
                json!({
                    "name": format!("replica{number}.sidecar-injector.istio.io"),
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Fail",
                    "clientConfig": {"url": ports.url()},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                    "objectSelector": {"matchLabels": {"replica": number.to_string()}},
                    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                })
            })
            .collect();
        let configuration = serde_json::from_value(json!({
            "metadata": {"name": self.namespace, "labels": {"istio.io/rev": self.namespace}},
            "webhooks": webhooks,
        }))
        .unwrap();
        self.webhooks()
            .create(&PostParams::default(), &configuration)
            .await
            .unwrap();
    }

    /// Starts an injector of this installation.
    pub fn start(&self, ports: Ports, arguments: &[&str]) -> InjectorProcess {
        let own = [
            "--namespace",
            &self.namespace,
            "--revision",
            &self.namespace,
        ];
        InjectorProcess::start(self.plane.kubeconfig(), ports, &[&own, arguments].concat())
    }

    pub fn webhooks(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// The bundles of all webhooks.
    pub async fn ca_bundles(&self) -> Vec<String> {
        let configuration = self.webhooks().get(&self.namespace).await.unwrap();
        let bundle =
            |bundle: Option<ByteString>| String::from_utf8(bundle.unwrap_or_default().0).unwrap();
        let webhooks = configuration.webhooks.unwrap_or_default();
        webhooks
            .into_iter()
            .map(|webhook| bundle(webhook.client_config.ca_bundle))
            .collect()
    }

    /// How often the webhooks were changed.
    pub async fn generation(&self) -> i64 {
        let configuration = self.webhooks().get(&self.namespace).await.unwrap();
        configuration.metadata.generation.unwrap()
    }

    /// Sets the bundle of the first webhook.
    pub async fn set_ca_bundle(&self, bundle: &str) {
        let patch: json_patch::Patch = serde_json::from_value(json!([{
            "op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ByteString(bundle.into()),
        }]))
        .unwrap();
        self.webhooks()
            .patch(
                &self.namespace,
                &PatchParams::default(),
                &Patch::Json::<()>(patch),
            )
            .await
            .unwrap();
    }

    /// The API of Secrets, and the name of the certificates' one.
    pub fn secrets(&self) -> (Api<Secret>, String) {
        (
            Api::namespaced(self.client.clone(), &self.namespace),
            format!("pillion-injector-certs-{}", self.namespace),
        )
    }

    /// A key of the certificates' Secret.
    pub async fn secret(&self, key: &str) -> Option<String> {
        let (api, name) = self.secrets();
        let secret = api.get_opt(&name).await.unwrap()?;
        let bytes = secret.data?.remove(key)?;
        Some(String::from_utf8(bytes.0).unwrap())
    }

    /// Has a replica inject a pod, in a dry run; whether it was injected.
    pub async fn admit(&self, replica: usize) -> Result<bool, kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pod = serde_json::from_value(json!({
            "metadata": {"generateName": "pod-", "labels": {"replica": replica.to_string()}},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        }))
        .unwrap();
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let pod = api.create(&dry_run, &pod).await?;
        let init = pod.spec.unwrap().init_containers.unwrap_or_default();
        Ok(init.iter().any(|container| container.name == "istio-proxy"))
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // A webhook without an injector would only be in the way of its own namespace.
        let (api, name) = (self.webhooks(), self.namespace.clone());
        tokio::spawn(async move {
            let _ = api.delete(&name, &DeleteParams::default()).await;
        });
    }
}
