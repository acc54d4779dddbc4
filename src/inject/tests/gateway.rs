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
