//! Pods of up to [`MAX_BYTES`] bytes, of which a few parts are large.
//!
//! They are generated as text: the tree of such a pod would take far more memory and time
//! than the code under test, and could not contain duplicate keys.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

use crate::{
    MAX_BYTES, annotations,
    text::{list, nested, quoted, repeated},
    words::{KEYS, TEXTS},
};

/// The maximum number of large parts in a pod.
const MAX_BYTES_PARTS: usize = 5;

/// Additional parts of a minimal pod. Each text begins with a comma, or is empty.
#[derive(Debug, Default)]
pub struct Pod {
    /// Members of the pod.
    pub members: String,
    /// Members of `metadata`.
    pub metadata: String,
    /// Labels.
    pub labels: String,
    /// Annotations.
    pub annotations: String,
    /// Members of `spec`.
    pub spec: String,
    /// Members of the minimal pod's container.
    pub container: String,
    /// Further containers.
    pub containers: String,
}

impl Pod {
    /// Returns the pod as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let Self {
            members,
            metadata,
            labels,
            annotations,
            spec,
            container,
            containers,
        } = self;
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"generateName":"web-","labels":{{"app":"web"{labels}}},"annotations":{{"example.com/note":"kept"{annotations}}}{metadata}}},"spec":{{"containers":[{{"name":"app","image":"app:1"{container}}}{containers}]{spec}}}{members}}}"#
        )
    }

    /// Returns its approximate length as JSON.
    fn len(&self) -> usize {
        let parts = [
            &self.members,
            &self.metadata,
            &self.labels,
            &self.annotations,
            &self.spec,
            &self.container,
            &self.containers,
        ];
        parts.into_iter().map(String::len).sum()
    }
}

/// Generates a pod from bytes, as JSON. After the last byte, zeroes are used.
#[must_use]
pub fn pod(bytes: &[u8]) -> String {
    let mut bytes = Unstructured::new(bytes);
    let mut pod = Pod::default();
    // If the bytes run out, the pod so far is valid.
    let _ = grow(&mut pod, &mut bytes);
    pod.json()
}

fn grow(pod: &mut Pod, bytes: &mut Unstructured<'_>) -> Result<()> {
    let parts = bytes.int_in_range(1..=MAX_BYTES_PARTS)?;
    for _ in 0..parts {
        let left = MAX_BYTES.saturating_sub(pod.len() + 1024);
        let budget = (1_usize << bytes.int_in_range(4..=21)?).min(left);
        // Escaping may double the length of a quoted text.
        part(pod, budget, bytes)?;
    }
    Ok(())
}

fn part(pod: &mut Pod, budget: usize, bytes: &mut Unstructured<'_>) -> Result<()> {
    let list_in = |parent: &mut String, name: &str, bytes: &mut Unstructured<'_>| {
        let elements = elements(budget, bytes)?;
        let _ = write!(parent, r#","{name}":[{elements}]"#);
        Ok(())
    };
    match bytes.int_in_range(0..=18)? {
        0 => pod.labels += &members(budget, bytes)?,
        1 => pod.annotations += &members(budget, bytes)?,
        2..=5 => pod.annotations += &annotation(budget, bytes)?,
        6 => list_in(&mut pod.metadata, "ownerReferences", bytes)?,
        7 => list_in(&mut pod.metadata, "managedFields", bytes)?,
        8 => {
            pod.containers.push(',');
            pod.containers += &elements(budget, bytes)?;
        }
        9 => list_in(&mut pod.spec, "initContainers", bytes)?,
        10 => list_in(&mut pod.spec, "volumes", bytes)?,
        11 => list_in(&mut pod.spec, "imagePullSecrets", bytes)?,
        12 => list_in(&mut pod.container, "env", bytes)?,
        13 => list_in(&mut pod.container, "ports", bytes)?,
        14 => list_in(&mut pod.container, "volumeMounts", bytes)?,
        15 => pod.container += &probes(budget, bytes)?,
        16 => {
            let name = *bytes.choose(&["ephemeralContainers", "tolerations", "unknown"])?;
            list_in(&mut pod.spec, name, bytes)?;
        }
        17 => {
            let name = *bytes.choose(&["args", "command", "envFrom", "unknown"])?;
            list_in(&mut pod.container, name, bytes)?;
        }
        _ => pod.members += &members(budget, bytes)?,
    }
    Ok(())
}

/// The names of a list's elements.
#[derive(Clone, Copy)]
enum Names {
    Empty,
    Same,
    Distinct,
    OfTheInjection,
    Missing,
}

const NAMES: [Names; 5] = [
    Names::Empty,
    Names::Same,
    Names::Distinct,
    Names::OfTheInjection,
    Names::Missing,
];

/// Names that the injection uses.
const OWN_NAMES: [&str; 8] = [
    "istio-proxy",
    "istio-init",
    "istio-validation",
    "workload-socket",
    "istio-token",
    "istiod-ca-cert",
    "istio-envoy",
    "ISTIO_META_POD_PORTS",
];

impl Names {
    fn write(self, text: &mut String, number: usize) {
        let _ = match self {
            Self::Empty => write!(text, r#""name":"""#),
            Self::Same => write!(text, r#""name":"same""#),
            Self::Distinct => write!(text, r#""name":"n{number}""#),
            Self::OfTheInjection => {
                write!(text, r#""name":"{}""#, OWN_NAMES[number % OWN_NAMES.len()])
            }
            Self::Missing => Ok(()),
        };
    }
}

fn elements(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    let names = *bytes.choose(&NAMES)?;
    let more = match bytes.int_in_range(0..=7)? {
        0..=2 => String::new(),
        3 => r#""value":"1""#.to_owned(),
        4 => format!(
            r#""x":"{}""#,
            escapes(budget.min(1 << bytes.int_in_range(1..=18)?), bytes)?
        ),
        5 => format!(r#""x":{}"#, deep(bytes)?),
        6 => format!(
            r#""x":{{{}}}"#,
            list(1 << bytes.int_in_range(1..=16)?, |text, number| {
                let _ = write!(text, r#""{number}":0"#);
            })
        ),
        _ => {
            let wrong = bytes.choose(&["0", "null", r#""""#, "[]", "{}"])?;
            return Ok(list(budget, |text, _| text.push_str(wrong)));
        }
    };
    Ok(list(budget, |text, number| {
        text.push('{');
        names.write(text, number);
        if !matches!(names, Names::Missing) && !more.is_empty() {
            text.push(',');
        }
        text.push_str(&more);
        text.push('}');
    }))
}

/// Generates members of a mapping of strings, with a leading comma.
fn members(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    let value = *bytes.choose(TEXTS)?;
    let value = quoted(value);
    let same = bytes.ratio(1, 4)?;
    let members = list(budget, |text, number| {
        let number = if same { 0 } else { number };
        let _ = write!(text, r#""example.com/{number}":{value}"#);
    });
    Ok(format!(",{members}"))
}

/// Generates an annotation with a large text, with a leading comma.
fn annotation(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    let key = *bytes.choose(KEYS)?;
    let shape = usize::from(bytes.arbitrary::<u8>()?);
    let text = match annotations::SHAPES.get(shape % (annotations::SHAPES.len() + 2)) {
        // A quarter, because escaping may double it twice.
        Some(shape) => quoted(&shape(budget / 4)),
        None => format!(r#""{}""#, escapes(budget, bytes)?),
    };
    Ok(format!(r#",{}:{text}"#, quoted(key)))
}

/// Generates a list of ports, and probes and hooks that use the last one.
fn probes(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    let kind = *bytes.choose(&["httpGet", "tcpSocket", "grpc", "exec"])?;
    let path = escapes(1 << bytes.int_in_range(1..=16)?, bytes)?;
    let mut count = 0;
    let ports = list(budget, |text, number| {
        count = number;
        let _ = write!(
            text,
            r#"{{"name":"p{number}","containerPort":{}}}"#,
            number % 65536
        );
    });
    let handler = format!(r#"{{"{kind}":{{"port":"p{count}","path":"{path}"}}}}"#);
    Ok(format!(
        r#","ports":[{ports}],"readinessProbe":{handler},"livenessProbe":{handler},"startupProbe":{handler},"lifecycle":{{"preStop":{handler},"postStart":{handler}}}"#
    ))
}

/// Generates the contents of a JSON string that is longer escaped than unescaped, or vice versa.
fn escapes(budget: usize, bytes: &mut Unstructured<'_>) -> Result<String> {
    let unit = bytes.choose(&[
        "a",
        r#"\""#,
        r"\\",
        r"\u0000",
        r"\u001b",
        r"\ud83d\ude00",
        "é",
        "\u{202e}",
        ",",
        r"\n",
        "{",
        "<",
    ])?;
    Ok(repeated(unit, budget))
}

/// Generates a value nested as deeply as the JSON parser allows, or deeper.
fn deep(bytes: &mut Unstructured<'_>) -> Result<String> {
    let depth = bytes.int_in_range(1..=140)?;
    Ok(if bytes.arbitrary()? {
        nested(depth, "[", "", "]")
    } else {
        nested(depth, r#"{"a":"#, "0", "}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests fixed bytes of each kind, without a fuzzer.
    fn some_bytes() -> impl Iterator<Item = Vec<u8>> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        (0..100).map(move |_| {
            (0..64)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_be_bytes()[0]
                })
                .collect()
        })
    }

    #[test]
    fn makes_large_pods_of_few_bytes() {
        let lengths: Vec<usize> = some_bytes().map(|bytes| pod(&bytes).len()).collect();
        let (small, large) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
        assert!(*small < 5_000, "{small}");
        assert!(
            (MAX_BYTES / 3..MAX_BYTES + MAX_BYTES / 8).contains(large),
            "{large}"
        );
    }

    #[test]
    fn makes_json_but_for_what_is_nested_too_deep() {
        let mut read = 0;
        for bytes in some_bytes() {
            match serde_json::from_str::<serde_json::Value>(&pod(&bytes)) {
                Ok(_) => read += 1,
                Err(error) => assert!(error.to_string().contains("recursion"), "{error}"),
            }
        }
        assert!(read > 60, "{read}");
    }
}
