//! Who this workload is, as the injector tells it.

use std::{collections::BTreeMap, net::IpAddr};

/// What metrics tell about one side of a request. What is empty is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Workload {
    /// Of the Deployment, CronJob, … that owns the pod.
    pub name: String,
    pub namespace: String,
    pub canonical_service: String,
    pub canonical_revision: String,
    /// The label `app`.
    pub app: String,
    /// The label `version`.
    pub version: String,
    /// The cluster's id, usually `Kubernetes`.
    pub cluster: String,
    /// The pod's.
    pub address: Option<IpAddr>,
}

/// A label longer than Kubernetes allows is not one.
const MAX_VALUE: usize = 253;

impl Workload {
    /// Reads the proxy's environment and the pod's labels as the downward API writes them
    /// into a file. Also says what can't be read.
    pub fn new(
        variable: impl Fn(&str) -> Option<String>,
        labels_file: Option<&str>,
    ) -> (Self, Vec<String>) {
        let mut remarks = Vec::new();
        let labels = labels(&variable, labels_file, &mut remarks);
        let label = |name: &str| labels.get(name).cloned();
        let mut value = |name: &str, found: Option<String>| {
            let found = found.unwrap_or_default();
            if found.len() <= MAX_VALUE {
                return found;
            }
            remarks.push(format!(
                "{name} has more than {MAX_VALUE} bytes; metrics say \"unknown\" instead"
            ));
            String::new()
        };
        let workload = Self {
            name: value(
                "ISTIO_META_WORKLOAD_NAME",
                variable("ISTIO_META_WORKLOAD_NAME"),
            ),
            namespace: value("POD_NAMESPACE", variable("POD_NAMESPACE")),
            canonical_service: value(
                "the canonical service",
                variable("CANONICAL_SERVICE").or_else(|| label("service.istio.io/canonical-name")),
            ),
            canonical_revision: value(
                "the canonical revision",
                variable("CANONICAL_REVISION")
                    .or_else(|| label("service.istio.io/canonical-revision")),
            ),
            app: value("the label app", label("app")),
            version: value("the label version", label("version")),
            cluster: value("ISTIO_META_CLUSTER_ID", variable("ISTIO_META_CLUSTER_ID")),
            address: variable("INSTANCE_IP").and_then(|text| text.parse().ok()),
        };
        (workload, remarks)
    }

    /// What tracing calls it, as in Istio: `APP.NAMESPACE`, of the label `app` or of who owns the pod.
    pub fn tracing_name(&self) -> String {
        let names = [self.app.as_str(), self.name.as_str()];
        let name = names.into_iter().find(|name| !name.is_empty());
        let name = name.unwrap_or("istio-proxy");
        match self.namespace.as_str() {
            "" => name.to_owned(),
            namespace => format!("{name}.{namespace}"),
        }
    }
}

/// The pod's labels: `ISTIO_METAJSON_LABELS`, or the file that the downward API writes.
pub(crate) fn labels(
    variable: &impl Fn(&str) -> Option<String>,
    file: Option<&str>,
    remarks: &mut Vec<String>,
) -> BTreeMap<String, String> {
    if let Some(text) = variable("ISTIO_METAJSON_LABELS").filter(|text| !text.is_empty()) {
        match serde_json::from_str(&text) {
            Ok(labels) => return labels,
            Err(error) => remarks.push(format!(
                "ISTIO_METAJSON_LABELS is not an object of strings ({error}); the pod's labels are read from its file instead"
            )),
        }
    }
    let lines = file.unwrap_or_default().lines();
    lines.filter_map(label).collect()
}

/// A line of the file: `name="value"`. A label's value has no character that would have to
/// be escaped.
fn label(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let value = value.strip_prefix('"')?.strip_suffix('"')?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], file: Option<&str>) -> (Workload, Vec<String>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Workload::new(variable, file)
    }

    const FILE: &str = "app=\"reviews\"\nservice.istio.io/canonical-name=\"reviews\"\n\
                        service.istio.io/canonical-revision=\"v1\"\nversion=\"v1\"\n";

    #[test]
    fn reads_what_the_injector_writes() {
        let variables = [
            ("ISTIO_META_WORKLOAD_NAME", "reviews-v1"),
            ("POD_NAMESPACE", "shop"),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            ("INSTANCE_IP", "10.0.0.9"),
        ];
        let (workload, remarks) = read(&variables, Some(FILE));
        let expected = Workload {
            name: "reviews-v1".into(),
            namespace: "shop".into(),
            canonical_service: "reviews".into(),
            canonical_revision: "v1".into(),
            app: "reviews".into(),
            version: "v1".into(),
            cluster: "Kubernetes".into(),
            address: "10.0.0.9".parse().ok(),
        };
        assert_eq!((workload, remarks), (expected, vec![]));
        assert_eq!(read(&[], None), (Workload::default(), vec![]));
    }

    #[test]
    fn tracing_calls_it_as_istio_does() {
        let named = |app: &str, name: &str, namespace: &str| Workload {
            app: app.into(),
            name: name.into(),
            namespace: namespace.into(),
            ..Workload::default()
        };
        let name = named("reviews", "reviews-v1", "shop").tracing_name();
        assert_eq!(name, "reviews.shop");
        let name = named("", "reviews-v1", "shop").tracing_name();
        assert_eq!(name, "reviews-v1.shop");
        assert_eq!(named("", "", "shop").tracing_name(), "istio-proxy.shop");
        assert_eq!(named("", "", "").tracing_name(), "istio-proxy");
    }

    #[test]
    fn variables_beat_the_file() {
        let variables = [
            ("CANONICAL_SERVICE", "web"),
            ("ISTIO_METAJSON_LABELS", r#"{"app": "web"}"#),
        ];
        let (workload, _) = read(&variables, Some(FILE));
        let texts = (
            workload.canonical_service,
            workload.app,
            workload.canonical_revision,
        );
        assert_eq!(texts, ("web".into(), "web".into(), String::new()));
    }

    #[test]
    fn says_what_can_not_be_read() {
        let variables = [("ISTIO_METAJSON_LABELS", "[]")];
        let (workload, remarks) = read(&variables, Some(FILE));
        assert_eq!(workload.app, "reviews");
        assert!(remarks[0].contains("from its file instead"), "{remarks:?}");
        let long = "x".repeat(254);
        let (workload, remarks) = read(&[("POD_NAMESPACE", &long)], None);
        assert_eq!(workload.namespace, "");
        assert!(remarks[0].starts_with("POD_NAMESPACE has more"));
    }
}
