//! The ConfigMaps, as the injector reads them.

use pillion_envtest::chart::VARIANTS;
use pillion_inject::{self as inject, Config, Outcome, Sources, Target};
use serde_json::{Value, json};

use super::objects::{of_kind, template};

/// The keys of the ConfigMaps of an installation.
struct Rendered {
    config: String,
    values: String,
    mesh: String,
}

impl Rendered {
    fn new(values: &[&str]) -> Self {
        let objects = template("istio-system", values);
        let key = |name: &str| {
            of_kind(&objects, "ConfigMap")
                .into_iter()
                .find_map(|map| map["data"][name].as_str())
                .unwrap_or_else(|| panic!("no key {name}"))
                .to_owned()
        };
        Self {
            config: key("config"),
            values: key("values"),
            mesh: key("mesh"),
        }
    }

    fn parse(&self) -> Config {
        Config::parse(&Sources {
            config: &self.config,
            values: &self.values,
            mesh: &self.mesh,
        })
        .unwrap_or_else(|error| panic!("{error}"))
    }
}

fn yaml(text: &str) -> Value {
    pillion_inject::yaml::parse(text).unwrap()
}

/// The injected pod.
fn inject(config: &Config) -> Value {
    let mut pod = json!({
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]},
    });
    let outcome = inject::inject(
        config,
        &Target {
            pod: &pod,
            namespace: "shop",
            workload: None,
            path_env: &[],
            cluster_has_native_sidecars: true,
        },
    );
    let Ok(Outcome::Injected(injection)) = outcome else {
        panic!("{outcome:?}");
    };
    json_patch::patch(&mut pod, &injection.patch).unwrap();
    pod
}

fn proxy(pod: &Value) -> &Value {
    pod["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|container| container["name"] == "istio-proxy")
        .unwrap()
}

#[test]
fn the_default_values_give_what_the_binary_has_built_in() {
    let rendered = Rendered::new(&[]);
    let builtin = Config::builtin_sources().unwrap();
    assert_eq!(yaml(&rendered.config), yaml(&builtin.config));
    assert_eq!(yaml(&rendered.mesh), yaml(&builtin.mesh));
    let mut values = yaml(&builtin.values);
    // The ConfigMap has the templates under the key config.
    values["sidecarInjectorWebhook"]
        .as_object_mut()
        .unwrap()
        .remove("templates");
    assert_eq!(yaml(&rendered.values), values);
    assert_eq!(
        inject(&rendered.parse()),
        inject(&Config::builtin().unwrap())
    );
}

#[test]
fn every_variant_is_a_configuration() {
    for values in VARIANTS {
        inject(&Rendered::new(values).parse());
    }
}

#[test]
fn values_reach_the_pod() {
    let rendered = Rendered::new(&[
        "--set",
        "global.hub=example.com/mesh,global.tag=1.2,global.proxy.logLevel=debug,global.meshID=m1",
        "--set",
        "global.proxy.resources.limits=null,global.proxy.excludeInboundPorts=9100",
    ]);
    let pod = inject(&rendered.parse());
    let proxy = proxy(&pod);
    assert_eq!(proxy["image"], "example.com/mesh/pillion-proxy:1.2");
    assert!(
        proxy["args"]
            .as_array()
            .unwrap()
            .contains(&json!("--log-level=debug"))
    );
    assert_eq!(
        proxy["resources"],
        json!({"requests": {"cpu": "10m", "memory": "32Mi"}})
    );
    let mesh_id = proxy["env"]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == "ISTIO_META_MESH_ID");
    assert_eq!(mesh_id.unwrap()["value"], "m1");
    let init = pod["spec"]["initContainers"][0]["args"].to_string();
    assert!(init.contains("9100"), "{init}");
}

/// `hack/image agent` makes the image: its entrypoint takes the proxy's arguments, and writes to one folder.
#[test]
fn a_stock_envoy_is_the_sidecar_by_its_image_alone() {
    let named = Rendered::new(&["--set", "global.proxy.image=pillion-agent"]);
    let pod = inject(&named.parse());
    let proxy = proxy(&pod);
    let image = format!(
        "docker.io/pillion/pillion-agent:{}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(proxy["image"], image);
    assert_eq!(proxy.get("command"), None);
    assert_eq!(proxy["args"][0], "sidecar");
    let data = json!({"name": "istio-data", "mountPath": "/var/lib/istio/data"});
    assert!(proxy["volumeMounts"].as_array().unwrap().contains(&data));

    let usual = inject(&Rendered::new(&[]).parse());
    let renamed = pod.to_string().replace("pillion-agent", "pillion-proxy");
    let renamed: Value = serde_json::from_str(&renamed).unwrap();
    assert_eq!(renamed, usual);
}

#[test]
fn the_control_plane_is_where_the_chart_is() {
    let objects = template("mesh", &[]);
    let values = of_kind(&objects, "ConfigMap")
        .into_iter()
        .find_map(|map| map["data"]["values"].as_str())
        .unwrap();
    assert_eq!(yaml(values)["global"]["istioNamespace"], "mesh");
}

#[test]
fn users_add_templates_and_replace_ours() {
    let text =
        "spec:\n  containers:\n    - name: istio-proxy\n      image: mine # {{ labels['app'] }}\n";
    let file = tempfile(&json!({"sidecarInjectorWebhook": {
        "templates": {"sidecar": text, "tree": {"metadata": {"labels": {"added": "yes"}}}},
        "defaultTemplates": ["sidecar", "tree"],
        "aliases": {"both": ["sidecar", "tree"]},
    }}));
    let rendered = Rendered::new(&["-f", file.to_str().unwrap()]);
    let templates = &yaml(&rendered.config)["templates"];
    assert_eq!(templates["sidecar"], text);
    assert_eq!(templates.as_object().unwrap().len(), 3);
    let pod = inject(&rendered.parse());
    assert_eq!(pod["metadata"]["labels"]["added"], "yes");
    let containers = pod["spec"]["containers"].to_string();
    assert!(containers.contains("mine"), "{containers}");
    std::fs::remove_file(file).unwrap();
}

/// A file of values. JSON is YAML.
fn tempfile(values: &Value) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("pillion-chart-{}.json", std::process::id()));
    std::fs::write(&path, values.to_string()).unwrap();
    path
}
