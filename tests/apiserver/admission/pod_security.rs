//! Injected pods in namespaces with a Pod Security level.

use serde_json::{Value, json};

use super::installation::{Installation, injected_by, stdout};

/// All that `restricted` finds in an injected pod: setting up capture takes two capabilities.
const VIOLATIONS: &str = "PodSecurity \"restricted:latest\": unrestricted capabilities (container \"istio-init\" \
     must not include \"NET_ADMIN\", \"NET_RAW\" in securityContext.capabilities.add)";

/// A pod that `restricted` lets pass.
fn restricted_pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "web",
                "image": "web:1",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// A pod that leaves everything to its containers, as most do.
fn restricted_pod_without_defaults() -> Value {
    let mut pod = restricted_pod();
    let spec = pod["spec"].as_object_mut().unwrap();
    let defaults = spec.remove("securityContext").unwrap();
    let own = pod["spec"]["containers"][0]["securityContext"]
        .as_object_mut()
        .unwrap();
    own.extend(defaults.as_object().unwrap().clone());
    pod
}

#[tokio::test(flavor = "multi_thread")]
async fn restricted_refuses_the_init_containers_capabilities_and_nothing_else() {
    let installation = Installation::of_its_own(&[]).await;
    let enforced = [("pod-security.kubernetes.io/enforce", "restricted")];
    let namespace = installation.shop(&enforced).await;
    for native in ["true", "false"] {
        for mut pod in [restricted_pod(), restricted_pod_without_defaults()] {
            pod["metadata"]["annotations"] = json!({"sidecar.istio.io/nativeSidecar": native});
            let error = installation.try_pod(&namespace, &pod).await.unwrap_err();
            let kube::Error::Api(status) = error else {
                panic!("{error}");
            };
            assert_eq!(status.code, 403);
            let expected = format!("pods \"web\" is forbidden: violates {VIOLATIONS}");
            assert_eq!(status.message, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restricted_accepts_the_sidecar_where_nothing_is_captured_by_an_init_container() {
    let installation = Installation::of_its_own(&[]).await;
    let enforced = [("pod-security.kubernetes.io/enforce", "restricted")];
    let namespace = installation.shop(&enforced).await;
    let mut pod = restricted_pod();
    pod["metadata"]["annotations"] = json!({"sidecar.istio.io/interceptionMode": "NONE"});
    let pod = installation.pod(&namespace, &pod).await;
    assert_eq!(injected_by(&pod), Some(installation.revision.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn baseline_refuses_the_capabilities_too() {
    let installation = Installation::of_its_own(&[]).await;
    let enforced = [("pod-security.kubernetes.io/enforce", "baseline")];
    let namespace = installation.shop(&enforced).await;
    let error = installation.try_pod(&namespace, &restricted_pod()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("istio-init"), "{error}");
    assert!(!error.contains("istio-proxy"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn warns_of_the_capabilities_and_of_nothing_else() {
    let installation = Installation::of_its_own(&[]).await;
    let warned = [("pod-security.kubernetes.io/warn", "restricted")];
    let namespace = installation.shop(&warned).await;
    let output = installation
        .kubectl(
            &["-n", &namespace, "create", "-f", "-"],
            &restricted_pod().to_string(),
        )
        .await;
    assert_eq!(stdout(&output), "pod/web created\n");
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert_eq!(warnings, format!("Warning: would violate {VIOLATIONS}\n"));
}
