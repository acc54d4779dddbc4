//! A pod in, a JSON Patch out.
//!
//! Pure: no I/O, no clock, no Kubernetes client. The pod stays the raw JSON
//! that the API server sent, so that fields which Pillion does not know survive.

mod annotations;
mod capture;
mod checks;
mod config;
mod context;
mod decision;
mod draft;
mod guards;
mod merge;
mod order;
mod outcome;
mod overlay;
mod patch;
mod pipeline;
mod pod;
mod previous;
mod probes;
mod prometheus;
mod proxy_ports;
mod quantity;
mod reading;
mod settings;
mod sizes;
mod status;
mod steps;
mod template;
mod uninject;
mod validity;
mod workload;

pub(crate) use annotations::{PROXY_CONFIG as YAML_ANNOTATION, STATUS};
pub use config::{Builtin, Config, ConfigError, NativeSidecars, Sources};
pub use decision::SkipReason;
pub use guards::{Action, Bypass, Findings, Guard};
pub use outcome::{Injection, Outcome, Refusal};
pub(crate) use reading::PodPlan;
pub use uninject::uninject;

use serde_json::Value;

/// One pod to look at, and what is known of it besides its own text.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The pod: an object with `metadata` and `spec`. Its `metadata.namespace`
    /// may be missing, as it is in an admission review.
    pub pod: &'a Value,
    /// The namespace the pod is created in.
    pub namespace: &'a str,
    /// The workload that the pod belongs to, where the caller knows it
    /// (`kube-inject` does); otherwise it is read from the owner references.
    pub workload: Option<&'a Workload>,
    /// Environment for the proxy from the webhook's path
    /// (`/inject/cluster/NAME/net/NAME`), in the order it is to appear.
    pub path_env: &'a [(String, String)],
    /// Whether the cluster runs native sidecars (init containers with
    /// `restartPolicy: Always`); used where the configuration says `auto`.
    pub cluster_has_native_sidecars: bool,
}

/// The workload behind a pod, as telemetry and the canonical service name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// For example `apps/v1`.
    pub api_version: String,
    /// For example `Deployment`.
    pub kind: String,
    /// For example `reviews-v1`; for a pod with only a `generateName`, that.
    pub name: String,
}

/// Decides on a pod and, where it is to be injected, makes the patch.
///
/// # Errors
///
/// A [`Refusal`] when the pod has to be denied: it is injected already, or
/// its annotations or containers ask for something that cannot be done.
pub fn inject(config: &Config, target: &Target<'_>) -> Result<Outcome, Refusal> {
    validity::check(target.pod)?;
    let decision = decision::decide(config, target.pod, target.namespace);
    if let Some(reason) = decision.skip {
        return Ok(Outcome::Skipped {
            reason,
            warnings: decision.warnings,
        });
    }
    previous::refuse_injected(target)?;
    pipeline::run(config, target, decision.warnings).map(Outcome::Injected)
}

#[cfg(test)]
mod tests;
