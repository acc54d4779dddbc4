//! One scrape for the proxy's metrics and the app's.
//!
//! Prometheus reads one port a pod. It is pointed at the proxy, which adds to
//! its own metrics what it scrapes of the app as the app's annotations said.

use serde_json::{Map, Value, json};

use crate::{
    annotation_fault::AnnotationFault, annotations::SCRAPE_TARGETS, draft::Draft, pod, proxy_env,
    proxy_ports, quote, value_checks::parse_bool,
};

/// How many targets of one pod the proxy scrapes.
const MAX_TARGETS: usize = 64;

/// Points the scrape annotations at the proxy's status port.
pub(crate) fn merge(draft: &mut Draft, status_port: u16) -> Result<(), AnnotationFault> {
    if status_port == 0 || !draft.has_container(pod::PROXY) {
        return Ok(());
    }
    let found = |name| find(&draft.annotations, name);
    let (scrape, path, port) = (found("scrape"), found("path"), found("port"));
    if scrape
        .as_deref()
        .is_some_and(|scrape| parse_bool(scrape) != Some(true))
    {
        return Ok(());
    }
    if port.as_deref() == Some(status_port.to_string().as_str()) {
        return Ok(());
    }
    let targets = targets(&draft.annotations, status_port)?;
    let mut app = Map::new();
    app.extend(scrape.map(|scrape| ("scrape".to_owned(), json!(scrape))));
    app.extend(path.map(|path| ("path".to_owned(), json!(path))));
    if let Some(port) = port {
        check_port(&port, status_port)?;
        app.insert("port".to_owned(), json!(port));
    }
    if let Some(first) = targets.first() {
        for key in ["path", "port"] {
            app.entry(key).or_insert_with(|| first[key].clone());
        }
        app.insert("targets".to_owned(), Value::Array(targets));
        draft.annotations.remove(SCRAPE_TARGETS);
    }
    draft
        .annotations
        .retain(|name, _| !is_scrape_annotation(name));
    draft.annotate("prometheus.io/scrape", "true");
    draft.annotate("prometheus.io/path", "/stats/prometheus");
    draft.annotate("prometheus.io/port", status_port.to_string());
    if !app.is_empty()
        && let Some(proxy) = draft.container_mut(pod::PROXY)
    {
        let value = Value::Object(app).to_string();
        proxy_env::set(proxy, proxy_env::PROMETHEUS_ANNOTATIONS, &value);
    }
    Ok(())
}

/// The annotation's value, whichever separators its name has: `prometheus.io/port`,
/// `prometheus-io/port` and `prometheus.io.port` are the same to Prometheus, which
/// makes a label of the name.
fn find(annotations: &Map<String, Value>, name: &str) -> Option<String> {
    let (_, value) = annotations.iter().find(|(key, _)| is_scrape(key, name))?;
    Some(value.as_str()?.to_owned())
}

fn is_scrape_annotation(annotation: &str) -> bool {
    ["scrape", "path", "port"]
        .iter()
        .any(|name| is_scrape(annotation, name))
}

/// Whether an annotation comes to the label `prometheus_io_NAME`.
fn is_scrape(annotation: &str, name: &str) -> bool {
    let label = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    };
    let wanted = "prometheus_io_".chars().chain(name.chars());
    annotation.chars().map(label).eq(wanted)
}

/// `prometheus.istio.io/scrape-targets`: `8080:/metrics,9100:/x`.
fn targets(
    annotations: &Map<String, Value>,
    status_port: u16,
) -> Result<Vec<Value>, AnnotationFault> {
    let Some(list) = annotations.get(SCRAPE_TARGETS).and_then(Value::as_str) else {
        return Ok(Vec::new());
    };
    let list = list
        .split(',')
        .map(str::trim)
        .filter(|target| !target.is_empty());
    if list.clone().count() > MAX_TARGETS {
        let message = format!("{SCRAPE_TARGETS} names more than {MAX_TARGETS} targets");
        return Err(AnnotationFault::Scrape(message));
    }
    list.map(|target| {
        let (port, path) = target.split_once(':').unwrap_or((target, "/metrics"));
        check_port(port, status_port)?;
        Ok(json!({"port": port, "path": path}))
    })
    .collect()
}

fn check_port(port: &str, status_port: u16) -> Result<(), AnnotationFault> {
    let refuse = |why: String| Err(AnnotationFault::Scrape(why));
    let Ok(number) = port.parse::<u16>() else {
        return refuse(format!("{:?} is not a port (0–65535)", quote::start(port)));
    };
    if number == status_port {
        return refuse(format!("port {number} is the proxy's status port"));
    }
    match proxy_ports::purpose(number) {
        Some(purpose) => refuse(format!(
            "port {number} is reserved for the proxy ({purpose})"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(annotations: Value) -> Result<(Value, Value), String> {
        let mut draft = Draft::new(json!({"metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": "istio-proxy"}]}}));
        merge(&mut draft, 15020).map_err(|fault| fault.to_string())?;
        let env = pod::array(&draft.containers[0]["env"])
            .first()
            .map_or(Value::Null, |env| {
                serde_json::from_str(env["value"].as_str().unwrap()).unwrap()
            });
        Ok((Value::Object(draft.annotations), env))
    }

    fn ours() -> Value {
        json!({"prometheus.io/scrape": "true", "prometheus.io/path": "/stats/prometheus", "prometheus.io/port": "15020"})
    }

    #[test]
    fn a_pod_that_says_nothing_is_scraped_at_the_proxy() {
        assert_eq!(merged(json!({})), Ok((ours(), Value::Null)));
    }

    #[test]
    fn the_apps_annotations_go_to_the_proxy_in_any_spelling() {
        let got = merged(
            json!({"prometheus.io.scrape": "true", "prometheus-io/port": "8080", "prometheus.io/path": "/m"}),
        );
        assert_eq!(
            got,
            Ok((
                ours(),
                json!({"scrape": "true", "port": "8080", "path": "/m"})
            ))
        );
    }

    #[test]
    fn a_pod_that_refuses_scraping_stays_as_it_is() {
        let annotations = json!({"prometheus.io/scrape": "false", "prometheus.io/port": "8080"});
        assert_eq!(merged(annotations.clone()), Ok((annotations, Value::Null)));
    }

    #[test]
    fn several_targets_go_to_the_proxy_and_the_first_stands_for_all() {
        let (annotations, env) = merged(json!({SCRAPE_TARGETS: "8080:/metrics, 9100:/x"})).unwrap();
        assert_eq!(annotations, ours());
        assert_eq!(
            env,
            json!({"path": "/metrics", "port": "8080",
                   "targets": [{"port": "8080", "path": "/metrics"}, {"port": "9100", "path": "/x"}]})
        );
    }

    #[test]
    fn rejects_more_targets_than_a_proxy_scrapes() {
        let targets = |count| vec!["80"; count].join(",");
        assert!(merged(json!({SCRAPE_TARGETS: targets(64)})).is_ok());
        let error = merged(json!({SCRAPE_TARGETS: targets(65)})).unwrap_err();
        assert!(error.contains("more than 64 targets"), "{error}");
    }

    #[test]
    fn rejects_what_is_not_a_port_and_the_proxys_own_ports() {
        assert!(
            merged(json!({"prometheus.io/port": "http"}))
                .unwrap_err()
                .contains("\"http\" is not a port")
        );
        assert!(
            merged(json!({"prometheus.io/port": "15090"}))
                .unwrap_err()
                .contains("15090 is reserved")
        );
        assert!(
            merged(json!({SCRAPE_TARGETS: "15020:/x"}))
                .unwrap_err()
                .contains("status port")
        );
    }
}
