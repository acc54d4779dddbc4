//! Limits that Kubernetes and Linux set, checked before a pod reaches them.

use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::{
    annotations::{OVERRIDES, STATUS},
    pod, quote,
    refusal::Refusal,
};

/// Bytes of all annotations, keys and values (Kubernetes' `TotalAnnotationSizeLimitB`).
pub(crate) const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Bytes of an environment variable, its name and `=` included: Linux'
/// `MAX_ARG_STRLEN` without the byte that ends it.
const MAX_VARIABLE: usize = 128 * 1024 - 1;

/// The bytes of a pod's annotations, keys and values.
pub(crate) fn annotations(annotations: &Value) -> usize {
    let annotations = annotations.as_object().into_iter().flatten();
    annotations
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum()
}

/// Checks that the pod with its injection is one that Kubernetes can create and
/// Linux can start. `own_containers` names the injection's.
pub(crate) fn check(edited: &Value, own_containers: &[String]) -> Result<(), Refusal> {
    let annotations = annotations(&edited["metadata"]["annotations"]);
    if annotations > MAX_ANNOTATIONS {
        return Err(Refusal::TooLarge(format!(
            "the pod's annotations with those of the injection have {annotations} bytes; Kubernetes allows {MAX_ANNOTATIONS}. \
             Shorten the pod's own"
        )));
    }
    pod::containers(edited)
        .filter(|container| {
            own_containers
                .iter()
                .any(|name| name == pod::name(container))
        })
        .try_for_each(check_environment)
}

fn check_environment(container: &Value) -> Result<(), Refusal> {
    for variable in pod::array(&container["env"]) {
        let value = variable["value"].as_str().unwrap_or_default();
        if pod::name(variable).len() + 1 + value.len() > MAX_VARIABLE {
            return Err(long_variable(pod::name(container), pod::name(variable)));
        }
    }
    Ok(())
}

fn long_variable(container: &str, variable: &str) -> Refusal {
    let start = quote::start(variable);
    Refusal::TooLarge(format!(
        "the environment variable {start} of container {container} would have more than {MAX_VARIABLE} bytes, and Linux \
         starts no process with such a variable; it is made of the pod's own containers, ports, probes and annotations: reduce them"
    ))
}

/// A JSON text for an environment variable of the proxy.
pub(crate) fn variable(name: &str, value: &impl Serialize) -> Result<String, Refusal> {
    bounded(value, MAX_VARIABLE).ok_or_else(|| long_variable(pod::PROXY, name))
}

/// The annotation that records the user's part of the injected containers.
pub(crate) fn overrides(parts: &impl Serialize) -> Result<String, Refusal> {
    bounded(parts, MAX_ANNOTATIONS).ok_or_else(|| {
        Refusal::TooLarge(format!(
            "the pod's own part of the injected containers is too large: it is recorded in the annotation {OVERRIDES}, and Kubernetes allows {MAX_ANNOTATIONS} bytes of annotations. Reduce it"
        ))
    })
}

/// The annotation that records the injection.
pub(crate) fn record(record: &impl Serialize) -> Result<String, Refusal> {
    bounded(record, MAX_ANNOTATIONS).ok_or_else(large_record)
}

/// Checks a part of what will be given to [`record`].
pub(crate) fn check_record(part: &impl Serialize) -> Result<(), Refusal> {
    bounded(part, MAX_ANNOTATIONS)
        .map(drop)
        .ok_or_else(large_record)
}

fn large_record() -> Refusal {
    Refusal::TooLarge(format!(
        "the injection changes too much of the pod: what it was before is recorded in the annotation {STATUS}, and \
         Kubernetes allows {MAX_ANNOTATIONS} bytes of annotations. Give the pod's containers and volumes other names than those of \
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
        assert_eq!(check(&edited(MAX_ANNOTATIONS), &[]), Ok(()));
        let refusal = check(&edited(MAX_ANNOTATIONS + 1), &[]).unwrap_err();
        assert_eq!(refusal.code(), 413);
        assert!(refusal.to_string().contains("262145 bytes"), "{refusal}");
    }

    #[test]
    fn rejects_a_variable_that_linux_would_refuse() {
        let edited = |length: usize| {
            json!({"spec": {"initContainers": [{"name": "istio-proxy", "env": [{"name": "A", "value": "x".repeat(length - 2)}]},
                {"name": "app", "env": [{"name": "A", "value": "x".repeat(MAX_VARIABLE)}]}]}})
        };
        let ours = ["istio-proxy".to_owned()];
        assert_eq!(check(&edited(MAX_VARIABLE), &ours), Ok(()));
        let refusal = check(&edited(MAX_VARIABLE + 1), &ours)
            .unwrap_err()
            .to_string();
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
