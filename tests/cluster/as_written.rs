//! The walk-through's experiment as it is written, mistakes included: what they come to is said.

use std::{fs, path::PathBuf, process::Command};

use crate::harness::{Namespace, eventually};

/// A Service as it is written there.
fn service(name: &str, selector: &str, ports: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector:\n{selector}\n{ports}\n"
    )
}

const PORTS: &str =
    "  ports:\n  - name: http\n    port: 8080\n    targetPort: 8080\n    protocol: TCP";
/// One column too far.
const MISPLACED_PORTS: &str =
    "   ports:\n   - name: http\n     port: 8080\n     targetPort: 8080\n     protocol: TCP";

/// The three Services: the pods have `app: web`, so that only the last one has any.
fn services(last: &str) -> String {
    [
        service("tomcat-svc", "    app: tomcat", PORTS),
        service("httpd-svc", "    app: httpd", PORTS),
        last.to_owned(),
    ]
    .join("---\n")
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_mis_indented_service_is_refused_by_its_line() {
    let Some(shop) = Namespace::injected("indented").await else {
        return;
    };
    let last = service("web-svc", "     app: web", MISPLACED_PORTS);
    let file = file("is-vs.yaml", &services(&last));
    let path = file.to_str().unwrap();
    let refused = shop.command(&["apply", "-f", path]).output().await.unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("line "), "{said}");

    let mut inject = Command::new(env!("CARGO_BIN_EXE_pillion"));
    let refused = inject
        .args(["kube-inject", "--defaults", "-f", path])
        .output();
    let refused = refused.unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    for part in ["is-vs.yaml", "document 3", "line 34", "indentation"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn a_route_to_services_that_select_no_pod_says_so() {
    let Some(shop) = Namespace::injected("selectors").await else {
        return;
    };
    let files = ["weighted/is-client.yaml", "weighted/is-deployment.yaml"];
    shop.apply_samples(&files).await;
    let last = service("web-svc", "    app: web", PORTS);
    shop.apply(&services(&last)).await;
    shop.wait_for_deployments().await;
    let ask = async || {
        let curl = ["curl", "-s", "-w", " %{http_code}", "http://web-svc:8080"];
        let exec = ["exec", "deploy/client", "-c", "client", "--"];
        let mut command = shop.command(&[&exec[..], &curl].concat());
        let output = command.output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Before the rule, web-svc has both pods.
    eventually("an answer", async || {
        ask().await.ends_with(" 200").then_some(())
    })
    .await;
    shop.apply_samples(&["weighted/is-virtualservice.yaml"])
        .await;
    let said = eventually("a refusal", async || {
        let said = ask().await;
        said.ends_with(" 503").then_some(said)
    })
    .await;
    assert!(said.contains("has no endpoint"), "{said}");
    assert!(said.contains("selector"), "{said}");
    let cluster = |service: &str| format!("{service}.{}.svc.cluster.local", shop.name());
    assert!(
        ["tomcat-svc", "httpd-svc"]
            .into_iter()
            .any(|service| said.contains(&cluster(service))),
        "{said}"
    );
}
