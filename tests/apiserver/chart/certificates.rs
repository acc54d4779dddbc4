//! The certificates' Secret and its Lease, which the chart makes and the injector fills.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::{coordination::v1::Lease, core::v1::Secret},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use pillion_envtest::ControlPlane;
use serde_json::json;

use super::helm::in_cluster;

/// Helm's two ways to apply.
const MODES: [&str; 2] = ["--server-side=true", "--server-side=false"];

/// A release and its Secret. The revision is the namespace's name.
struct Release {
    plane: &'static ControlPlane,
    namespace: String,
    mode: &'static str,
    name: &'static str,
    secrets: Api<Secret>,
    leases: Api<Lease>,
}

impl Release {
    async fn new(mode: &'static str) -> Self {
        let plane = ControlPlane::shared().await.unwrap();
        let client = plane.client().await.unwrap();
        let namespace = plane.namespace("chart", &[]).await.unwrap();
        Self {
            plane,
            mode,
            name: "mesh",
            secrets: Api::namespaced(client.clone(), &namespace),
            leases: Api::namespaced(client, &namespace),
            namespace,
        }
    }

    fn secret(&self) -> String {
        format!("pillion-injector-certs-{}", self.namespace)
    }

    async fn install(&self) {
        let set = format!("crds.enabled=false,revision={}", self.namespace);
        self.helm(&["install", self.name, ".", self.mode, "--set", &set])
            .await;
    }

    async fn upgrade(&self, set: &str) {
        self.helm(&[
            "upgrade",
            self.name,
            ".",
            self.mode,
            "--reuse-values",
            "--set",
            set,
        ])
        .await;
    }

    async fn roll_back(&self, to: &str) {
        self.helm(&["rollback", self.name, to, self.mode]).await;
    }

    async fn uninstall(&self) {
        self.helm(&["uninstall", self.name, "--wait"]).await;
    }

    async fn helm(&self, arguments: &[&str]) {
        let common = ["-n", &self.namespace];
        in_cluster(self.plane, &[arguments, &common].concat()).await;
    }

    /// Fills the Secret and takes the Lease, as the injector does.
    async fn fill(&self) {
        let name = self.secret();
        let mut secret = self.secrets.get(&name).await.unwrap();
        secret.data = Some(contents());
        let parameters = PostParams::default();
        self.secrets
            .replace(&name, &parameters, &secret)
            .await
            .unwrap();
        self.fill_lease().await;
    }

    async fn fill_lease(&self) {
        let (name, parameters) = (self.secret(), PostParams::default());
        let mut lease = self.leases.get(&name).await.unwrap();
        lease.spec.get_or_insert_default().holder_identity = Some("replica".into());
        self.leases
            .replace(&name, &parameters, &lease)
            .await
            .unwrap();
    }

    /// Makes both with their contents as somebody else does, of whom Helm knows nothing.
    async fn make(&self) {
        let name = json!({"name": self.secret()});
        let secret = json!({"metadata": name, "data": contents()});
        let lease = json!({"metadata": name, "spec": {"holderIdentity": "replica"}});
        let parameters = PostParams::default();
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets.create(&parameters, &secret).await.unwrap();
        let lease = serde_json::from_value(lease).unwrap();
        self.leases.create(&parameters, &lease).await.unwrap();
    }

    async fn delete(&self) {
        let parameters = DeleteParams::default();
        self.secrets
            .delete(&self.secret(), &parameters)
            .await
            .unwrap();
        self.leases
            .delete(&self.secret(), &parameters)
            .await
            .unwrap();
    }

    /// Both are there and hold what they held.
    async fn is_as_it_was(&self, after: &str) {
        self.secret_is_as_it_was(after).await;
        let lease = self.leases.get_opt(&self.secret()).await.unwrap();
        let lease = lease.unwrap_or_else(|| panic!("{} {after}: the Lease is gone", self.mode));
        let holder = lease.spec.unwrap().holder_identity;
        assert_eq!(holder.as_deref(), Some("replica"), "{} {after}", self.mode);
    }

    async fn secret_is_as_it_was(&self, after: &str) {
        let secret = self.secrets.get_opt(&self.secret()).await.unwrap();
        let secret = secret.unwrap_or_else(|| panic!("{} {after}: gone", self.mode));
        assert_eq!(secret.data, Some(contents()), "{} {after}", self.mode);
    }

    async fn is_empty(&self, after: &str) {
        let secret = self.secrets.get(&self.secret()).await.unwrap();
        assert_eq!(secret.data, None, "{} {after}", self.mode);
        assert!(
            self.leases.get_opt(&self.secret()).await.unwrap().is_some(),
            "{after}"
        );
    }
}

fn contents() -> BTreeMap<String, ByteString> {
    let text = |text: &str| ByteString(text.into());
    [
        ("ca.crt", text("a certificate")),
        ("tls.key", text("a key")),
    ]
    .map(|(key, text)| (key.to_owned(), text))
    .into()
}

#[tokio::test]
async fn keeps_what_they_hold_through_upgrades_rollbacks_and_installations() {
    for mode in MODES {
        let mut release = Release::new(mode).await;
        release.install().await;
        release.is_empty("an installation").await;
        release.fill().await;
        for set in ["injector.replicaCount=3", "global.logging.level=debug"] {
            release.upgrade(set).await;
            release.is_as_it_was(set).await;
        }
        release.roll_back("1").await;
        release.is_as_it_was("a rollback").await;
        release.upgrade("injector.certificateSecret=other").await;
        release.is_as_it_was("other certificates").await;
        release.upgrade("injector.certificateSecret=").await;
        release.is_as_it_was("own certificates again").await;
        release.roll_back("5").await;
        release.roll_back("2").await;
        release.is_as_it_was("other certificates, and back").await;
        release.uninstall().await;
        release.secret_is_as_it_was("an uninstall").await;
        release.install().await;
        release.fill_lease().await;
        release.is_as_it_was("another installation").await;
        release.upgrade("injector.replicaCount=3").await;
        release.uninstall().await;
        release.name = "another";
        release.install().await;
        release
            .secret_is_as_it_was("an installation by another name")
            .await;
        release.upgrade("injector.replicaCount=3").await;
        release.roll_back("1").await;
        release.uninstall().await;
        release.secret_is_as_it_was("that one's uninstall").await;
    }
}

#[tokio::test]
async fn keeps_those_that_were_there_before() {
    for mode in MODES {
        let release = Release::new(mode).await;
        release.make().await;
        release.install().await;
        release.is_as_it_was("an installation").await;
        release.upgrade("injector.replicaCount=3").await;
        release.is_as_it_was("an upgrade").await;
        release.roll_back("1").await;
        release.is_as_it_was("a rollback").await;
        release.uninstall().await;
        release.is_as_it_was("an uninstall").await;
    }
}

#[tokio::test]
async fn makes_deleted_ones_again() {
    for mode in MODES {
        let release = Release::new(mode).await;
        release.install().await;
        release.delete().await;
        release.upgrade("injector.replicaCount=3").await;
        release.is_empty("an upgrade").await;
        release.delete().await;
        release.roll_back("1").await;
        release.is_empty("a rollback").await;
    }
}

/// Helm deletes what the last release has made and the next one lacks, and does not ask who has made it since.
#[tokio::test]
async fn keeps_those_that_somebody_has_made_anew() {
    for mode in MODES {
        let release = Release::new(mode).await;
        release.install().await;
        release.delete().await;
        release.make().await;
        release.upgrade("injector.replicaCount=3").await;
        release.is_as_it_was("an upgrade").await;
        release.upgrade("injector.replicaCount=4").await;
        release.is_as_it_was("another upgrade").await;
        release.roll_back("1").await;
        release.is_as_it_was("a rollback").await;
        release.uninstall().await;
        release.secret_is_as_it_was("an uninstall").await;
    }
}
