//! No text of a pod becomes structure in what an injection adds.

use pillion_inject::{
    test_util::{injection, patched},
    uninject,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

type Wrap = fn(&str) -> String;

/// Annotations whose text goes into the pod or decides on it. Those with a
/// structure of their own are read as such, so a value stands inside of it.
const STEERING: [(&str, Wrap); 14] = [
    ("sidecar.istio.io/proxyImage", in_image),
    ("sidecar.istio.io/proxyImage", plain),
    ("sidecar.istio.io/proxyCPU", plain),
    ("sidecar.istio.io/logLevel", plain),
    ("sidecar.istio.io/componentLogLevel", plain),
    ("sidecar.istio.io/interceptionMode", plain),
    ("traffic.sidecar.istio.io/includeOutboundPorts", plain),
    ("traffic.sidecar.istio.io/excludeInterfaces", plain),
    ("status.sidecar.istio.io/port", plain),
    ("inject.istio.io/templates", plain),
    ("kubectl.kubernetes.io/default-container", plain),
    ("prometheus.io/path", plain),
    ("proxy.istio.io/config", in_proxy_config),
    ("sidecar.istio.io/userVolume", in_user_volume),
];

fn plain(text: &str) -> String {
    text.to_owned()
}

fn in_image(text: &str) -> String {
    format!("registry/{text}")
}

fn in_proxy_config(text: &str) -> String {
    json!({"proxyMetadata": {"A": text}}).to_string()
}

fn in_user_volume(text: &str) -> String {
    json!({ text: {"emptyDir": {}} }).to_string()
}

/// Text that would be more than text to a YAML, JSON or Jinja reader.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\"",
        "'",
        "\\",
        "\n",
        "\n  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "&a",
        "*a",
        "!!",
        "|",
        ">",
        "%",
        "@",
        "`",
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "~",
        "null",
        "true",
        "1",
        "privileged",
        "name",
        "values",
        "$if",
        "$splice",
        "---",
        "\u{2028}",
        "\u{0}",
        "\t",
        "\u{feff}",
        "a",
    ]);
    let snippets = prop::sample::select(vec![
        "\"\n          privileged: true\n          x: \"",
        "{{ values }}",
        "{% for x in range(9) %}a{% endfor %}",
        "x\", \"securityContext\": {\"privileged\": true}, \"y\": \"",
        "{\"$splice\": [1]}",
        "x, --privileged",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat()),
        snippets.prop_map(str::to_owned),
    ]
}

/// The value with every text emptied: what an annotation must not change.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), shape(member)))
            .collect(),
        Value::Array(elements) => elements.iter().map(shape).collect(),
        Value::String(_) => json!(""),
        scalar => scalar.clone(),
    }
}

fn steered(place: &[&str], text: &str) -> Value {
    let mut pod = json!({
        "metadata": {"generateName": "web-", "labels": {}, "annotations": {}},
        "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80, "name": "http"}],
            "readinessProbe": {"httpGet": {"port": 80, "path": "/"}}}]}
    });
    let mut target = &mut pod;
    for step in place {
        target = match step.parse::<usize>() {
            Ok(index) => &mut target[index],
            Err(_) => &mut target[*step],
        };
    }
    *target = json!(text);
    pod
}

/// The hostile text gives a pod of the same shape as a harmless one, or none.
fn assert_no_structure(
    place: &[&str],
    hostile: &str,
    harmless: &str,
    native: bool,
) -> Result<(), TestCaseError> {
    let pod = steered(place, hostile);
    match injection(&pod, native) {
        Ok(made) => {
            let expected = steered(place, harmless);
            let expected = patched(&expected, &injection(&expected, native).expect("harmless"));
            let injected = patched(&pod, &made);
            prop_assert_eq!(shape(&injected), shape(&expected));
            prop_assert_eq!(uninject(&injected), Ok(Some(pod)));
        }
        Err(refusal) => prop_assert_eq!(refusal.code(), 422, "{}", refusal),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn makes_no_structure_of_an_annotations_text(
        annotation in prop::sample::select(STEERING.to_vec()),
        text in hostile(),
        native: bool,
    ) {
        let (name, wrap) = annotation;
        let harmless = ["x", "1", "NONE", "sidecar", "debug"]
            .into_iter()
            .map(wrap)
            .find(|text| injection(&steered(&["metadata", "annotations", name], text), native).is_ok());
        let harmless = harmless.expect("a value that is accepted");
        assert_no_structure(&["metadata", "annotations", name], &wrap(&text), &harmless, native)?;
    }

    #[test]
    fn makes_no_structure_of_other_text_of_the_pod(
        place in prop::sample::select(vec![
            &["metadata", "labels", "app"][..],
            &["metadata", "labels", "version"],
            &["metadata", "labels", "service.istio.io/workload-name"],
            &["metadata", "labels", "security.istio.io/tlsMode"],
            &["metadata", "labels", "topology.istio.io/network"],
            &["metadata", "generateName"],
            &["metadata", "name"],
            &["spec", "containers", "0", "name"],
            &["spec", "containers", "0", "ports", "0", "name"],
            &["spec", "containers", "0", "readinessProbe", "httpGet", "path"],
            &["spec", "serviceAccountName"],
        ]),
        text in hostile(),
        native: bool,
    ) {
        assert_no_structure(place, &text, "http", native)?;
    }
}
