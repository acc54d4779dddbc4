//! Who may reach the control plane, and what it may do.

use pillion_envtest::chart::VARIANTS;
use serde_json::{Value, json};

use super::objects::{named, of_kind, template};

/// Returns the sources that may reach a port; `Null` means anyone.
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

/// An account that no policy names would not be restricted.
#[test]
fn every_installation_has_policies_for_its_own_accounts() {
    for values in VARIANTS {
        let objects = template("mesh", values);
        let accounts = of_kind(&objects, "ServiceAccount").into_iter();
        let accounts = accounts.map(|account| account["metadata"]["name"].as_str().unwrap());
        // Without its webhook, discovery may not patch any webhook configuration.
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

/// Discovery's token may read a plugged CA, but not replace it.
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
