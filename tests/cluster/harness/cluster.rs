//! The cluster that the tests of a run share.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::{guard::Guard, release};

/// The number of the node, as `hack/cluster` has it: the demo has 1, and what a user brings up by hand 0. Another one, in
/// `PILLION_CLUSTER_TESTS_NUMBER`, lets two checkouts run their tests at a time.
fn number() -> u8 {
    let number = env::var("PILLION_CLUSTER_TESTS_NUMBER");
    number.map_or(3, |number| {
        number
            .parse()
            .expect("PILLION_CLUSTER_TESTS_NUMBER is 0 to 63")
    })
}
/// What is built from this repository, and Debian's busybox, which has a shell and tar.
const IMAGES: [&str; 4] = ["pillion", "proxy", "samples", "busybox"];

static SHARED: OnceLock<Option<Result<Cluster, String>>> = OnceLock::new();

/// A node with the images loaded and the chart installed.
#[derive(Debug)]
pub struct Cluster {
    _guard: Guard,
}

impl Cluster {
    /// The cluster of this process; the first call brings it up. `None` on a machine that can't have one: then the
    /// tests are skipped, and say so.
    ///
    /// # Panics
    ///
    /// When it does not come up, or, with `CI` set, when it can't.
    pub fn shared() -> Option<&'static Self> {
        let started = SHARED.get_or_init(|| match lacking() {
            None => Some(Self::start()),
            Some(lacking) => {
                assert!(env::var_os("CI").is_none(), "{lacking}");
                say(&format!("SKIPPED, all of them: {lacking}"));
                None
            }
        });
        match started.as_ref()? {
            Ok(cluster) => Some(cluster),
            Err(error) => panic!("the cluster did not come up: {error}"),
        }
    }

    fn start() -> Result<Self, String> {
        // A provider that is installed already is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut guard = Guard::take(script("bash"), number())?;
        // Meanwhile the node starts.
        run(script("hack/image").args(["--profile", "dev"]).args(IMAGES))?;
        guard.up()?;
        let archives = IMAGES.map(archive);
        run(script("hack/cluster").arg("load").args(&archives))?;
        // One that is kept from an earlier run has pods of that run's images.
        let (image, proxy) = (digest(&archives[0])?, digest(&archives[1])?);
        let mut helm = Command::new(tool("helm"));
        helm.args(release::INSTALL)
            .args(["pillion", release::CHART, "--namespace", "istio-system"])
            .args(["--set", "injector.replicaCount=1"])
            .args(["--set", "gateways.istio-ingressgateway.replicaCount=1"])
            // There are no load balancers, for which helm would wait.
            .args(["--set", "gateways.istio-ingressgateway.type=NodePort"])
            .arg("--set-string")
            .arg(format!("injector.podAnnotations.image={image}"))
            .arg("--set-string")
            .arg(format!(
                "gateways.istio-ingressgateway.podAnnotations.image={proxy}"
            ));
        run(in_cluster(&mut helm))?;
        release::wait_until_injects(release::DEFAULT, true)?;
        Ok(Self { _guard: guard })
    }

    /// Makes one more image, and loads it. What it is made of, `hack/test` has built, or the start of this cluster.
    pub async fn add_image(&self, name: &str) {
        let mut make = tokio::process::Command::from(script("hack/image"));
        super::shell::output(make.args(["--profile", "dev", name]), "").await;
        let archive = archive(name).to_string_lossy().into_owned();
        super::shell::output(&mut self.hack(&["load", &archive]), "").await;
    }

    /// A client with an administrator's permissions. Each test needs its own, because a client's tasks end with the
    /// runtime in which it was created.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        Client::try_from(config).unwrap()
    }

    /// A tool (`kubectl`, `helm`) as the cluster's administrator.
    pub fn tool(&self, name: &str) -> tokio::process::Command {
        let mut command = Command::new(tool(name));
        in_cluster(&mut command);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        command
    }

    /// `hack/cluster` with these arguments.
    pub fn hack(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = script("hack/cluster");
        command.args(arguments);
        command.into()
    }

    /// Ends a container's first process by a signal: an application is told to end, and its pod stays.
    pub async fn kill(&self, container: &str, signal: &str) {
        let id = container.trim_start_matches("containerd://");
        let containerd = state().join("run/containerd.sock");
        let enter = ["enter", "ctr", "--namespace", "k8s.io", "--address"];
        let mut command = self.hack(&enter);
        command
            .arg(containerd)
            .args(["tasks", "kill", "--signal", signal, id]);
        super::shell::output(&mut command, "").await;
    }
}

/// What keeps a node from coming up here.
fn lacking() -> Option<String> {
    let check = script("hack/cluster").arg("check").output();
    match check {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("hack/cluster does not start: {error}")),
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn state() -> PathBuf {
    repository().join("hack/.cache/cluster-tests")
}

pub fn kubeconfig() -> PathBuf {
    state().join("admin.kubeconfig")
}

fn archive(image: &str) -> PathBuf {
    repository().join(format!("hack/.cache/images/{image}.tar"))
}

pub fn tool(name: &str) -> PathBuf {
    let folder = pillion_envtest::tools_folder();
    repository().join(folder).join(name)
}

/// A program in the repository's folder, with this cluster's place in its environment.
fn script(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(repository())
        .env("PILLION_CLUSTER_STATE", state())
        .env("PILLION_CLUSTER_NUMBER", number().to_string());
    command
}

/// A tool that talks to the cluster. Its caches and settings are the cluster's, too.
pub fn in_cluster(command: &mut Command) -> &mut Command {
    command
        .current_dir(repository())
        .env("KUBECONFIG", kubeconfig())
        .env("HOME", state())
}

/// Runs a step of the start, whose progress is seen on standard error.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot start {name}: {error}"))?;
    if !status.success() {
        return Err(format!("{name}: {status}; it said why above"));
    }
    Ok(())
}

fn digest(file: &Path) -> Result<String, String> {
    let output = Command::new("sha256sum").arg(file).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout)
            .chars()
            .take(16)
            .collect()),
        _ => Err(format!("cannot read {}", file.display())),
    }
}

/// Says something past the capture of the tests' output: nobody may miss it.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "the cluster tests: {text}");
}
