//! Generated containers.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fields::{always, choice, choice_of, maybe, number, object};

pub fn containers(mounts: Vec<&'static str>) -> BoxedStrategy<Value> {
    let apps = prop::collection::btree_set("[a-d]", 1..4).prop_flat_map({
        let mounts = mounts.clone();
        move |names| {
            let apps: Vec<_> = names
                .into_iter()
                .map(|name| container(&format!("app-{name}"), &mounts, true))
                .collect();
            apps.prop_shuffle()
        }
    });
    (
        apps,
        prop::option::weighted(0.3, own_proxy(mounts)),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(mut containers, proxy, place)| {
            if let Some(proxy) = proxy {
                containers.insert(place.index(containers.len() + 1), proxy);
            }
            Value::Array(containers)
        })
        .boxed()
}

pub fn init_containers(mounts: Vec<&'static str>) -> BoxedStrategy<Value> {
    let setup = container("setup", &mounts, false);
    let helper = container("helper", &mounts, true).prop_map(|mut helper| {
        helper["restartPolicy"] = json!("Always");
        helper
    });
    let own = object(vec![
        always("name", Just(json!("istio-init"))),
        always("image", choice(&["auto", "my/init:1"])),
        maybe("args", Just(json!(["my", "own"]))),
    ]);
    (
        prop::option::of(setup),
        prop::option::of(helper),
        prop::option::weighted(0.2, own),
    )
        .prop_map(|(setup, helper, own)| [setup, helper, own].into_iter().flatten().collect())
        .boxed()
}

fn container(name: &str, mounts: &[&'static str], runs_on: bool) -> BoxedStrategy<Value> {
    let name = json!(name);
    let mounts = mounts.to_vec();
    prop::collection::btree_map(1_u16..2000, any::<(bool, bool)>(), 0..4)
        .prop_flat_map(move |ports| {
            let named: Vec<Value> = ports
                .iter()
                .filter(|(_, (named, _))| *named)
                .map(|(number, _)| json!(format!("port-{number}")))
                .collect();
            let mut fields = vec![
                always("name", Just(name.clone())),
                always("image", choice(&["app:1", "registry.example/app@sha256:0"])),
                maybe("command", Just(json!(["sh", "-c"]))),
                maybe("args", Just(json!(["{{ x }}", ""]))),
                maybe("tty", Just(json!(true))),
                maybe("env", environment()),
                maybe("resources", resources()),
                maybe("ports", Just(ports.into_iter().map(port).collect())),
                maybe(
                    "volumeMounts",
                    Just(mounts.iter().map(|name| mount(name)).collect()),
                ),
                maybe("securityContext", Just(json!({"runAsUser": 1000}))),
            ];
            if runs_on {
                for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
                    fields.push(maybe(probe, self::probe(named.clone())));
                }
                fields.push(maybe("lifecycle", lifecycle(&named)));
            }
            object(fields)
        })
        .prop_map(|mut container| {
            // A named port in a probe has to be there.
            if container["ports"].is_null() {
                number_ports(&mut container);
            }
            container
        })
        .boxed()
}

/// The user's own part of the proxy.
fn own_proxy(mounts: Vec<&'static str>) -> BoxedStrategy<Value> {
    object(vec![
        always("name", Just(json!("istio-proxy"))),
        maybe("image", choice(&["auto", "my/proxy:1"])),
        maybe("args", Just(json!(["my", "own"]))),
        maybe("tty", Just(json!(true))),
        maybe("env", environment()),
        maybe("resources", resources()),
        maybe(
            "ports",
            Just(json!([{"containerPort": 15090, "name": "mine"}])),
        ),
        maybe(
            "volumeMounts",
            Just(mounts.into_iter().map(mount).collect()),
        ),
        maybe("livenessProbe", probe(Vec::new())),
        maybe("lifecycle", lifecycle(&[])),
        maybe(
            "securityContext",
            Just(json!({"runAsUser": 1234, "runAsGroup": 4321})),
        ),
    ])
}

fn port((number, (named, udp)): (u16, (bool, bool))) -> Value {
    let mut port = json!({"containerPort": number});
    if named {
        port["name"] = json!(format!("port-{number}"));
    }
    if udp {
        port["protocol"] = json!("UDP");
    }
    port
}

fn mount(volume: &str) -> Value {
    json!({"name": volume, "mountPath": format!("/mnt/{volume}")})
}

fn environment() -> BoxedStrategy<Value> {
    let source = prop_oneof![
        any::<String>().prop_map(|text| json!({"value": text.replace('\0', "")})),
        Just(json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})),
        Just(json!({})),
    ];
    prop::collection::vec(("(A|B|PROXY_CONFIG|ISTIO_[A-C])", source), 0..5)
        .prop_map(|variables| {
            variables
                .into_iter()
                .map(|(name, mut variable)| {
                    variable["name"] = json!(name);
                    variable
                })
                .collect()
        })
        .boxed()
}

fn resources() -> BoxedStrategy<Value> {
    choice_of(vec![
        json!({}),
        json!({"limits": {"cpu": "2", "memory": "1Gi"}}),
        json!({"requests": {"cpu": "10m"}}),
    ])
}

fn probe(named: Vec<Value>) -> BoxedStrategy<Value> {
    let handler = prop_oneof![
        exec(),
        http_get(&named),
        tcp_socket(&named),
        number(1..65535).prop_map(|port| json!({"grpc": {"port": port}})),
    ];
    let timings = object(vec![
        maybe("periodSeconds", number(1..60)),
        maybe("timeoutSeconds", number(1..60)),
        maybe("failureThreshold", number(1..60)),
        maybe("initialDelaySeconds", number(0..60)),
    ]);
    (handler, timings).prop_map(union).boxed()
}

fn lifecycle(named: &[Value]) -> BoxedStrategy<Value> {
    let hook = || {
        prop_oneof![
            exec(),
            http_get(named),
            tcp_socket(named),
            Just(json!({"sleep": {"seconds": 1}})),
        ]
    };
    object(vec![maybe("preStop", hook()), maybe("postStart", hook())])
}

fn exec() -> BoxedStrategy<Value> {
    Just(json!({"exec": {"command": ["true"]}})).boxed()
}

fn http_get(named: &[Value]) -> BoxedStrategy<Value> {
    object(vec![
        always("port", target_port(named)),
        maybe("path", choice(&["/", "/healthz?full=1"])),
        maybe("host", Just(json!("example.org"))),
        maybe("scheme", choice(&["HTTP", "HTTPS"])),
        maybe("httpHeaders", Just(json!([{"name": "X-A", "value": "b"}]))),
    ])
    .prop_map(|handler| json!({ "httpGet": handler }))
    .boxed()
}

fn tcp_socket(named: &[Value]) -> BoxedStrategy<Value> {
    object(vec![
        always("port", target_port(named)),
        maybe("host", Just(json!("10.0.0.1"))),
    ])
    .prop_map(|handler| json!({ "tcpSocket": handler }))
    .boxed()
}

fn target_port(named: &[Value]) -> BoxedStrategy<Value> {
    if named.is_empty() {
        number(1..65535)
    } else {
        prop_oneof![number(1..65535), prop::sample::select(named.to_vec())].boxed()
    }
}

fn number_ports(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), &member) {
                    ("port", Value::String(_)) => *member = json!(80),
                    _ => number_ports(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(number_ports),
        _ => {}
    }
}

fn union((handler, timings): (Value, Value)) -> Value {
    [handler, timings]
        .into_iter()
        .filter_map(|part| match part {
            Value::Object(members) => Some(members),
            _ => None,
        })
        .fold(Map::new(), |mut all, part| {
            all.extend(part);
            all
        })
        .into()
}
