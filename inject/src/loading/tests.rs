use super::*;
use crate::config::policy::NativeSidecars;

const TEMPLATES: &str = "templates: {sidecar: {spec: {containers: [{name: istio-proxy, image: '{{ proxy.image }}'}]}}}\n";

fn faults(config: &str, values: &str, mesh: &str) -> Vec<String> {
    match Config::parse(&Sources {
        config,
        values,
        mesh,
    }) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults.iter().map(Fault::to_string).collect(),
    }
}

#[test]
fn accepts_the_built_in_configuration() {
    let config = Config::builtin().unwrap();
    assert_eq!(config.revision(), "default");
    assert_eq!(config.native_sidecars(), NativeSidecars::Auto);
    assert_eq!(
        config.templates.names().collect::<Vec<_>>(),
        ["gateway", "sidecar"]
    );
}

#[test]
fn accepts_templates_as_text() {
    let config =
        "templates:\n  sidecar: |\n    spec:\n      containers:\n      - name: istio-proxy\n";
    assert_eq!(faults(config, "", ""), [""; 0]);
}

#[test]
fn accepts_values_that_leave_most_out() {
    let config = format!("{TEMPLATES}policy: disabled");
    assert_eq!(
        faults(
            &config,
            "{\"revision\": \"canary\", \"global\": {\"tag\": 1.5}}",
            ""
        ),
        [""; 0]
    );
}

#[test]
fn names_the_faults_of_all_three_keys_at_once() {
    let faults = faults(
        "policy: sometimes\ntemplates: {sidecar: {spec: '{{ 1 + }}'}}",
        "{\"global\": {\"proxy\": {\"statusPort\": \"x\"}}}",
        "enablePrometheusMerge: maybe\ndefaultConfig: {concurency: 2}",
    );
    assert_eq!(faults.len(), 5, "{faults:#?}");
    assert!(
        faults[0].starts_with("config: policy: \"sometimes\""),
        "{faults:#?}"
    );
    assert!(
        faults[1].starts_with("config: templates.sidecar: spec: "),
        "{faults:#?}"
    );
    assert!(faults[2].starts_with("values: global.proxy"), "{faults:#?}");
    assert!(
        faults[3].starts_with("mesh: enablePrometheusMerge"),
        "{faults:#?}"
    );
    assert_eq!(faults[4], "mesh: defaultConfig.concurency: unknown field");
}

#[test]
fn rejects_a_misspelt_key() {
    let faults = faults("neverInjectSelectors: []", "", "");
    assert!(faults[0].contains("neverInjectSelectors"), "{faults:?}");
}

#[test]
fn rejects_an_invalid_selector() {
    let config = format!(
        "{TEMPLATES}neverInjectSelector: [{{matchExpressions: [{{key: a, operator: Near}}]}}]"
    );
    let faults = faults(&config, "", "");
    assert!(
        faults[0].starts_with("config: neverInjectSelector[0]: "),
        "{faults:?}"
    );
}

#[test]
fn rejects_default_templates_and_aliases_that_lead_nowhere() {
    let config = format!("{TEMPLATES}defaultTemplates: [sidcar]\naliases: {{all: [gatway]}}");
    assert_eq!(
        faults(&config, "", ""),
        [
            "config: aliases: there is no template \"gatway\"",
            "config: defaultTemplates: there is no template \"sidcar\"",
        ]
    );
}

#[test]
fn rejects_a_template_that_does_not_render_before_a_pod_needs_it() {
    let faults = faults(
        "templates: {sidecar: {metadata: {labels: {a: '{{ nmae }}'}}}}",
        "",
        "",
    );
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("config: templates.sidecar: metadata.labels.a: "),
        "{faults:?}"
    );
}

#[test]
fn rejects_a_template_that_does_not_render_to_a_pod() {
    let faults = faults(
        "templates: {sidecar: {spec: {containers: {name: istio-proxy}}}}",
        "",
        "",
    );
    assert!(
        faults[0].contains("spec.containers is an object, not a list"),
        "{faults:?}"
    );
}

#[test]
fn rejects_templates_that_no_api_server_would_take() {
    for (container, fault) in [
        (
            "ports: [{containerPort: abc}]",
            "spec.containers[0].ports[0].containerPort: ",
        ),
        (
            "resources: {limits: {cpu: lots}}",
            "spec.containers[0].resources.limits.cpu: ",
        ),
    ] {
        let config =
            format!("templates: {{sidecar: {{spec: {{containers: [{{name: a, {container}}}]}}}}}}");
        let faults = faults(&config, "", "");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].starts_with(&format!("config: templates.sidecar: {fault}")),
            "{faults:?}"
        );
    }
}

#[test]
fn rejects_annotations_that_no_pod_may_have() {
    let injected = format!("{TEMPLATES}injectedAnnotations: {{'a b': x}}");
    assert_eq!(faults(&injected, "", "").len(), 1);
    let template = "templates: {sidecar: {metadata: {annotations: {'a b': x}}}}";
    assert_eq!(faults(template, "", "").len(), 1);
}

#[test]
fn rejects_values_that_would_break_every_pod() {
    let values = "{global: {hub: '', imagePullPolicy: Sometimes, proxy: {logLevel: loud, includeIPRanges: foo, \
                  excludeInboundPorts: '80,http', resources: {requests: {cpu: lots}}}}}";
    let faults = faults(TEMPLATES, values, "");
    for (fault, key) in faults.iter().zip([
        "proxy.logLevel",
        "proxy.includeIPRanges",
        "proxy.excludeInboundPorts",
        "imagePullPolicy",
        "hub",
        "proxy.resources.requests.cpu",
    ]) {
        assert!(
            fault.starts_with(&format!("values: global.{key}: ")),
            "{fault}"
        );
    }
    assert_eq!(faults.len(), 6, "{faults:#?}");
}

#[test]
fn needs_no_hub_where_images_are_whole() {
    let values = "{global: {hub: '', tag: '', proxy: {image: a/b:1}, proxy_init: {image: a/b:1}}}";
    assert_eq!(faults(TEMPLATES, values, ""), [""; 0]);
}

#[test]
fn rejects_istios_go_templates_with_a_hint() {
    for line in [
        "{{- $x := .Values.global }}\n    spec:",
        "spec:\n      a: '{{ annotation .ObjectMeta `a` }}'",
    ] {
        let config = format!("templates:\n  sidecar: |\n    {line}\n      containers: []\n");
        let faults = faults(&config, "", "");
        assert!(faults[0].contains("Go template"), "{faults:?}");
    }
}

#[test]
fn rejects_features_that_pillion_does_not_have() {
    for values in [
        "{pilot: {cni: {enabled: true}}}",
        "{istio_cni: {enabled: true}}",
        "{global: {nativeNftables: true}}",
        "{global: {platform: openshift}}",
        "{global: {proxy: {privileged: true}}}",
        "{global: {nativeSidecars: sometimes}}",
    ] {
        assert_eq!(faults(TEMPLATES, values, "").len(), 1, "{values}");
    }
}
