//! The gateway template, and templates of the user's own.

use super::*;

fn gateway() -> Value {
    json!({"metadata": {"generateName": "ingress-", "labels": {"istio": "ingressgateway"},
            "annotations": {"inject.istio.io/templates": "gateway"}},
        "spec": {"containers": [{"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8080}]}]}})
}

#[test]
fn a_gateway_is_the_proxy_and_nothing_else() {
    let pod = injected(&gateway());
    assert_eq!(names(&pod["spec"]["containers"]), ["istio-proxy"]);
    assert_eq!(pod["spec"]["initContainers"], Value::Null);
    let proxy = container(&pod, "istio-proxy");
    assert_eq!(arguments(proxy)[0], "gateway");
    assert_ne!(proxy["image"], "auto");
    let ports: Vec<_> = pod::array(&proxy["ports"])
        .iter()
        .map(|port| &port["containerPort"])
        .collect();
    assert_eq!(ports, [15090, 8080]);
    assert_eq!(
        pod["spec"]["securityContext"]["sysctls"],
        json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}])
    );
    assert_eq!(
        pod["metadata"]["labels"]["service.istio.io/canonical-name"],
        "ingress"
    );
}

#[test]
fn a_gateway_keeps_the_users_sysctls() {
    let mut pod = gateway();
    pod["spec"]["securityContext"] =
        json!({"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]});
    let pod = injected(&pod);
    assert_eq!(
        names(&pod["spec"]["securityContext"]["sysctls"]),
        ["net.core.somaxconn", "net.ipv4.ip_unprivileged_port_start"]
    );
}

/// A configuration with the templates t0 to t39.
fn with_templates(config: &str) -> Result<Config, ConfigError> {
    let templates: Value = (0..40).map(|n| (format!("t{n}"), json!({}))).collect();
    let mut config = crate::yaml::parse(config).unwrap();
    config["templates"] = templates;
    Config::parse(&Sources {
        config: &config.to_string(),
        values: "",
        mesh: "",
    })
}

fn selected<'a>(config: &'a Config, annotation: Option<&'a str>) -> Result<Vec<&'a str>, Refusal> {
    let selected = config.templates.select(annotation)?;
    Ok(selected.into_iter().map(|(name, _)| name).collect())
}

#[test]
fn a_template_that_aliases_share_is_rendered_once() {
    let config = with_templates(
        "{aliases: {a: [t1, t2], b: [t2, t3], c: [t1, t1]}, defaultTemplates: [a, t2, b]}",
    )
    .unwrap();
    assert_eq!(selected(&config, None).unwrap(), ["t1", "t2", "t3"]);
    assert_eq!(selected(&config, Some("b,a")).unwrap(), ["t2", "t3", "t1"]);
    assert_eq!(selected(&config, Some("c,t1")).unwrap(), ["t1"]);
}

#[test]
fn refuses_more_templates_than_a_pod_may_have() {
    let all = |count: usize| {
        (0..count)
            .map(|n| format!("t{n}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let sixteen = all(16);
    let config = with_templates(&format!(
        "{{defaultTemplates: [t0], aliases: {{many: [{sixteen}]}}}}"
    ))
    .unwrap();
    assert_eq!(selected(&config, Some(&sixteen)).unwrap().len(), 16);
    assert_eq!(selected(&config, Some("many,t3")).unwrap().len(), 16);
    for list in [all(17), "many,t20".to_owned(), all(10_000)] {
        let refusal = selected(&config, Some(&list)).unwrap_err();
        assert_eq!(refusal.code(), 422);
        assert!(
            refusal.to_string().contains("more than 16 templates"),
            "{refusal}"
        );
    }
    for config in [
        format!(
            "{{defaultTemplates: [t0], aliases: {{many: [{}]}}}}",
            all(17)
        ),
        format!("{{defaultTemplates: [{}]}}", all(17)),
    ] {
        let faults = with_templates(&config).unwrap_err().faults;
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].message.contains("16"), "{faults:?}");
    }
}

#[test]
fn a_template_of_the_users_own_patches_the_proxy_wherever_it_is() {
    let config = json!({"templates": {
        "sidecar": include_str!("../../../charts/pillion/files/sidecar.yaml"),
        "custom": {"metadata": {"annotations": {"who": "{{ workload.name }}"}},
            "spec": {"containers": [{"name": "istio-proxy", "env": [{"name": "MINE", "value": "1"}]}]}},
    }, "aliases": {"both": ["sidecar", "custom"]}});
    let config = Config::parse(&Sources {
        config: &config.to_string(),
        values: "",
        mesh: "",
    })
    .unwrap();
    for native in ["true", "false"] {
        let annotations =
            json!({"inject.istio.io/templates": "both", "sidecar.istio.io/nativeSidecar": native});
        let pod = web(annotations, json!({}));
        let (pod, _) = inject_with(&config, &target(&pod));
        assert_eq!(env(container(&pod, "istio-proxy"), "MINE"), Some("1"));
        assert_eq!(pod["metadata"]["annotations"]["who"], "web");
        let all = [
            names(&pod["spec"]["initContainers"]),
            names(&pod["spec"]["containers"]),
        ]
        .concat();
        assert_eq!(
            all.iter().filter(|name| **name == "istio-proxy").count(),
            1,
            "{all:?}"
        );
    }
}
