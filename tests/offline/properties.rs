//! What holds for the injection of any pod.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use json_patch::Patch;
use pillion::webhook::review::{Context, review};
use pillion_grammar::pods;
use pillion_inject::{
    Injection, Refusal,
    test_util::{CONFIG, injection, patched},
    uninject,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value, json};

const LISTS: [&str; 2] = ["initContainers", "containers"];
const PROBES: [(&str, &str); 3] = [
    ("readinessProbe", "readyz"),
    ("livenessProbe", "livez"),
    ("startupProbe", "startupz"),
];
const HOOKS: [(&str, &str); 2] = [("preStop", "prestopz"), ("postStart", "poststartz")];

/// Injects a pod, and gives up on the case where two good annotations don't go
/// together (a scrape port that is the proxy's).
fn inject_any(pod: &Value, native: bool) -> Result<(Injection, Value), TestCaseError> {
    match injection(pod, native) {
        Ok(injection) => {
            let injected = patched(pod, &injection);
            Ok((injection, injected))
        }
        Err(refusal @ Refusal::InvalidAnnotations(_)) => {
            Err(TestCaseError::reject(refusal.to_string()))
        }
        Err(refusal) => Err(TestCaseError::fail(refusal.to_string())),
    }
}

/// The pod with fields in it that no version of Kubernetes knows.
fn with_made_up_fields(mut pod: Value) -> Value {
    fn visit(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(visit);
                members.insert("madeUp".to_owned(), json!({"deep": [1, {"x": null}]}));
            }
            Value::Array(elements) => elements.iter_mut().for_each(visit),
            _ => {}
        }
    }
    visit(&mut pod["spec"]);
    pod["metadata"]["madeUp"] = json!(["x"]);
    pod["madeUp"] = json!(null);
    pod
}

/// The patch that the webhook answers with, which reads only a part of the pod.
fn reviewed(pod: &Value, native: bool) -> Patch {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u", "namespace": "shop", "operation": "CREATE", "object": pod},
    });
    let context = Context {
        config: &CONFIG,
        cluster_has_native_sidecars: native,
        path_env: &[],
    };
    let answer = review(body.to_string().as_bytes(), &context);
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let patch = answer["response"]["patch"].as_str().expect("a patch");
    serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn is_injected(container: &Value) -> bool {
    ["istio-init", "istio-proxy"].contains(&name(container))
}

fn proxy_env(pod: &Value, variable: &str) -> Value {
    LISTS
        .iter()
        .flat_map(|list| array(&pod["spec"][*list]))
        .filter(|container| name(container) == "istio-proxy")
        .flat_map(|container| array(&container["env"]))
        .find(|env| name(env) == variable)
        .and_then(|env| serde_json::from_str(env["value"].as_str()?).ok())
        .unwrap_or_default()
}

/// A pod without all that an injection may add or edit: what is left has to be
/// the same before and after.
fn users_part(pod: &Value, original: &Value) -> Value {
    let mut pod = pod.clone();
    for map in ["labels", "annotations"] {
        let had = &original["metadata"][map];
        if let Some(entries) = pod["metadata"][map].as_object_mut() {
            entries.retain(|key, _| had.get(key).is_some() && !may_be_replaced(key));
        }
    }
    for list in ["volumes", "imagePullSecrets"] {
        let had: Vec<_> = array(&original["spec"][list]).iter().map(name).collect();
        if let Some(elements) = pod["spec"][list].as_array_mut() {
            elements.retain(|item| had.contains(&name(item)) && name(item) != "istio-data");
        }
    }
    if let Some(sysctls) = pod["spec"]["securityContext"]["sysctls"].as_array_mut() {
        sysctls.retain(|sysctl| name(sysctl) != "net.ipv4.ip_unprivileged_port_start");
    }
    for list in LISTS {
        if let Some(containers) = pod["spec"][list].as_array_mut() {
            containers.retain(|container| !is_injected(container));
            containers.iter_mut().for_each(|container| {
                handlers(container).for_each(|(_, handler)| {
                    ["httpGet", "tcpSocket", "grpc"].iter().for_each(|kind| {
                        handler.remove(*kind);
                    });
                });
            });
        }
    }
    without_empties(pod)
}

fn may_be_replaced(annotation: &str) -> bool {
    annotation.contains("prometheus")
        || ["istio.io/rev", "proxy.istio.io/overrides"].contains(&annotation)
}

/// A container's probes and hooks, each with the path that leads to it.
fn handlers(container: &mut Value) -> impl Iterator<Item = (String, &mut Map<String, Value>)> {
    let container_name = name(container).to_owned();
    let mut found = Vec::new();
    for (field, value) in container.as_object_mut().into_iter().flatten() {
        if let Some((_, segment)) = PROBES.iter().find(|(probe, _)| probe == field) {
            found.push((format!("/app-health/{container_name}/{segment}"), value));
        } else if field == "lifecycle" {
            for (hook, value) in value.as_object_mut().into_iter().flatten() {
                if let Some((_, segment)) = HOOKS.iter().find(|(known, _)| known == hook) {
                    found.push((format!("/app-lifecycle/{container_name}/{segment}"), value));
                }
            }
        }
    }
    found
        .into_iter()
        .filter_map(|(path, value)| Some((path, value.as_object_mut()?)))
}

fn without_empties(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, without_empties(member)))
            .filter(|(_, member)| {
                !member.is_null()
                    && member.as_object().is_none_or(|members| !members.is_empty())
                    && member
                        .as_array()
                        .is_none_or(|elements| !elements.is_empty())
            })
            .collect(),
        Value::Array(elements) => elements.into_iter().map(without_empties).collect(),
        scalar => scalar,
    }
}

/// Whether a step of the patch changes only what an injection may change: in the user's
/// containers, that is only probes and hooks.
fn touches_only_what_it_must(step: &Value, injected: &Value) -> bool {
    let path: Vec<_> = step["path"].as_str().unwrap().split('/').skip(1).collect();
    let adds = step["op"] == "add";
    match path.as_slice() {
        ["metadata", "labels" | "annotations"] => adds || step["op"] == "remove",
        ["metadata", "labels", _] => adds,
        ["metadata", "annotations", key] => adds || may_be_replaced(&key.replace("~1", "/")),
        [
            "spec",
            "containers" | "initContainers" | "volumes" | "imagePullSecrets",
            ..,
        ] if path.len() < 4 => true,
        [
            "spec",
            list @ ("containers" | "initContainers"),
            index,
            field,
            ..,
        ] => {
            *field == "lifecycle"
                || PROBES.iter().any(|(probe, _)| probe == field)
                || is_injected(&injected["spec"][*list][index.parse::<usize>().unwrap()])
        }
        // A volume of the name of ours.
        ["spec", "volumes", _, _, ..] | ["spec", "securityContext", ..] => true,
        _ => false,
    }
}

/// Whether a probe or hook does what the original does, itself or through the proxy.
fn asks_the_same(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    probers: &Value,
    ports: &Value,
) -> bool {
    if before == after {
        return true;
    }
    let prober = &probers[path];
    let through = &after["httpGet"];
    through["path"] == path
        && ["httpGet", "tcpSocket", "grpc"].iter().any(|kind| {
            let Some(mut original) = before.get(*kind).cloned() else {
                return false;
            };
            if let Some(port) = original["port"].as_str() {
                let named = array(ports)
                    .iter()
                    .find(|candidate| name(candidate) == port);
                original["port"] = named.expect("a port of that name")["containerPort"].clone();
            }
            prober[*kind] == original
        })
}

fn containers_with_handlers(pod: &Value) -> impl Iterator<Item = &Value> {
    LISTS
        .into_iter()
        .flat_map(|list| array(&pod["spec"][list]))
        .filter(|container| !is_injected(container))
}

/// Found by the property below: what an uninjection puts back had a part of a container
/// that a review reads in part.
#[test]
fn moves_the_users_own_init_container_past_the_others_and_not_them() {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "annotations": {"sidecar.istio.io/interceptionMode": "NONE"}},
        "spec": {
            "containers": [{"name": "app-a", "image": "app:1"}],
            "initContainers": [
                {
                    "name": "helper",
                    "image": "app:1",
                    "args": ["--serve"],
                    "livenessProbe": {"grpc": {"port": 17455}},
                    "restartPolicy": "Always",
                },
                {"name": "istio-init", "image": "my/init:1"},
            ],
        },
    });
    for native in [true, false] {
        let (injection, _) = inject_any(&pod, native).unwrap();
        assert_eq!(reviewed(&pod, native), injection.patch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keeps_all_that_is_the_users(pod in pods::pod(), native: bool) {
        let pod = with_made_up_fields(pod);
        let (injection, injected) = inject_any(&pod, native)?;
        prop_assert_eq!(users_part(&injected, &pod), users_part(&pod, &pod));
        let patch = serde_json::to_value(&injection.patch).unwrap();
        for step in array(&patch) {
            prop_assert!(touches_only_what_it_must(step, &injected), "{}", step);
        }
    }

    #[test]
    fn leads_probes_through_the_proxy_and_loses_none(pod in pods::pod(), native: bool) {
        let (_, injected) = inject_any(&pod, native)?;
        let probers = proxy_env(&injected, "ISTIO_KUBE_APP_PROBERS");
        let pairs = containers_with_handlers(&pod).zip(containers_with_handlers(&injected));
        for (before, after) in pairs {
            let ports = before["ports"].clone();
            let (mut before, mut after) = (before.clone(), after.clone());
            for ((path, before), (_, after)) in handlers(&mut before).zip(handlers(&mut after)) {
                prop_assert!(asks_the_same(&path, before, after, &probers, &ports), "{} {:?} {:?}", path, after, probers);
            }
        }
    }

    #[test]
    fn puts_one_proxy_in_a_pod_with_unique_names(pod in pods::pod(), native: bool) {
        let (_, injected) = inject_any(&pod, native)?;
        let mut names: Vec<_> = LISTS.iter().flat_map(|list| array(&injected["spec"][*list])).map(name).collect();
        prop_assert_eq!(names.iter().filter(|name| **name == "istio-proxy").count(), 1);
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), count);
    }

    #[test]
    fn reads_enough_of_the_pod_in_a_review(pod in pods::pod(), native: bool) {
        let pod = with_made_up_fields(pod);
        let (injection, _) = inject_any(&pod, native)?;
        prop_assert_eq!(reviewed(&pod, native), injection.patch);
    }

    #[test]
    fn refuses_a_second_injection(pod in pods::pod(), native: bool, native_now: bool) {
        let (_, injected) = inject_any(&pod, native)?;
        let refusal = injection(&injected, native_now).expect_err("refused");
        prop_assert_eq!(refusal.code(), 409, "{}", refusal);
    }

    #[test]
    fn comes_back_from_an_injection_as_it_was(pod in pods::pod(), native: bool, made_up: bool) {
        let pod = if made_up { with_made_up_fields(pod) } else { pod };
        let (_, injected) = inject_any(&pod, native)?;
        prop_assert_eq!(uninject(&injected), Ok(Some(pod)));
    }

    #[test]
    fn never_panics_on_a_pod_of_wrong_types(
        pod in pods::pod(),
        wrong in prop::sample::select(vec![json!(1), json!("x"), json!([1]), json!({"a": 1}), Value::Null]),
        place in any::<prop::sample::Index>(),
    ) {
        let mut pod = pod;
        let count = count(&pod);
        set(&mut pod, &mut place.index(count), &wrong);
        if let Ok(injection) = injection(&pod, true) {
            let injected = patched(&pod, &injection);
            prop_assert_eq!(uninject(&injected), Ok(Some(pod)));
        }
    }
}

fn children(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(elements) => elements.iter_mut().collect(),
        _ => Vec::new(),
    }
}

fn count(value: &Value) -> usize {
    let mut value = value.clone();
    1 + children(&mut value)
        .iter()
        .map(|child| count(child))
        .sum::<usize>()
}

/// Puts `wrong` in the place of the value of that number, counted from the top.
fn set(value: &mut Value, number: &mut usize, wrong: &Value) -> bool {
    if *number == 0 {
        *value = wrong.clone();
        return true;
    }
    *number -= 1;
    children(value)
        .into_iter()
        .any(|child| set(child, number, wrong))
}
