//! The steps of an injection, in order.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    already_injected, annotation_validation, annotations,
    config::Config,
    decision,
    draft::Draft,
    guards,
    injection_record::InjectionRecord,
    order,
    outcome::{Injection, Outcome},
    overlay, patch, pod, pod_validation, probes, prometheus, proxy_env,
    refusal::Refusal,
    rendering,
    settings::Settings,
    sizes,
    steps::Steps,
    target::Target,
    uninject::record,
    unsupported::{self, Unsupported},
};

/// Decides whether a pod is injected and, if so, makes the patch.
///
/// The pod itself is not changed. The same configuration and target always give the
/// same outcome, and the work is bounded, whatever the pod holds.
///
/// # Errors
///
/// A [`Refusal`] when the pod has to be denied, for example because it is injected
/// already, or because its annotations or containers ask for something that can't
/// be done.
///
/// # Examples
///
/// ```
/// use pillion_inject::{Config, Outcome, Target, inject};
/// use serde_json::json;
///
/// let config = Config::builtin()?;
/// let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}});
/// let target = Target {
///     pod: &pod,
///     namespace: "shop",
///     workload: None,
///     path_env: &[],
///     cluster_has_native_sidecars: true,
/// };
/// let Outcome::Injected(injection) = inject(&config, &target)? else {
///     panic!("skipped");
/// };
///
/// let mut injected = pod.clone();
/// json_patch::patch(&mut injected, &injection.patch)?;
/// assert_eq!(injected["spec"]["initContainers"][1]["name"], "istio-proxy");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inject(config: &Config, target: &Target<'_>) -> Result<Outcome, Refusal> {
    pod_validation::check(target.pod)?;
    let decision = decision::decide(config, target.pod, target.namespace);
    if let Some(reason) = decision.skip {
        return Ok(Outcome::Skipped {
            reason,
            warnings: decision.warnings,
        });
    }
    already_injected::check(target)?;
    run(config, target, decision.warnings).map(Outcome::Injected)
}

/// Injects a pod that has to be injected and is not injected yet.
fn run(config: &Config, target: &Target<'_>, warnings: Vec<String>) -> Result<Injection, Refusal> {
    let pod = target.pod;
    annotation_validation::check(pod)?;
    let settings = Settings::new(config, target)?;
    let mut unsupported = unsupported::find(pod, &settings.interception_mode);
    let path_env = target.path_env.iter();
    let variables = unsupported::own_variables(pod)
        .chain(settings.proxy_config.proxy_metadata())
        .chain(path_env.map(|(name, value)| (name.as_str(), value.as_str())));
    unsupported.extend(unsupported::dns_capture(variables));
    if !unsupported.is_empty() {
        let texts: Vec<_> = unsupported.iter().map(Unsupported::to_string).collect();
        return Err(Refusal::Unsupported(texts.join("; ")));
    }
    let steps = Steps::default();
    let template = rendering::render_all(config, target, &settings, &steps)?;
    let findings = guards::check(config, pod, &settings, &template)?;
    // The API server passes on a limited number of bytes of warnings; these come first.
    let mut warnings = [findings.warnings(), warnings, settings.warnings(pod)].concat();

    let record = InjectionRecord::new(&template, pod, config.revision());
    let edited = edit(target, &settings, template, &mut warnings)?;
    let (edited, own_containers) = record::write(pod, edited, record, &steps)?;
    sizes::check(&edited, &own_containers)?;
    let names = own_containers.iter().map(String::as_str);
    let movable: HashSet<&str> = names.chain(pod::OWN_CONTAINERS).collect();
    Ok(Injection {
        patch: patch::diff(&movable, pod, &edited, &steps)?,
        warnings,
        bypasses: findings.bypasses(),
    })
}

/// Lays the template over the pod and leads its probes and metrics through the proxy.
fn edit(
    target: &Target<'_>,
    settings: &Settings,
    template: Draft,
    warnings: &mut Vec<String>,
) -> Result<Value, Refusal> {
    let pod = target.pod;
    let mut draft = Draft::new(pod.clone());
    warnings.extend(overlay::replaced_volumes(&draft, &template));
    let overrides = overlay::apply(&mut draft, template);
    let has_only_the_proxy =
        draft.containers.is_empty() && !pod::array(&pod["spec"]["containers"]).is_empty();
    if has_only_the_proxy {
        return Err(Refusal::InvalidPod(format!(
            "the pod has no container but {}, which as a native sidecar becomes an init container, and Kubernetes \
             accepts no pod without containers: add the app's container, or annotate the pod with {}: \"false\"",
            pod::PROXY,
            annotations::NATIVE_SIDECAR
        )));
    }
    warnings.extend(overlay::left_without_image(&draft));
    if !overrides.is_empty() {
        draft.annotate(annotations::OVERRIDES, sizes::overrides(&overrides)?);
    }
    set_path_env(&mut draft, target);
    if settings.merge_metrics {
        prometheus::merge(&mut draft, settings.status_port)?;
    }
    if settings.rewrite_probes {
        warnings.extend(probes::rewrite(&mut draft, settings.status_port)?);
    }
    order::order(&mut draft, settings.hold);
    Ok(draft.into_pod())
}

/// Sets what the webhook's path says of the cluster and the network, over the template.
fn set_path_env(draft: &mut Draft, target: &Target<'_>) {
    let Some(proxy) = draft.container_mut(pod::PROXY) else {
        return;
    };
    for (name, value) in target.path_env {
        // The template sets the network: the pod's own label wins over the path.
        if name != proxy_env::NETWORK {
            proxy_env::set(proxy, name, value);
        }
    }
}
