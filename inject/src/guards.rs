//! Guards against what makes an injection pointless: a pod that looks injected,
//! while its traffic is not captured, its proxy does not run as it should, or it
//! gets rights that are not meant for it.
//!
//! Istio permits all of this. The user is warned of each finding and it is counted;
//! where the chart's value `sidecarInjectorWebhook.guards.NAME` says so, the pod is
//! refused. Guards see what the pod declares, and not that an image has the proxy's
//! user or that a container runs as root.

mod containers;
mod proxy;
mod ranges;
mod traffic;

use serde_json::Value;

use crate::{
    config::Config, draft::Draft, findings::Findings, pod, refusal::Refusal, settings::Settings,
};

/// Looks at a pod whose annotations have been checked, and at what the templates
/// that it asks for add to it.
///
/// # Errors
///
/// [`Refusal::Guarded`] when a guard that refuses found something.
pub(crate) fn check(
    config: &Config,
    pod: &Value,
    settings: &Settings,
    template: &Draft,
) -> Result<Findings, Refusal> {
    let mut all = containers::find(pod, settings);
    all.extend(proxy::find(config, pod, settings));
    if pod::has_applications(pod) {
        all.extend(traffic::find(config, pod, settings, template));
    }
    let findings = Findings::new(all, |guard| config.values.guards.contains(guard));
    if findings.has_refused() {
        Err(Refusal::Guarded(findings))
    } else {
        Ok(findings)
    }
}
