//! The kinds that rules are written in, on a real API server.

use std::{fs, path::Path, process::Stdio};

use pillion_envtest::ControlPlane;
use tokio::io::AsyncWriteExt;

use super::helm::{in_cluster, success};
use crate::eventually;

const KINDS: [&str; 6] = [
    "virtualservices.networking.istio.io",
    "destinationrules.networking.istio.io",
    "gateways.networking.istio.io",
    "serviceentries.networking.istio.io",
    "telemetries.telemetry.istio.io",
    "peerauthentications.security.istio.io",
];

/// Runs kubectl with an input; it has to succeed.
async fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let mut child = plane
        .tool("kubectl")
        .unwrap()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).await.unwrap();
    drop(pipe);
    success(arguments, &child.wait_with_output().await.unwrap())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The samples' objects of the kinds, as in the version that the oldest tutorials use.
fn samples() -> String {
    let mut documents = Vec::new();
    for folder in [
        "bookinfo/networking",
        "weighted",
        "helloworld",
        "httpbin",
        "tcp-echo",
    ] {
        for entry in fs::read_dir(repository().join("samples").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let text = fs::read_to_string(path).unwrap();
                documents.extend(text.split("\n---\n").map(str::to_owned));
            }
        }
    }
    documents.retain(|document| document.contains("networking.istio.io/v1"));
    assert!(documents.len() > 20);
    documents
        .join("\n---\n")
        .replace("networking.istio.io/v1\n", "networking.istio.io/v1alpha3\n")
}

/// The columns of `kubectl get`, with the rows' names in front.
async fn columns(plane: &ControlPlane, namespace: &str, resource: &str) -> String {
    let table = kubectl(plane, &["-n", namespace, "get", resource], "").await;
    let head = table.lines().next().unwrap_or_default();
    head.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn owner(plane: &ControlPlane, kind: &str) -> String {
    let path = r"-o=jsonpath={.metadata.annotations.meta\.helm\.sh/release-name}";
    kubectl(plane, &["get", "crd", kind, path], "").await
}

/// One test, because there is one set of kinds for the whole API server.
#[tokio::test]
async fn the_kinds_are_istio_s() {
    let plane = ControlPlane::shared().await.unwrap();
    let (first, second, shop) = (
        plane.namespace("chart", &[]).await.unwrap(),
        plane.namespace("chart", &[]).await.unwrap(),
        plane.namespace("shop", &[]).await.unwrap(),
    );

    // One of them is there already, and somebody else's.
    let file =
        repository().join("charts/pillion/files/crds/networking.istio.io_serviceentries.yaml");
    kubectl(plane, &["create", "-f", &file.to_string_lossy()], "").await;
    let foreign = async || {
        kubectl(
            plane,
            &[
                "get",
                "crd",
                KINDS[3],
                "-o=jsonpath={.metadata.resourceVersion}/{.metadata.labels}",
            ],
            "",
        )
        .await
    };
    eventually("the definition to be in use", async || {
        let condition = "-o=jsonpath={.status.conditions[?(@.type==\"Established\")].status}";
        (kubectl(plane, &["get", "crd", KINDS[3], condition], "").await == "True").then_some(())
    })
    .await;
    let before = foreign().await;
    for (release, namespace, revision) in
        [("one", &first, "kinds-one"), ("two", &second, "kinds-two")]
    {
        let values = format!("revision={revision}");
        in_cluster(
            plane,
            &["install", release, ".", "-n", namespace, "--set", &values],
        )
        .await;
    }
    for kind in KINDS.iter().filter(|kind| **kind != KINDS[3]) {
        assert_eq!(owner(plane, kind).await, "one", "{kind}");
    }
    assert_eq!(owner(plane, KINDS[3]).await, "");
    assert_eq!(foreign().await, before);

    kubectl(
        plane,
        &[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            KINDS[0],
            KINDS[1],
            KINDS[2],
        ],
        "",
    )
    .await;
    kubectl(plane, &["-n", &shop, "apply", "-f", "-"], &samples()).await;
    let entry = r#"{"apiVersion": "networking.istio.io/v1alpha3", "kind": "ServiceEntry", "metadata": {"name": "web"},
        "spec": {"hosts": ["example.com"], "resolution": "DNS", "ports": [{"number": 80, "name": "http"}]}}"#;
    kubectl(plane, &["-n", &shop, "apply", "-f", "-"], entry).await;
    assert_eq!(columns(plane, &shop, "gateway").await, "NAME AGE");
    assert_eq!(columns(plane, &shop, "gw").await, "NAME AGE");
    assert_eq!(
        columns(plane, &shop, "virtualservices.networking.istio.io").await,
        "NAME GATEWAYS HOSTS AGE"
    );
    assert_eq!(columns(plane, &shop, "vs").await, "NAME GATEWAYS HOSTS AGE");
    assert_eq!(columns(plane, &shop, "dr").await, "NAME HOST AGE");
    assert_eq!(
        columns(plane, &shop, "se").await,
        "NAME HOSTS LOCATION RESOLUTION AGE"
    );
    let rows = kubectl(plane, &["-n", &shop, "get", "vs", "bookinfo"], "").await;
    assert!(
        rows.contains(r#"["bookinfo-gateway"]"#) && rows.contains(r#"["*"]"#),
        "{rows}"
    );

    // Unknown fields stay, for the webhook to refuse them and for what a newer Istio has.
    let stray = r#"{"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "stray"},
        "spec": {"servers": [{"hosts": ["*"], "port": {"number": 80, "name": "http", "protocol": "HTTP", "stray": 1}}]}, "beside": 2}"#;
    kubectl(plane, &["-n", &shop, "apply", "-f", "-"], stray).await;
    let kept = kubectl(
        plane,
        &[
            "-n",
            &shop,
            "get",
            "gw",
            "stray",
            "-o=jsonpath={.spec.servers[0].port.stray}{.beside}",
        ],
        "",
    )
    .await;
    assert_eq!(kept, "12");

    // They outlast the release, and it takes them up again.
    let install = [
        "install",
        "one",
        ".",
        "-n",
        &first,
        "--set",
        "revision=kinds-one",
    ];
    let without = [
        "upgrade",
        "one",
        ".",
        "-n",
        &first,
        "--set",
        "revision=kinds-one,crds.enabled=false",
    ];
    let uninstall = ["uninstall", "one", "-n", &first, "--wait"];
    for arguments in [uninstall.as_slice(), &install, &without, &uninstall] {
        in_cluster(plane, arguments).await;
        let left = kubectl(
            plane,
            &["-n", &shop, "get", "vs", "bookinfo", "-o=name"],
            "",
        )
        .await;
        assert_eq!(
            left.trim(),
            "virtualservice.networking.istio.io/bookinfo",
            "{arguments:?}"
        );
    }
    in_cluster(plane, &["uninstall", "two", "-n", &second, "--wait"]).await;
}
