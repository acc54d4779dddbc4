//! How a pod under attack is started.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    addresses::{APPLICATION, POD},
    application,
    bounds::WORKERS,
    control_plane::ControlPlane,
    namespace::{BINARY, INJECTED, Namespace, can_run},
    place::Place,
    program::copy,
};

const PROGRAMS: [(&str, &str); 2] = [
    ("iptables-nft-save", "apt-get install iptables"),
    ("setpriv", "apt-get install util-linux"),
];

/// The binary, where every user may run it: in the namespace's folder, which this run has made
/// and which ends with it, so that nobody else decides what is run here.
fn binary(pod: &Namespace) -> PathBuf {
    let path = pod.folder().join("pillion-proxy");
    // A link takes no room, but not every file system has one to there.
    if fs::hard_link(BINARY, &path).is_err() {
        return copy(Path::new(BINARY), pod.folder());
    }
    path
}

/// The enemies are this process, and have many connections.
fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Two namespaces that are joined: the pod's, and that of everybody else.
pub fn namespaces() -> Option<(Namespace, Namespace)> {
    if !can_run(&PROGRAMS) {
        return None;
    }
    raise_files();
    let pod = Namespace::new();
    let world = pod.peer();
    Some((pod, world))
}

/// The same, with an application whose traffic is captured.
pub fn captured() -> Option<(Namespace, Namespace)> {
    let (pod, world) = namespaces()?;
    let flags = INJECTED.map(|flag| format!("'{flag}'")).join(" ");
    pod.sh(&format!("{BINARY} init {flags}"));
    drop(Place::of(&pod).spawn(|| application::serve(&[APPLICATION])));
    Some((pod, world))
}

/// A proxy that may have so many descriptors, behind a script.
pub fn command(pod: &Namespace, files: usize, role: &str, script: &str) -> Command {
    let script = format!(
        "{script} && ulimit -n {files} && \
         exec setpriv --reuid 1337 --regid 1337 --clear-groups -- {} {role} --log-format text",
        binary(pod).display()
    );
    let mut command = pod.command();
    command.args(["sh", "-c", &script]);
    command.env("INSTANCE_IP", POD.to_string());
    command
}

/// The same, which follows a control plane.
pub fn configured(
    pod: &Namespace,
    files: usize,
    role: &str,
    control_plane: &ControlPlane,
) -> Command {
    // `ip netns exec` makes a mount namespace, so nobody else sees this.
    let folder = control_plane.folder.display();
    let script = format!(
        "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/istio /run/secrets/tokens && \
         cp {folder}/root-cert.pem /run/secrets/istio/ && cp {folder}/istio-token /run/secrets/tokens/"
    );
    let mut command = command(pod, files, role, &script);
    let address = &control_plane.address;
    let config = format!(r#"{{"concurrency": {WORKERS}, "discoveryAddress": "{address}"}}"#);
    command.env("PROXY_CONFIG", config);
    command
}
