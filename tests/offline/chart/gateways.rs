//! The gateways that the chart installs.

use pillion_envtest::chart::helm;
use serde_json::{Value, json};

use super::objects::{of_kind, template, try_template};

const KINDS: [&str; 4] = [
    "ServiceAccount",
    "Service",
    "Deployment",
    "PodDisruptionBudget",
];

/// The objects of a gateway, by the label `app`.
fn gateway(values: &[&str], app: &str) -> Vec<Value> {
    let with_discovery = [&["--set", "discovery.enabled=true"], values].concat();
    let objects = template("istio-system", &with_discovery);
    let ours = |object: &Value| object["metadata"]["labels"]["app"] == app;
    objects.into_iter().filter(ours).collect()
}

fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

#[test]
fn the_profiles_have_the_gateways_of_istio_s() {
    let has = |profile: &str, app: &str| {
        let file = format!("profiles/{profile}.yaml");
        let values: &[&str] = match profile {
            "default" => &[],
            _ => &["-f", &file],
        };
        !gateway(values, app).is_empty()
    };
    for (profile, ingress, egress) in [
        ("default", true, false),
        ("demo", true, true),
        ("minimal", false, false),
    ] {
        assert_eq!(has(profile, "istio-ingressgateway"), ingress, "{profile}");
        assert_eq!(has(profile, "istio-egressgateway"), egress, "{profile}");
    }
}

#[test]
fn without_discovery_there_is_no_gateway_and_the_notes_say_so() {
    let off = ["--set", "discovery.enabled=false"];
    let objects = template("istio-system", &off);
    let gateways = objects
        .iter()
        .filter(|object| object.to_string().contains("ingressgateway"));
    assert_eq!(gateways.count(), 0);
    let output = helm()
        .unwrap()
        .args([
            "install",
            "mesh",
            ".",
            "-n",
            "istio-system",
            "--dry-run=client",
        ])
        .args(off)
        .output()
        .unwrap();
    let notes = String::from_utf8_lossy(&output.stdout);
    assert!(
        notes.contains("istio-ingressgateway is not installed"),
        "{notes}"
    );
}

#[test]
fn the_ingress_gateway_has_istio_s_names_labels_and_ports() {
    let objects = gateway(&[], "istio-ingressgateway");
    for kind in KINDS {
        let object = one(&objects, kind);
        let name = match kind {
            "ServiceAccount" => "istio-ingressgateway-service-account",
            _ => "istio-ingressgateway",
        };
        assert_eq!(object["metadata"]["name"], name);
        assert_eq!(object["metadata"]["labels"]["istio"], "ingressgateway");
    }
    let service = one(&objects, "Service");
    let ports: Vec<_> = service["spec"]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| {
            (
                port["name"].as_str().unwrap(),
                port["port"].clone(),
                port["targetPort"].clone(),
            )
        })
        .collect();
    let expected = [
        ("status-port", 15021, 15021),
        ("http2", 80, 8080),
        ("https", 443, 8443),
        ("tcp", 31400, 31400),
        ("tls", 15443, 15443),
    ];
    let expected = expected.map(|(name, port, target)| (name, json!(port), json!(target)));
    assert_eq!(ports, expected);
    let selector = service["spec"]["selector"].as_object().unwrap();
    let pod = &one(&objects, "Deployment")["spec"]["template"];
    for (label, value) in selector {
        assert_eq!(pod["metadata"]["labels"][label], *value);
    }
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["args"][0], "gateway");
    // Spans have the tags by which Istio's do.
    let labels = &pod["metadata"]["labels"];
    for (variable, label) in [
        ("CANONICAL_SERVICE", "service.istio.io/canonical-name"),
        ("CANONICAL_REVISION", "service.istio.io/canonical-revision"),
    ] {
        let mut all = container["env"].as_array().unwrap().iter();
        let found = all.find(|one| one["name"] == variable).unwrap();
        assert_eq!(found["value"], labels[label], "{variable}");
    }
}

#[test]
fn the_service_s_type_and_node_ports_are_values() {
    let key = "gateways.istio-ingressgateway";
    let service = |set: &str| {
        let objects = gateway(&["--set", set], "istio-ingressgateway");
        one(&objects, "Service")["spec"].clone()
    };
    assert_eq!(service("revision=")["type"], "LoadBalancer");
    for kind in ["NodePort", "ClusterIP", "LoadBalancer"] {
        assert_eq!(service(&format!("{key}.type={kind}"))["type"], kind);
    }
    let set = format!("{key}.type=NodePort,{key}.nodePorts.http2=30080");
    let ports = service(&set)["ports"].clone();
    assert_eq!(ports[1]["nodePort"], 30080);
    assert_eq!(ports[0].get("nodePort"), None);
}

#[test]
fn refuses_gateways_that_could_not_work() {
    let key = "gateways.istio-ingressgateway";
    for (set, complaint) in [
        (format!("{key}.type=Nodeport"), "value must be one of"),
        (format!("{key}.kind=NodePort"), "'kind' not allowed"),
        (
            format!("{key}.nodePorts.http=30080"),
            "is no port of the Service",
        ),
        (
            format!("{key}.type=ClusterIP,{key}.nodePorts.http2=30080"),
            "set gateways.istio-ingressgateway.type to NodePort",
        ),
        (
            format!("{key}.type=NodePort,{key}.loadBalancerIP=10.0.0.1"),
            "settings of a load balancer",
        ),
        (
            format!("{key}.type=ClusterIP,{key}.externalTrafficPolicy=Local"),
            "takes no traffic from outside",
        ),
        (
            "gateways.shop.enabled=true".to_owned(),
            "'shop' not allowed",
        ),
    ] {
        let values = ["--set", "discovery.enabled=true", "--set", &set];
        let error = try_template("istio-system", &values).expect_err(&set);
        assert!(error.contains(complaint), "{set}: {error}");
    }
}

/// What the template does for gateways of the user's own, the chart does for its own.
#[test]
fn the_pod_is_as_the_template_for_gateways_makes_it() {
    let file = include_str!("../../../charts/pillion/files/gateway.yaml");
    let template = pillion_inject::yaml::parse(file).unwrap();
    let template = &template["spec"];
    let objects = gateway(&[], "istio-ingressgateway");
    let pod = &one(&objects, "Deployment")["spec"]["template"]["spec"];
    let names = |list: &Value| -> Vec<String> {
        let items = list.as_array().unwrap().iter();
        items
            .filter_map(|item| Some(item["name"].as_str()?.to_owned()))
            .collect()
    };
    let container = |pod: &Value| pod["containers"][0].clone();
    let (ours, theirs) = (container(pod), container(template));
    // The first says how traffic is captured, which none is here; the others depend on the values.
    let optional = [
        "ISTIO_META_INTERCEPTION_MODE",
        "ISTIO_META_NETWORK",
        "PILLION_ACCESS_LOG",
        "PILLION_DISCOVERY",
        "PILLION_TRUST_DOMAIN_ALIASES",
    ];
    let expected: Vec<_> = names(&theirs["env"])
        .into_iter()
        .filter(|name| !optional.contains(&name.as_str()))
        .collect();
    assert_eq!(names(&ours["env"]), expected);
    let mounts = theirs["volumeMounts"].as_array().unwrap();
    let mounts: Vec<_> = mounts
        .iter()
        .filter(|mount| mount["name"].is_string())
        .collect();
    let own: Vec<_> = ours["volumeMounts"].as_array().unwrap().iter().collect();
    assert_eq!(own, mounts);
    let volumes = template["volumes"].as_array().unwrap();
    for volume in volumes
        .iter()
        .filter(|volume| volume["name"].is_string() && volume["name"] != "istiod-ca-cert")
    {
        assert!(
            pod["volumes"].as_array().unwrap().contains(volume),
            "{volume}"
        );
    }
    assert_eq!(
        pod["securityContext"]["sysctls"],
        template["securityContext"]["sysctls"]
    );
}

#[test]
fn a_named_revision_has_a_gateway_of_its_own() {
    let objects = gateway(&["--set", "revision=canary"], "istio-ingressgateway");
    for kind in KINDS {
        let name = one(&objects, kind)["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("istio-ingressgateway-canary"), "{name}");
    }
    let deployment = one(&objects, "Deployment");
    let selector = &deployment["spec"]["selector"]["matchLabels"];
    assert_eq!(selector["istio.io/rev"], "canary");
    assert_eq!(selector["istio"], "ingressgateway");
}

#[test]
fn the_mesh_s_settings_reach_the_gateway() {
    let mesh = r#"meshConfig={"accessLogFile":"/dev/stdout","accessLogFormat":"$(POD_NAME)","trustDomain":"shop.example","defaultConfig":{"gatewayTopology":{"numTrustedProxies":1},"proxyMetadata":{"ISTIO_META_HTTP10":"1"}}}"#;
    let objects = gateway(&["--set-json", mesh], "istio-ingressgateway");
    let pod = &one(&objects, "Deployment")["spec"]["template"]["spec"];
    let variable = |name: &str| {
        let env = pod["containers"][0]["env"].as_array().unwrap();
        let found = env.iter().find(|variable| variable["name"] == name);
        found.unwrap()["value"].as_str().unwrap().to_owned()
    };
    let config: Value = serde_json::from_str(&variable("PROXY_CONFIG")).unwrap();
    assert_eq!(config["gatewayTopology"]["numTrustedProxies"], 1);
    assert_eq!(config["discoveryAddress"], variable("CA_ADDR"));
    assert_eq!(variable("TRUST_DOMAIN"), "shop.example");
    assert_eq!(variable("ISTIO_META_HTTP10"), "1");
    let log = variable("PILLION_ACCESS_LOG");
    // Kubernetes would expand it.
    assert!(!log.contains('$'), "{log}");
    let log: Value = serde_json::from_str(&log).unwrap();
    assert_eq!(log["accessLogFormat"], "$(POD_NAME)");
}

#[test]
fn an_autoscaler_alone_decides_on_the_gateway_s_replicas() {
    let set = "gateways.istio-ingressgateway.autoscaleEnabled=true";
    let objects = gateway(&["--set", set], "istio-ingressgateway");
    assert_eq!(one(&objects, "Deployment")["spec"].get("replicas"), None);
    let autoscaler = one(&objects, "HorizontalPodAutoscaler");
    assert_eq!(
        autoscaler["spec"]["scaleTargetRef"]["name"],
        "istio-ingressgateway"
    );
}
