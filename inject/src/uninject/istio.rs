//! Takes back what Istio's own injection does not record.
//!
//! Its record names containers and volumes, but no labels and annotations. Those
//! that its templates set are removed where they have the value that the
//! injection gives: a user who set the same meant the same.

use serde_json::Value;

use super::{
    editing::{drop_if_empty, remove_keys},
    handlers,
    proxy::Proxy,
};
use crate::{
    annotations::OVERRIDES, injection_record::InjectionRecord, pod, proxy_env, refusal::Refusal,
};

const UNPRIVILEGED_PORTS: &str = "net.ipv4.ip_unprivileged_port_start";

/// Takes back what the templates `sidecar` and `gateway` add besides what the
/// record lists. The containers are gone already.
pub(super) fn take_back(
    pod: &mut Value,
    record: &InjectionRecord,
    proxy: &Proxy,
    scrape_moved: bool,
) {
    let labels = labels(pod, proxy);
    let annotations = annotations(pod, record, proxy, scrape_moved);
    remove_keys(pod, "labels", &labels);
    remove_keys(pod, "annotations", &annotations);
    if proxy.is_gateway() {
        remove_sysctl(pod);
    }
}

fn labels(pod: &Value, proxy: &Proxy) -> Vec<&'static str> {
    let name = pod::first_label(pod, &["app.kubernetes.io/name", "app"])
        .or_else(|| proxy.env(proxy_env::WORKLOAD_NAME))
        .map(pod::label_value);
    let revision =
        pod::first_label(pod, &["app.kubernetes.io/version", "version"]).unwrap_or("latest");
    with_value(
        &pod["metadata"]["labels"],
        &[
            ("security.istio.io/tlsMode", Some("istio")),
            ("service.istio.io/canonical-name", name),
            ("service.istio.io/canonical-revision", Some(revision)),
        ],
    )
}

fn annotations(
    pod: &Value,
    record: &InjectionRecord,
    proxy: &Proxy,
    scrape_moved: bool,
) -> Vec<&'static str> {
    let revision = match record.revision.as_str() {
        "" => "default",
        revision => revision,
    };
    let first = pod::array(&pod["spec"]["containers"])
        .first()
        .map(pod::name);
    let present = &pod["metadata"]["annotations"];
    let mut injected = vec![OVERRIDES];
    injected.extend(with_value(
        present,
        &[
            ("istio.io/rev", Some(revision)),
            ("kubectl.kubernetes.io/default-container", first),
            ("kubectl.kubernetes.io/default-logs-container", first),
            (
                "prometheus.istio.io/secure-port",
                proxy.env("ENVOY_SECURE_MERGED_METRICS_PORT"),
            ),
        ],
    ));
    let is_merged = scrape_moved || present["prometheus.io/path"] == "/stats/prometheus";
    if is_merged {
        injected.extend([
            "prometheus.io/scrape",
            "prometheus.io/path",
            "prometheus.io/port",
        ]);
    }
    injected
}

/// The names that have the value that the injection gives them.
fn with_value(map: &Value, given: &[(&'static str, Option<&str>)]) -> Vec<&'static str> {
    given
        .iter()
        .filter(|(name, value)| value.is_some_and(|value| map[*name] == *value))
        .map(|(name, _)| *name)
        .collect()
}

/// Removes the sysctl with which the gateway template lets the proxy bind low ports.
fn remove_sysctl(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec") else {
        return;
    };
    let Some(context) = spec.get_mut("securityContext") else {
        return;
    };
    let Some(sysctls) = context.get_mut("sysctls").and_then(Value::as_array_mut) else {
        return;
    };
    sysctls.retain(|sysctl| pod::name(sysctl) != UNPRIVILEGED_PORTS || sysctl["value"] != "0");
    drop_if_empty(context, "sysctls");
    drop_if_empty(spec, "securityContext");
}

/// Refuses a pod with a probe that Istio did not record: one with a named port that
/// its container does not have.
///
/// # Errors
///
/// When there is such a probe.
pub(super) fn refuse_lost_handlers(undone: &Value) -> Result<(), Refusal> {
    let lost = handlers::led_through_the_proxy(undone);
    if lost.is_empty() {
        return Ok(());
    }
    Err(Refusal::InvalidPod(format!(
        "the injection did not record what it replaced in {}: set it by hand to what it was, then try again",
        lost.join(", ")
    )))
}
