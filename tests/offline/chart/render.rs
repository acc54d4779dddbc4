//! Which objects the values give.

use serde_json::Value;

use super::objects::{named, of_kind, template};

#[test]
fn revisions_share_no_object() {
    let name = |object: &Value| {
        format!(
            "{} {} {}",
            object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]
        )
    };
    // The CRDs are left out: all revisions share those that the first one installs.
    let own = |namespace: &str, values: &str| {
        let values = format!("crds.enabled=false,{values}");
        template(namespace, &["--set", &values])
    };
    let stable = own("istio-system", "revision=");
    let canary = own("istio-system", "revision=canary");
    let elsewhere = own("other", "revision=");
    for other in [&canary, &elsewhere] {
        assert_eq!(stable.len(), other.len());
        for object in &stable {
            assert!(
                other.iter().all(|other| name(other) != name(object)),
                "{}",
                name(object)
            );
        }
    }
}

#[test]
fn the_pod_s_own_labels_win() {
    let values = [
        "--set",
        "injector.podLabels.app=mine,injector.podLabels.team=mesh",
        "--set-string",
        r"injector.podLabels.sidecar\.istio\.io/inject=true",
    ];
    let objects = template("istio-system", &values);
    let deployment = named(&objects, "Deployment", "pillion-injector");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["app"], "pillion-injector");
    assert_eq!(labels["sidecar.istio.io/inject"], "false");
    assert_eq!(labels["team"], "mesh");
}

#[test]
fn optional_objects_come_and_go() {
    let has = |values: &str, kind: &str| {
        let objects = template("istio-system", &["--set", values]);
        let mut names = of_kind(&objects, kind)
            .into_iter()
            .map(|one| &one["metadata"]["name"]);
        names.any(|name| name == "pillion-injector")
    };
    for (key, kind, default) in [
        ("podDisruptionBudget", "PodDisruptionBudget", true),
        ("networkPolicy", "NetworkPolicy", true),
        ("autoscaling", "HorizontalPodAutoscaler", false),
        ("serviceMonitor", "ServiceMonitor", false),
    ] {
        assert_eq!(has("revision=", kind), default, "{kind}");
        for on in [true, false] {
            let values = format!("injector.{key}.enabled={on}");
            assert_eq!(has(&values, kind), on, "{values}");
        }
    }
}

#[test]
fn an_autoscaler_alone_decides_on_replicas() {
    let objects = template(
        "istio-system",
        &["--set", "injector.autoscaling.enabled=true"],
    );
    assert_eq!(
        named(&objects, "Deployment", "pillion-injector")["spec"].get("replicas"),
        None
    );
    assert_eq!(
        named(
            &template("istio-system", &[]),
            "Deployment",
            "pillion-injector"
        )["spec"]["replicas"],
        2
    );
}

#[test]
fn discovery_can_be_left_out() {
    let objects = template("istio-system", &["--set", "discovery.enabled=false"]);
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(!name.contains("discovery"), "{name}");
    }
    assert!(of_kind(&objects, "ValidatingWebhookConfiguration").is_empty());
}

#[test]
fn the_secret_and_the_lease_come_with_own_certificates_only() {
    let has = |values: &str, kind: &str| {
        let objects = template("istio-system", &["--set", values]);
        let mut found = of_kind(&objects, kind).into_iter();
        found.any(|one| one["metadata"]["name"] == "pillion-injector-certs")
    };
    for kind in ["Secret", "Lease"] {
        assert!(has("revision=", kind), "{kind}");
        assert!(!has("injector.certificateSecret=mine", kind), "{kind}");
    }
}
