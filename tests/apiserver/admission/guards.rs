//! Pods that would go past the proxy.

use serde_json::{Value, json};

use super::installation::{Installation, names, pod};

fn with_init(init: Value) -> Value {
    let mut pod = pod(json!({}), json!({}));
    pod["spec"]["initContainers"] = json!([init]);
    pod
}

/// That a pod is denied with 403, and what the user is told.
async fn denied(installation: &Installation, namespace: &str, pod: &Value) -> String {
    match installation.try_pod(namespace, pod).await {
        Err(kube::Error::Api(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
            status.message
        }
        other => panic!("{other:?}"),
    }
}

fn counted(installation: &Installation, guard: &str, action: &str) -> Option<f64> {
    let labels = format!(r#"{{guard="{guard}",action="{action}"}}"#);
    let metric = format!("pillion_injection_bypasses_total{labels}");
    installation.injector.metric(&metric)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_an_init_container_of_its_own_is_denied() {
    let installation = Installation::of_its_own(&[]).await;
    let shop = installation.shop(&[]).await;
    let guard = "initContainerOverride";
    assert_eq!(counted(&installation, guard, "refused"), Some(0.0));

    let own = with_init(json!({"name": "istio-init", "image": "busybox", "command": ["true"]}));
    let message = denied(&installation, &shop, &own).await;
    for part in [
        "the pod's own container istio-init sets command, image: ",
        "NET_ADMIN",
        "sidecarInjectorWebhook.guards.initContainerOverride=false allows it",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(counted(&installation, guard, "refused"), Some(1.0));
    let refused = r#"pillion_injection_reviews_total{outcome="refused",reason="guard"}"#;
    assert_eq!(installation.injector.metric(refused), Some(1.0));

    // With what the API server itself adds to it, one that sets resources is fine.
    let limits = json!({"limits": {"memory": "64Mi"}, "requests": {"cpu": "5m"}});
    let usual = with_init(json!({"name": "istio-init", "image": "auto", "resources": limits}));
    let warnings = installation.warnings(&shop, &usual).await;
    assert!(warnings.is_empty(), "{warnings:?}");
    let injected = installation.pod(&shop, &usual).await;
    let init = &injected["spec"]["initContainers"];
    assert_eq!(names(init), ["istio-init", "istio-proxy"]);
    assert_eq!(init[0]["resources"]["limits"]["memory"], "64Mi");
    assert_eq!(
        names(&init[0]["volumeMounts"]).len(),
        1,
        "the API server mounts a token: {init}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_refuses_when_the_charts_value_says_so() {
    let values = [
        "--set",
        "sidecarInjectorWebhook.guards.captureExclusion=true",
    ];
    let installation = Installation::of_its_own(&values).await;
    let shop = installation.shop(&[]).await;
    let past = pod(
        json!({}),
        json!({
            "traffic.sidecar.istio.io/excludeOutboundIPRanges": "0.0.0.0/1,128.0.0.0/1",
            "sidecar.istio.io/interceptionMode": "NONE",
        }),
    );
    let message = denied(&installation, &shop, &past).await;
    assert!(
        message.contains("excludeOutboundIPRanges covers"),
        "{message}"
    );
    assert!(!message.contains("NONE"), "{message}");
    // The other one is told all the same.
    let warnings = installation.warnings(&shop, &past).await.concat();
    assert!(warnings.contains("interception mode is NONE"), "{warnings}");
    let ask = ["check-inject", "-f", "-", "-n", &shop];
    let answer = installation.try_cli(&ask, &past.to_string()).await;
    assert_eq!(answer.status.code(), Some(1));
    let answer = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.contains("captureExclusion=false"), "{answer}");

    installation
        .upgrade(&[
            "--set",
            "sidecarInjectorWebhook.guards.captureExclusion=false",
        ])
        .await;
    crate::eventually("the pod is let pass", async || {
        installation.try_pod(&shop, &past).await.ok()
    })
    .await;
    let warnings = installation.warnings(&shop, &past).await;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(counted(&installation, "captureExclusion", "warned") >= Some(2.0));
    let answer = installation.cli(&ask, &past.to_string()).await;
    for told in [
        "warning: annotation traffic",
        "warning: the pod's interception mode",
    ] {
        assert!(answer.contains(told), "{told}: {answer}");
    }
}
