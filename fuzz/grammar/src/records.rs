//! Pods with made-up records of an injection.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::{
    large::Pod,
    text::{list, nested, quoted, repeated},
    words::TEXTS,
};

/// The maximum length of a record before it is quoted.
const MOST_RECORD: u32 = 19;

/// Generates a pod with records from bytes, as JSON. After the last byte, zeroes are used.
#[must_use]
pub fn pod(bytes: &[u8]) -> String {
    let mut bytes = Unstructured::new(bytes);
    fill(&mut bytes).unwrap_or_default().json()
}

fn fill(bytes: &mut Unstructured<'_>) -> Result<Pod> {
    let mut pod = Pod::default();
    let mut status = String::new();
    for key in [
        "containers",
        "initContainers",
        "volumes",
        "imagePullSecrets",
    ] {
        if bytes.arbitrary()? {
            let names = names(bytes)?;
            let _ = write!(status, r#""{key}":[{names}],"#);
        }
    }
    // Without these two, it is a record of Istio's.
    if bytes.arbitrary()? {
        let keys = names(bytes)?;
        let _ = write!(
            status,
            r#""labels":[{keys}],"annotations":[{keys},"proxy.istio.io/overrides"],"#
        );
    }
    if bytes.arbitrary()? {
        let _ = write!(status, r#""restore":[{}],"#, steps(bytes)?);
    }
    let status = format!(r#"{{{status}"revision":"default"}}"#);
    annotate(&mut pod, "sidecar.istio.io/status", &status);
    if bytes.arbitrary()? {
        let overrides = format!(
            r#"{{"containers":[{}],"initContainers":[{}]}}"#,
            containers(bytes)?,
            containers(bytes)?
        );
        annotate(&mut pod, "proxy.istio.io/overrides", &overrides);
    }
    pod.containers = format!(",{},{}", proxy(bytes)?, containers(bytes)?);
    for list in ["initContainers", "volumes", "imagePullSecrets"] {
        if bytes.arbitrary()? {
            let _ = write!(pod.spec, r#","{list}":[{}]"#, containers(bytes)?);
        }
    }
    Ok(pod)
}

fn budget(bytes: &mut Unstructured<'_>) -> Result<usize> {
    Ok(1 << bytes.int_in_range(2..=MOST_RECORD)?)
}

/// Names that elements of the lists have.
fn names(bytes: &mut Unstructured<'_>) -> Result<String> {
    let pattern = *bytes.choose(&["same", "n", "", "istio-proxy"])?;
    Ok(list(budget(bytes)?, |text, number| {
        let _ = match pattern {
            "n" => write!(text, r#""n{number}""#),
            other => write!(text, r#""{other}""#),
        };
    }))
}

fn containers(bytes: &mut Unstructured<'_>) -> Result<String> {
    let pattern = *bytes.choose(&["same", "n", "", "istio-proxy"])?;
    let more = *bytes.choose(&[
        "",
        r#","image":"i""#,
        r#","readinessProbe":{"httpGet":{"path":"/app-health/same/readyz","port":15020}}"#,
        r#","lifecycle":{"preStop":{"httpGet":{"path":"/app-lifecycle/same/prestopz"}}}"#,
        r#","restartPolicy":"Always""#,
    ])?;
    let budget = budget(bytes)?;
    Ok(list(budget, |text, number| {
        let _ = match pattern {
            "n" => write!(text, r#"{{"name":"n{number}"{more}}}"#),
            other => write!(text, r#"{{"name":"{other}"{more}}}"#),
        };
    }))
}

/// Generates the proxy's container, which records the app's original probes and annotations.
fn proxy(bytes: &mut Unstructured<'_>) -> Result<String> {
    let path = repeated("a", budget(bytes)?);
    let probers = match bytes.int_in_range(0..=2)? {
        0 => format!(r#"{{"/app-health/same/readyz":{{"httpGet":{{"path":"{path}","port":1}}}}}}"#),
        1 => nested(budget(bytes)? / 8, r#"{"a":"#, "0", "}"),
        _ => format!(
            r#"{{{}}}"#,
            list(budget(bytes)?, |text, number| {
                let _ = write!(
                    text,
                    r#""/app-health/n{number}/readyz":{{"tcpSocket":{{"port":1}}}}"#
                );
            })
        ),
    };
    let targets = list(budget(bytes)?, |text, _| {
        text.push_str(r#"{"port":"1","path":"/m"}"#)
    });
    let scrape = format!(r#"{{"scrape":"true","targets":[{targets}]}}"#);
    let arguments = bytes.choose(&[r#""proxy","router""#, r#""proxy","sidecar""#, ""])?;
    Ok(format!(
        r#"{{"name":"istio-proxy","image":"i","args":[{arguments}],"env":[{{"name":"ISTIO_KUBE_APP_PROBERS","value":{}}},{{"name":"ISTIO_PROMETHEUS_ANNOTATIONS","value":{}}}]}}"#,
        quoted(&probers),
        quoted(&scrape)
    ))
}

/// Generates operations of a made-up JSON Patch.
fn steps(bytes: &mut Unstructured<'_>) -> Result<String> {
    let operation = bytes.choose(&["add", "add", "remove", "replace", "test", "move", "copy"])?;
    let path = bytes.choose(&[
        "/spec/volumes/0",
        "/spec/volumes/-",
        "/spec/containers/0",
        "/spec/x",
        "/spec/containers",
        "/metadata/annotations",
        "/metadata",
        "",
        "/apiVersion",
    ])?;
    let value = match bytes.int_in_range(0..=2)? {
        0 => quoted(bytes.choose(TEXTS)?),
        1 => nested(bytes.int_in_range(1..=130)?, "[", "", "]"),
        _ => r#"{"name":"x"}"#.to_owned(),
    };
    let step = format!(r#"{{"op":"{operation}","path":"{path}","from":"/spec","value":{value}}}"#);
    Ok(list(budget(bytes)?, |text, _| text.push_str(&step)))
}

fn annotate(pod: &mut Pod, name: &str, text: &str) {
    let _ = write!(pod.annotations, ",{}:{}", quoted(name), quoted(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_pods_with_a_status() {
        for byte in 0..=255_u8 {
            let bytes: Vec<u8> = (0..60).map(|n: u8| n.wrapping_mul(31) ^ byte).collect();
            let text = pod(&bytes);
            let pod: serde_json::Value = serde_json::from_str(&text).expect("a pod in JSON");
            let status = &pod["metadata"]["annotations"]["sidecar.istio.io/status"];
            assert!(status.is_string());
            assert!(text.len() < 2 * crate::MAX_BYTES, "{}", text.len());
        }
    }
}
