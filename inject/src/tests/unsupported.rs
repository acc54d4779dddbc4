//! What Istio has and Pillion has not is refused.

use super::*;

#[test]
fn refuses_what_it_does_not_have() {
    for (name, value) in [
        ("sidecar.istio.io/interceptionMode", "TPROXY"),
        ("sidecar.istio.io/bootstrapOverride", "map"),
        ("sidecar.istio.io/capNetBindService", "true"),
        ("sidecar.istio.io/enableCoreDump", "true"),
        ("proxy.istio.io/config", "interceptionMode: TPROXY"),
        (
            "proxy.istio.io/config",
            "proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}",
        ),
    ] {
        let refusal = refused(&web(json!({ name: value }), json!({})));
        assert!(
            matches!(refusal, Refusal::Unsupported(_)),
            "{name}: {refusal}"
        );
    }
}

#[test]
fn refuses_dns_capture_by_the_pods_own_containers() {
    for (list, name, variable) in [
        ("containers", "istio-proxy", "ISTIO_META_DNS_CAPTURE"),
        ("initContainers", "istio-proxy", "ISTIO_META_DNS_CAPTURE"),
        ("initContainers", "istio-init", "REDIRECT_DNS"),
    ] {
        let mut pod = web(json!({}), json!({}));
        let env = json!([{"name": variable, "value": "true"}]);
        let own = json!({"name": name, "image": "auto", "env": env});
        match &mut pod["spec"][list] {
            Value::Array(containers) => containers.push(own),
            containers => *containers = json!([own]),
        }
        let refusal = refused(&pod);
        assert!(matches!(refusal, Refusal::Unsupported(_)), "{refusal}");
        assert!(refusal.to_string().contains(variable), "{refusal}");
    }
}

#[test]
fn refuses_dns_capture_in_the_webhooks_path() {
    let pod = web(json!({}), json!({}));
    let path_env = [("ISTIO_META_DNS_CAPTURE".to_owned(), "1".to_owned())];
    let target = Target {
        path_env: &path_env,
        ..target(&pod)
    };
    let refusal = inject(&BUILTIN, &target).unwrap_err();
    assert!(matches!(refusal, Refusal::Unsupported(_)), "{refusal}");
}
