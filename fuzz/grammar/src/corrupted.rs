//! Valid pods that are corrupted, with bytes as instructions.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

use crate::words::{KEYS, TEXTS};

/// The maximum number of changes to a pod: with more, nearly all pods are refused only
/// because of their types.
const MOST_FAULTS: usize = 6;

/// Generates a pod from bytes. After the last byte, zeroes are used.
#[must_use]
pub fn pod(bytes: &[u8]) -> Value {
    let mut bytes = Unstructured::new(bytes);
    let mut pod = base(bytes.arbitrary().unwrap_or_default());
    // If the bytes run out, the pod so far is used.
    let _ = faults(&mut pod, &mut bytes);
    pod
}

/// Corrupts a pod, or any other value.
pub fn corrupt(pod: &mut Value, bytes: &[u8]) {
    let _ = faults(pod, &mut Unstructured::new(bytes));
}

fn faults(pod: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    let faults = bytes.int_in_range(0..=MOST_FAULTS)?;
    for _ in 0..faults {
        match bytes.int_in_range(0..=9)? {
            // Most of the users' input is in annotations.
            0..=4 => annotate(pod, bytes)?,
            5 => add_container(pod, bytes)?,
            6 | 7 => replace(pod, bytes)?,
            8 => remove(pod, bytes)?,
            _ => repeat(pod, bytes)?,
        }
    }
    Ok(())
}

fn base(which: u8) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-5d8f-",
            "labels": {"app": "web", "pod-template-hash": "5d8f"},
            "annotations": {"example.com/note": "kept"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f", "controller": true}],
        },
        "spec": {
            "containers": [{
                "name": "app",
                "image": "app:1",
                "ports": [{"name": "http", "containerPort": 8080}],
                "env": [{"name": "A", "value": "1"}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "unknownField": {"kept": [1, null, {}]},
        },
    });
    let spec = &mut pod["spec"];
    if which & 1 != 0 {
        spec["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"path": "/r", "port": "http"}});
        spec["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": 8080}});
        spec["containers"][0]["lifecycle"] =
            json!({"preStop": {"httpGet": {"path": "/s", "port": 8080}}});
    }
    if which & 2 != 0 {
        spec["initContainers"] = json!([
            {"name": "migrate", "image": "app:1"},
            {"name": "helper", "image": "helper:1", "restartPolicy": "Always"},
        ]);
    }
    if which & 4 != 0 {
        let proxy =
            json!({"name": "istio-proxy", "image": "auto", "resources": {"limits": {"cpu": "1"}}});
        push(&mut spec["containers"], proxy);
    }
    if which & 8 != 0 {
        spec["imagePullSecrets"] = json!([{"name": "mine"}]);
        spec["securityContext"] =
            json!({"runAsUser": 1000, "sysctls": [{"name": "net.core.somaxconn", "value": "1"}]});
    }
    if which & 16 != 0 {
        pod["metadata"]["annotations"]["inject.istio.io/templates"] = "gateway".into();
    }
    pod
}

fn annotate(pod: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    let list = *bytes.choose(&["annotations", "annotations", "annotations", "labels"])?;
    let (key, value) = ((*bytes.choose(KEYS)?).to_owned(), text(bytes)?);
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(map) = metadata
            .entry(list)
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        map.insert(key, value.into());
    }
    Ok(())
}

fn add_container(pod: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    let list = *bytes.choose(&["containers", "initContainers"])?;
    let container = json!({"name": text(bytes)?, "image": text(bytes)?});
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        push(spec.entry(list).or_insert_with(|| json!([])), container);
    }
    Ok(())
}

/// Replaces a value.
fn replace(pod: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    let place = place(pod, bytes)?;
    let value = value(bytes)?;
    if let Some(there) = pod.pointer_mut(&place) {
        *there = value;
    }
    Ok(())
}

/// Removes a field or an element.
fn remove(pod: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    let place = place(pod, bytes)?;
    let Some((parent, key)) = place.rsplit_once('/') else {
        return Ok(());
    };
    match pod.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(list)) => {
            if let Ok(index) = key.parse::<usize>()
                && index < list.len()
            {
                list.remove(index);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Duplicates an element of a list.
fn repeat(pod: &mut Value, bytes: &mut Unstructured<'_>) -> Result<()> {
    let place = place(pod, bytes)?;
    if let Some(list) = pod.pointer_mut(&place).and_then(Value::as_array_mut)
        && let Some(first) = list.first().cloned()
    {
        list.push(first);
    }
    Ok(())
}

/// Returns the JSON Pointer of any value in the pod except its root.
fn place(pod: &Value, bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut places = Vec::new();
    collect(pod, "", &mut places);
    if places.is_empty() {
        return Ok(String::new());
    }
    let index = bytes.int_in_range(0..=places.len() - 1)?;
    Ok(places.swap_remove(index))
}

fn collect(value: &Value, path: &str, places: &mut Vec<String>) {
    let mut visit = |key: &str, value: &Value| {
        let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        collect(value, &path, places);
        places.push(path);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| visit(key, value)),
        Value::Array(list) => (0..)
            .zip(list)
            .for_each(|(index, value): (usize, _)| visit(&index.to_string(), value)),
        _ => {}
    }
}

fn value(bytes: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=8)? {
        0 => Value::Null,
        1 => Value::Bool(bytes.arbitrary()?),
        2 => Value::from(bytes.arbitrary::<i32>()?),
        3 => Value::from(bytes.arbitrary::<u16>()?),
        4 => Value::Array(Vec::new()),
        5 => Value::Object(Map::new()),
        6 => json!([text(bytes)?]),
        _ => Value::String(text(bytes)?),
    })
}

/// Returns a text that has a meaning, or one from the bytes.
fn text(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(4, 5)? {
        return Ok((*bytes.choose(TEXTS)?).to_owned());
    }
    let length = bytes.int_in_range(0..=12)?;
    Ok(String::from_utf8_lossy(bytes.bytes(length)?).into_owned())
}

fn push(list: &mut Value, element: Value) {
    if let Value::Array(list) = list {
        list.push(element);
    }
}
