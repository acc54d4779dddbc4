//! What Kubernetes and Linux bound in a pod, held to before anything is built of it.

use std::io;

use json_patch::Patch;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Refusal, annotations::OVERRIDES, annotations::STATUS, pod, status::Status};

/// Bytes of all annotations, keys and values (Kubernetes' `TotalAnnotationSizeLimitB`).
pub(super) const ANNOTATIONS: usize = 256 * 1024;

/// Bytes of an environment variable, its name and `=` included: Linux'
/// `MAX_ARG_STRLEN` without the byte that ends it.
const VARIABLE: usize = 128 * 1024 - 1;

/// The bytes of a pod's annotations, keys and values.
pub(super) fn of_annotations(annotations: &Value) -> usize {
    let annotations = annotations.as_object().into_iter().flatten();
    annotations
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum()
}

/// Checks that the pod with its injection is one that Kubernetes can create and
/// Linux can start. `ours` are the names of the injection's containers.
pub(super) fn check(edited: &Value, ours: &[String]) -> Result<(), Refusal> {
    let annotations = of_annotations(&edited["metadata"]["annotations"]);
    if annotations > ANNOTATIONS {
        return Err(Refusal::TooLarge(format!(
            "with those of the injection the pod's annotations have {annotations} bytes; Kubernetes allows {ANNOTATIONS}. \
             Shorten the pod's own"
        )));
    }
    for list in pod::CONTAINER_LISTS {
        let containers = pod::array(&edited["spec"][list]).iter();
        for container in
            containers.filter(|container| ours.iter().any(|name| name == pod::name(container)))
        {
            check_environment(container)?;
        }
    }
    Ok(())
}

fn check_environment(container: &Value) -> Result<(), Refusal> {
    for variable in pod::array(&container["env"]) {
        let value = variable["value"].as_str().unwrap_or_default();
        if pod::name(variable).len() + 1 + value.len() > VARIABLE {
            return Err(long_variable(pod::name(container), pod::name(variable)));
        }
    }
    Ok(())
}

fn long_variable(container: &str, variable: &str) -> Refusal {
    let start = pod::short(variable);
    Refusal::TooLarge(format!(
        "the environment variable {start} of container {container} would have more than {VARIABLE} bytes, with which Linux \
         starts no process; it is made of the pod's own containers, ports, probes and annotations: reduce them"
    ))
}

/// A JSON text for an environment variable of the proxy.
pub(super) fn variable(name: &str, value: &impl Serialize) -> Result<String, Refusal> {
    bounded(value, VARIABLE).ok_or_else(|| long_variable(pod::PROXY, name))
}

/// The annotation that records the user's part of the injected containers.
pub(super) fn overrides(parts: Map<String, Value>) -> Result<String, Refusal> {
    bounded(&parts, ANNOTATIONS).ok_or_else(|| {
        Refusal::TooLarge(format!(
            "the pod's own part of the containers that are injected is too large: it is recorded in the annotation \
             {OVERRIDES}, and Kubernetes allows {ANNOTATIONS} bytes of annotations. Reduce it"
        ))
    })
}

/// The annotation that records the injection.
pub(super) fn record(status: &Status) -> Result<String, Refusal> {
    bounded(status, ANNOTATIONS).ok_or_else(large_record)
}

/// Checks what will be a part of [`record`].
pub(super) fn check_record(rest: &Patch) -> Result<(), Refusal> {
    bounded(rest, ANNOTATIONS)
        .map(drop)
        .ok_or_else(large_record)
}

fn large_record() -> Refusal {
    Refusal::TooLarge(format!(
        "the injection changes too much of the pod: what it was before is recorded in the annotation {STATUS}, and \
         Kubernetes allows {ANNOTATIONS} bytes of annotations. Give the pod's containers and volumes other names than those of \
         the injection, and put an own istio-proxy container last"
    ))
}

/// A value as JSON; `None` where that is longer than `most` bytes, or where it has
/// no form in JSON (a name or a value of a pod always has).
fn bounded(value: &impl Serialize, most: usize) -> Option<String> {
    let mut text = Bounded {
        text: Vec::new(),
        most,
    };
    serde_json::to_writer(&mut text, value).ok()?;
    String::from_utf8(text.text).ok()
}

struct Bounded {
    text: Vec<u8>,
    most: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.text.len() + part.len() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejects_annotations_that_kubernetes_would_refuse() {
        let edited =
            |length: usize| json!({"metadata": {"annotations": {"a": "x".repeat(length - 1)}}});
        assert_eq!(check(&edited(ANNOTATIONS), &[]), Ok(()));
        let refusal = check(&edited(ANNOTATIONS + 1), &[]).unwrap_err();
        assert_eq!(refusal.code(), 413);
        assert!(refusal.to_string().contains("262145 bytes"), "{refusal}");
    }

    #[test]
    fn rejects_a_variable_that_linux_would_refuse() {
        let edited = |length: usize| {
            json!({"spec": {"initContainers": [{"name": "istio-proxy", "env": [{"name": "A", "value": "x".repeat(length - 2)}]},
                {"name": "app", "env": [{"name": "A", "value": "x".repeat(VARIABLE)}]}]}})
        };
        let ours = ["istio-proxy".to_owned()];
        assert_eq!(check(&edited(VARIABLE), &ours), Ok(()));
        let refusal = check(&edited(VARIABLE + 1), &ours).unwrap_err().to_string();
        assert!(
            refusal.contains("variable A of container istio-proxy"),
            "{refusal}"
        );
    }

    #[test]
    fn writes_json_up_to_a_length() {
        assert_eq!(bounded(&json!(["a"]), 5).as_deref(), Some("[\"a\"]"));
        assert_eq!(bounded(&json!(["a"]), 4), None);
    }
}
