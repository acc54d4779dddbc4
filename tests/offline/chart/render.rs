//! What helm makes of the values.

use pillion_envtest::chart::{VARIANTS, helm};
use serde_json::{Value, json};

use super::objects::{named, of_kind, template, try_template};

#[test]
fn lint_finds_nothing() {
    for values in VARIANTS {
        let output = helm()
            .unwrap()
            .args(["lint", "--strict", "--quiet", "."])
            .args(*values)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        assert!(output.status.success(), "{values:?}: {}", said.concat());
        assert_eq!(said[0].trim(), "", "{values:?}");
    }
}

#[test]
fn refuses_values_that_it_does_not_know() {
    for (values, complaint) in [
        ("replicaCount=3", "'replicaCount' not allowed"),
        ("injector.replicas=3", "'replicas' not allowed"),
        ("global.prxy.image=x", "'prxy' not allowed"),
        ("global.proxy.privileged=true", "'privileged' not allowed"),
        ("pilot.cni.enabled=true", "'pilot' not allowed"),
        ("injector.replicaCount=two", "got string, want integer"),
        ("global.nativeSidecars=maybe", "value must be one of"),
        ("global.proxy.autoInject=on", "value must be one of"),
        ("global.proxy.excludeInboundPorts=80-90", "does not match"),
        ("global.proxy.includeIPRanges=10.0.0.1", "does not match"),
        (
            "sidecarInjectorWebhook.injectionURL=http://x",
            "does not match",
        ),
        ("revision=Canary", "does not match"),
        (
            "sidecarInjectorWebhook.guards.hostPath=true",
            "'hostPath' not allowed",
        ),
        (
            "sidecarInjectorWebhook.guards.captureExclusion=yes",
            "got string, want boolean",
        ),
        (
            "injector.networkPolicy.ingress.cidrs={10.0.0.1}",
            "does not match",
        ),
        (
            "injector.networkPolicy.ingress.from[0].pods=a",
            "'pods' not allowed",
        ),
        ("injector.clientCA.key=../key", "does not match"),
        ("injector.logFormat=yaml", "value must be one of"),
        (
            "discovery.workloadCertificateLifetime=soon",
            "does not match",
        ),
        (
            "discovery.maxWorkloadCertificateLifetime=0h",
            "does not match",
        ),
        ("discovery.caOverlap=1s", "does not match"),
        ("global.imagePullPolicy=Sometimes", "value must be one of"),
        ("global.proxy.logLevel=loud", "value must be one of"),
        (
            "sidecarInjectorWebhook.reinvocationPolicy=Always",
            "value must be one of",
        ),
        ("meshConfig.accessLogEncoding=YAML", "value must be one of"),
        ("meshConfig.accessLogFile=stdout", "does not match"),
        (
            "meshConfig.outboundTrafficPolicy.mode=REGISTRY",
            "value must be one of",
        ),
        (
            "meshConfig.defaultConfig.interceptionMode=TPROXY",
            "value must be one of",
        ),
        (
            "meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE=true",
            "value must be one of",
        ),
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(error.contains(complaint), "{values}: {error}");
    }
}

#[test]
fn refuses_a_tag_that_is_the_revision() {
    for values in [
        "revisionTags={default}",
        "revision=canary,revisionTags={canary}",
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(error.contains("injected twice"), "{values}: {error}");
    }
}

#[test]
fn refuses_cert_managers_injection_without_its_secret() {
    let annotation =
        r#"injector.webhookAnnotations={"cert-manager.io/inject-ca-from":"istio-system/injector"}"#;
    let values = ["--set-json", annotation];
    let error = try_template("istio-system", &values).unwrap_err();
    assert!(error.contains("certificateSecret"), "{error}");
    let values = [
        "--set-json",
        annotation,
        "--set",
        "injector.certificateSecret=mine",
    ];
    assert!(try_template("istio-system", &values).is_ok());
}

#[test]
fn refuses_a_control_plane_elsewhere() {
    let values = ["--set", "global.istioNamespace=other"];
    let error = try_template("mesh", &values).unwrap_err();
    assert!(error.contains("install with -n other"), "{error}");
}

/// Of each webhook configuration: its name, its revision and its webhooks' names.
fn webhooks(namespace: &str, values: &str) -> Vec<(String, String, Vec<String>)> {
    let objects = template(namespace, &["--set", values]);
    of_kind(&objects, "MutatingWebhookConfiguration")
        .into_iter()
        .map(|configuration| {
            let metadata = &configuration["metadata"];
            let names = configuration["webhooks"].as_array().unwrap();
            let short = |webhook: &Value| {
                let name = webhook["name"].as_str().unwrap();
                name.strip_suffix(".sidecar-injector.istio.io")
                    .unwrap()
                    .to_owned()
            };
            (
                metadata["name"].as_str().unwrap().to_owned(),
                metadata["labels"]["istio.io/rev"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                names.iter().map(short).collect(),
            )
        })
        .collect()
}

fn configuration(name: &str, revision: &str, webhooks: &str) -> (String, String, Vec<String>) {
    (
        name.to_owned(),
        revision.to_owned(),
        webhooks.split(' ').map(str::to_owned).collect(),
    )
}

#[test]
fn installs_the_webhooks_that_a_revision_has() {
    const REVISION: &str = "rev.namespace rev.object";
    const DEFAULT: &str = "rev.namespace rev.object namespace object";
    const AUTO: &str = "rev.namespace rev.object namespace object auto";
    let default = [configuration("istio-sidecar-injector", "default", DEFAULT)];
    assert_eq!(webhooks("istio-system", "revision="), default);
    assert_eq!(webhooks("istio-system", "revision=default"), default);
    assert_eq!(
        webhooks(
            "istio-system",
            "sidecarInjectorWebhook.enableNamespacesByDefault=true"
        ),
        [configuration("istio-sidecar-injector", "default", AUTO)]
    );
    assert_eq!(
        webhooks(
            "mesh",
            "revision=canary,revisionTags={prod,default},sidecarInjectorWebhook.enableNamespacesByDefault=true"
        ),
        [
            configuration("istio-sidecar-injector-canary-mesh", "canary", REVISION),
            configuration("istio-revision-tag-prod-mesh", "canary", REVISION),
            configuration("istio-revision-tag-default-mesh", "canary", AUTO),
        ]
    );
}

#[test]
fn a_tag_is_matched_instead_of_the_revision() {
    let objects = template(
        "istio-system",
        &["--set", "revision=canary,revisionTags={prod}"],
    );
    let configurations = of_kind(&objects, "MutatingWebhookConfiguration");
    for (configuration, value) in configurations.into_iter().zip(["canary", "prod"]) {
        assert_eq!(
            configuration["webhooks"][0]["namespaceSelector"]["matchExpressions"][0],
            json!({"key": "istio.io/rev", "operator": "In", "values": [value]})
        );
        assert_eq!(
            configuration["webhooks"][1]["objectSelector"]["matchExpressions"][1],
            json!({"key": "istio.io/rev", "operator": "In", "values": [value]})
        );
    }
}

#[test]
fn no_webhook_reaches_the_injector_s_own_namespace_or_the_system_s() {
    for values in VARIANTS {
        for configuration in of_kind(&template("mesh", values), "MutatingWebhookConfiguration") {
            for webhook in configuration["webhooks"].as_array().unwrap() {
                let excluded = webhook["namespaceSelector"]["matchExpressions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|expression| expression["key"] == "kubernetes.io/metadata.name")
                    .unwrap_or_else(|| panic!("{values:?}: {webhook}"));
                assert_eq!(excluded["operator"], "NotIn", "{values:?}");
                for namespace in ["mesh", "kube-system"] {
                    assert!(
                        excluded["values"]
                            .as_array()
                            .unwrap()
                            .contains(&json!(namespace)),
                        "{values:?}: {webhook}"
                    );
                }
            }
        }
    }
}

/// What has it in a manifest is blanked or turned back by upgrades and rollbacks.
#[test]
fn no_manifest_has_a_ca_bundle() {
    for values in VARIANTS {
        let objects = template("istio-system", values);
        for kind in [
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ] {
            for configuration in of_kind(&objects, kind) {
                let text = configuration.to_string();
                assert!(!text.contains("caBundle"), "{values:?}");
            }
        }
    }
}

#[test]
fn revisions_share_no_object() {
    let name = |object: &Value| {
        format!(
            "{} {} {}",
            object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]
        )
    };
    // But for the kinds, which the first one brings and the others find there.
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
fn refuses_a_client_ca_that_is_not_clear() {
    for (values, complaint) in [
        (
            "injector.clientCA.configMap=one,injector.clientCA.secret=two",
            "remove one of them",
        ),
        ("injector.clientCA.names={one}", "but no CA"),
    ] {
        let error = try_template("istio-system", &["--set", values]).expect_err(values);
        assert!(error.contains(complaint), "{values}: {error}");
    }
}

#[test]
fn a_client_ca_is_mounted_without_what_is_beside_it() {
    for (source, volume) in [
        ("configMap", json!({"name": "clients"})),
        ("secret", json!({"secretName": "clients"})),
    ] {
        let values = format!(
            "injector.clientCA.{source}=clients,injector.clientCA.key=its.crt,injector.clientCA.names={{one,two}}"
        );
        let objects = template("istio-system", &["--set", &values]);
        let deployment = named(&objects, "Deployment", "pillion-injector");
        let pod = &deployment["spec"]["template"]["spec"];
        let mut expected = json!({"name": "client-ca", source: volume});
        expected[source]["items"] = json!([{"key": "its.crt", "path": "ca.crt"}]);
        assert_eq!(pod["volumes"], json!([expected]));
        let container = &pod["containers"][0];
        let folder = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
        let arguments = container["args"].as_array().unwrap();
        let last = &arguments[arguments.len() - 3..];
        let file = format!("--client-ca-file={folder}/ca.crt");
        assert_eq!(
            last,
            [file.as_str(), "--client-name=one", "--client-name=two"]
        );
    }
}

/// The sources that may reach a port; `Null` is anyone.
fn sources(values: &[&str], port: u16) -> Value {
    let objects = template("istio-system", values);
    let policy = named(&objects, "NetworkPolicy", "pillion-injector");
    let rules = policy["spec"]["ingress"].clone();
    let rules = rules.as_array().unwrap();
    let mut of_port = rules.iter().filter(|rule| {
        let ports = rule["ports"].as_array().unwrap();
        ports.iter().any(|found| found["port"] == port)
    });
    let rule = of_port.next().unwrap();
    assert!(of_port.next().is_none(), "rules add up");
    rule["from"].clone()
}

#[test]
fn the_values_say_who_may_come_in() {
    assert_eq!(sources(&[], 15017), Value::Null);
    assert_eq!(sources(&[], 15014), Value::Null);
    let key = "injector.networkPolicy.ingress";
    let cidrs = format!("{key}.cidrs=[\"10.0.0.1/32\"]");
    let from = format!(r#"{key}.from=[{{"podSelector":{{"matchLabels":{{"a":"b"}}}}}}]"#);
    let monitoring = format!(r#"{key}.monitoringFrom=[{{"namespaceSelector":{{}}}}]"#);
    let block = json!({"ipBlock": {"cidr": "10.0.0.1/32"}});
    let pods = json!({"podSelector": {"matchLabels": {"a": "b"}}});
    let values = ["--set-json", &cidrs, "--set-json", &from];
    assert_eq!(sources(&values, 15017), json!([block, pods]));
    assert_eq!(sources(&values, 15014), Value::Null);
    assert_eq!(sources(&values[..2], 15017), json!([block]));
    let values = ["--set-json", &monitoring];
    assert_eq!(sources(&values, 15017), Value::Null);
    assert_eq!(sources(&values, 15014), json!([{"namespaceSelector": {}}]));
}

/// Whoever could name another account, or leave one out, would undo the policy.
#[test]
fn every_installation_has_policies_for_its_own_accounts() {
    for values in VARIANTS {
        let objects = template("mesh", values);
        let accounts = of_kind(&objects, "ServiceAccount").into_iter();
        let accounts = accounts.map(|account| account["metadata"]["name"].as_str().unwrap());
        // Without its webhook, discovery may patch none.
        let validates = !of_kind(&objects, "ValidatingWebhookConfiguration").is_empty();
        for name in accounts.filter(|name| {
            name.starts_with("pillion-injector")
                || validates && name.starts_with("pillion-discovery")
        }) {
            let clustered = format!("{name}-mesh");
            let policy = named(&objects, "ValidatingAdmissionPolicy", &clustered);
            let binding = named(&objects, "ValidatingAdmissionPolicyBinding", &clustered);
            let expected =
                format!(r#"request.userInfo.username == "system:serviceaccount:mesh:{name}""#);
            let conditions = &policy["spec"]["matchConditions"];
            assert_eq!(conditions.as_array().unwrap().len(), 1, "{values:?}");
            assert_eq!(conditions[0]["expression"], expected, "{values:?}");
            assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{values:?}");
            assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
            assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
        }
    }
}

/// Whoever has its token reads a plugged CA, and can't put another one in its place.
#[test]
fn discovery_reads_a_plugged_ca_and_knows_how_long_certificates_last() {
    let lifetimes = "discovery.workloadCertificateLifetime=1h,discovery.maxWorkloadCertificateLifetime=2d,\
                     discovery.caOverlap=5m";
    let objects = template("mesh", &["--set", lifetimes]);
    let role = named(&objects, "Role", "pillion-discovery");
    let rules = role["rules"].as_array().unwrap().iter();
    let mut of_cacerts = rules.filter(|rule| rule["resourceNames"].to_string().contains("cacerts"));
    let rule = of_cacerts.next().unwrap();
    assert_eq!(rule["resources"], json!(["secrets"]));
    assert_eq!(rule["verbs"], json!(["get", "list", "watch"]));
    assert!(of_cacerts.next().is_none());
    let deployment = named(&objects, "Deployment", "pillion-discovery");
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    for argument in [
        "--workload-certificate-lifetime=1h",
        "--max-workload-certificate-lifetime=2d",
        "--ca-overlap=5m",
    ] {
        let arguments = arguments.as_array().unwrap();
        assert!(arguments.contains(&json!(argument)), "{arguments:?}");
    }
}

/// An invalid one that came in would leave open what it should close.
#[test]
fn peer_authentications_are_always_reviewed() {
    for (policy, revision, selectors) in [("Ignore", "", 2), ("Fail", "canary", 1)] {
        let values = format!("discovery.validation.failurePolicy={policy},revision={revision}");
        let objects = template("istio-system", &["--set", &values]);
        let found = of_kind(&objects, "ValidatingWebhookConfiguration");
        let [configuration] = &found[..] else {
            panic!("{values}");
        };
        let webhooks = configuration["webhooks"].as_array().unwrap();
        let (others, closing) = webhooks.split_at(selectors);
        assert_eq!(closing.len(), selectors, "{values}");
        for (other, closing) in others.iter().zip(closing) {
            assert_eq!(other["failurePolicy"], policy);
            assert_eq!(closing["failurePolicy"], "Fail");
            let name = format!("security.{}", other["name"].as_str().unwrap());
            assert_eq!(closing["name"], name);
            assert_eq!(closing["objectSelector"], other["objectSelector"]);
            assert_eq!(closing["rules"].as_array().unwrap().len(), 1);
            assert_eq!(
                closing["rules"][0]["resources"],
                json!(["peerauthentications"])
            );
        }
    }
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
