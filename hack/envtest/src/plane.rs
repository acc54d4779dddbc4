//! A control plane.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio::{
    process::Command,
    sync::OnceCell,
    time::{Instant, sleep},
};

use crate::{pki::Pki, ports::free_port, supervisor::Supervisor, tools};

/// How long starting may take, generous enough for a busy machine.
const START: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// The number of attempts to start, because another process may take a port that was free.
const ATTEMPTS: usize = 3;

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A running etcd, kube-apiserver and kube-controller-manager.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    url: String,
    kubeconfig: PathBuf,
    supervisor: Supervisor,
}

impl ControlPlane {
    /// Returns the control plane that this process shares; the first call starts it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ControlPlane::start`].
    pub async fn shared() -> anyhow::Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts a separate control plane.
    ///
    /// # Errors
    ///
    /// Returns an error if a binary is missing, or the control plane does not become ready.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(|_| Ok(Vec::new())).await
    }

    /// Starts a separate control plane with additional arguments for the API server. The
    /// function that returns them gets the control plane's directory, so that it can write
    /// files there.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ControlPlane::start`] and of the function.
    pub async fn start_with(
        arguments: impl Fn(&Path) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Self> {
        // If a provider is already installed, it is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::try_start(&arguments).await {
                Ok(plane) => return Ok(plane),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("not started")))
    }

    async fn try_start(
        arguments: impl Fn(&Path) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Self> {
        let (etcd, apiserver, manager) = (
            tools::find("etcd")?,
            tools::find("kube-apiserver")?,
            tools::find("kube-controller-manager")?,
        );
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("pillion-envtest-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let pki = Pki::write(&folder)?;
        let (client_port, peer_port, port) = (free_port()?, free_port()?, free_port()?);
        let url = format!("https://127.0.0.1:{port}");
        let kubeconfig = write_kubeconfig(&folder, &url, &pki)?;

        let mut supervisor = Supervisor::start(&folder)?;
        supervisor.run(
            "etcd",
            &etcd,
            &etcd_arguments(&folder, client_port, peer_port),
        )?;
        let mut all = apiserver_arguments(&pki, client_port, port);
        all.extend(arguments(&folder)?);
        supervisor.run("kube-apiserver", &apiserver, &all)?;
        let plane = Self {
            folder,
            url,
            kubeconfig,
            supervisor,
        };
        plane.wait_until_ready().await?;
        let mut plane = plane;
        let arguments = manager_arguments(&pki, &plane.kubeconfig);
        plane
            .supervisor
            .run("kube-controller-manager", &manager, &arguments)?;
        Ok(plane)
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let client = self.client().await?;
        let deadline = Instant::now() + START;
        loop {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            let error = match client.request_text(request).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if let Some(failure) = self.supervisor.failure() {
                bail!("{failure}");
            }
            if Instant::now() > deadline {
                bail!("the API server is not ready after {START:?}: {error}");
            }
            sleep(POLL).await;
        }
    }

    /// Returns the API server's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the path of a kubeconfig for a cluster administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns a directory that is removed when the control plane stops.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the process ids of the daemons.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.supervisor.pids()
    }

    /// Creates a client with an administrator's permissions. Each test needs its own, because a
    /// client's tasks end with the runtime in which it was created.
    ///
    /// # Errors
    ///
    /// Returns an error if the kubeconfig can't be read.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Creates a namespace with a unique name, and waits for its service account.
    ///
    /// # Errors
    ///
    /// Returns an error if the API server refuses the namespace, or the controllers don't create
    /// the account.
    pub async fn namespace(&self, prefix: &str, labels: &[(&str, &str)]) -> anyhow::Result<String> {
        let client = self.client().await?;
        let labels: BTreeMap<_, _> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let made = Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        let name = made.metadata.name.context("a namespace without a name")?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &name);
        let deadline = Instant::now() + START;
        while accounts.get_opt("default").await?.is_none() {
            if let Some(failure) = self.supervisor.failure() {
                bail!("{failure}");
            }
            if Instant::now() > deadline {
                bail!("the namespace {name} has no service account after {START:?}");
            }
            sleep(POLL).await;
        }
        Ok(name)
    }

    /// Returns a command for a tool (`kubectl`, `helm`), configured for this control plane.
    ///
    /// # Errors
    ///
    /// Returns an error if the tool has not been built.
    pub fn tool(&self, name: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(tools::find(name)?);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.folder)
            .kill_on_drop(true);
        Ok(command)
    }
}

fn etcd_arguments(folder: &Path, client_port: u16, peer_port: u16) -> Vec<String> {
    let client = format!("http://127.0.0.1:{client_port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    vec![
        format!("--data-dir={}", folder.join("etcd-data").display()),
        "--unsafe-no-fsync".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

fn apiserver_arguments(pki: &Pki, etcd_port: u16, port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", pki.server_certificate.display()),
        format!("--tls-private-key-file={}", pki.server_key.display()),
        format!("--client-ca-file={}", pki.ca.display()),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!(
            "--service-account-key-file={}",
            pki.accounts_public_key.display()
        ),
        format!(
            "--service-account-signing-key-file={}",
            pki.accounts_key.display()
        ),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

fn manager_arguments(pki: &Pki, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!(
            "--service-account-private-key-file={}",
            pki.accounts_key.display()
        ),
        format!("--root-ca-file={}", pki.ca.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}

/// Writes a kubeconfig as JSON, which is also YAML.
fn write_kubeconfig(folder: &Path, url: &str, pki: &Pki) -> anyhow::Result<PathBuf> {
    let data = |pem: &str| k8s_openapi::ByteString(pem.as_bytes().to_vec());
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "envtest",
        "contexts": [{"name": "envtest", "context": {"cluster": "envtest", "user": "admin"}}],
        "clusters": [{"name": "envtest", "cluster": {
            "server": url, "certificate-authority-data": data(&pki.ca_pem)}}],
        "users": [{"name": "admin", "user": {
            "client-certificate-data": data(&pki.admin_certificate_pem),
            "client-key-data": data(&pki.admin_key_pem)}}],
    });
    let path = folder.join("kubeconfig");
    fs::write(&path, kubeconfig.to_string())?;
    Ok(path)
}
