//! The configurations for reviewing pods.

use std::sync::LazyLock;

use pillion_inject::{Config, Sources, yaml};
use serde_json::{Value, json};

/// The built-in configuration, one with classic sidecars, one with several templates, and
/// one that injects only by its selectors.
pub(crate) static ALL: LazyLock<[Config; 4]> =
    LazyLock::new(|| [builtin(), classic(), several_templates(), by_selectors()]);

pub(crate) fn builtin() -> Config {
    Config::builtin().expect("the built-in configuration")
}

fn classic() -> Config {
    changed(|config, values| {
        config["injectedAnnotations"] =
            json!({"example.com/injected": "yes", "example.com/note": "theirs"});
        values["global"]["nativeSidecars"] = json!("false");
        values["global"]["network"] = json!("net-1");
        values["global"]["imagePullSecrets"] = json!(["registry", "mine"]);
        values["global"]["proxy"]["holdApplicationUntilProxyStarts"] = json!(true);
    })
}

fn several_templates() -> Config {
    changed(|config, _| {
        config["templates"]["custom"] = json!({
            "metadata": {"labels": {"custom": "{{ canonicalName }}"}, "annotations": {"example.com/all": "{{ appContainers }}"}},
            "spec": {
                "containers": [
                    {"name": "istio-proxy", "env": [{"name": "OWNER", "value": "{{ workload.owner }}"}]},
                    {"name": "app", "env": [{"name": "ADDED", "value": "{{ namespace }}"}]},
                    {"name": "helper", "image": "helper:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
                ],
                "initContainers": [{"name": "early", "image": "early:1"}],
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "more", "$if": "native", "emptyDir": {}}],
                "imagePullSecrets": [{"name": "mine"}],
                "tolerations": [{"$splice": "[{'key': revision}]"}],
            },
        });
        config["defaultTemplates"] = json!(["both"]);
        config["aliases"] = json!({"both": ["sidecar", "custom", "custom"]});
    })
}

fn by_selectors() -> Config {
    changed(|config, _| {
        config["policy"] = json!("disabled");
        config["alwaysInjectSelector"] = json!([
            {"matchLabels": {"app": "web"}},
            {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a", "b"]}]},
        ]);
        config["neverInjectSelector"] =
            json!([{"matchExpressions": [{"key": "never", "operator": "Exists"}]}]);
    })
}

/// The built-in configuration with changes to its keys `config` and `values`.
fn changed(change: impl FnOnce(&mut Value, &mut Value)) -> Config {
    let sources = Config::builtin_sources().expect("the built-in configuration");
    let read = |text: &str| yaml::parse(text).expect("the built-in configuration");
    let (mut config, mut values) = (read(&sources.config), read(&sources.values));
    change(&mut config, &mut values);
    Config::parse(&Sources {
        config: &config.to_string(),
        values: &values.to_string(),
        mesh: &sources.mesh,
    })
    .expect("the changed configuration")
}
