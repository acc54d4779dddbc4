//! The steps of an injection, in order.

use std::collections::HashSet;

use minijinja::Value as Context;
use serde_json::{Map, Value, json};

use super::{
    Config, Injection, Refusal, Target, annotations as names, context,
    draft::{Draft, set_env},
    guards, order, overlay, patch, pod, probes, prometheus,
    settings::{Settings, unsupported},
    sizes,
    status::Status,
    steps::Steps,
    template::RenderError,
    uninject, validity,
};

/// Injects a pod that has been decided to be injected and is not injected yet.
pub(super) fn run(
    config: &Config,
    target: &Target<'_>,
    warnings: Vec<String>,
) -> Result<Injection, Refusal> {
    let pod = target.pod;
    check_annotations(pod)?;
    let settings = Settings::new(config, target)?;
    let unsupported = unsupported(pod, &settings.interception_mode);
    if !unsupported.is_empty() {
        return Err(Refusal::Unsupported(unsupported.join("; ")));
    }
    let steps = Steps::default();
    let template = render_all(config, target, &settings, &steps)?;
    let findings = guards::check(config, pod, &settings, &template)?;
    // The API server hands on so many bytes of warnings; these come first.
    let mut warnings = [findings.warnings(), warnings, settings.warnings(pod)].concat();

    let status = Status::new(&template, pod, config.revision());
    let edited = edit(target, &settings, template, &mut warnings)?;
    let (edited, ours) = uninject::record(pod, edited, status, &steps)?;
    sizes::check(&edited, &ours)?;
    let ours: HashSet<&str> = ours.iter().map(String::as_str).collect();
    Ok(Injection {
        patch: patch::diff(&ours, pod, &edited, &steps)?,
        warnings,
        bypasses: findings.bypasses(),
    })
}

/// Refuses annotations that can't be, together with what is not supported, so
/// that one edit can mend both.
fn check_annotations(pod: &Value) -> Result<(), Refusal> {
    let Some(annotations) = pod["metadata"]["annotations"].as_object() else {
        return Ok(());
    };
    let mut faults = names::faults(annotations);
    if faults.is_empty() {
        return Ok(());
    }
    let mode = pod::annotation(pod, names::INTERCEPTION_MODE);
    faults.extend(unsupported(pod, mode.unwrap_or_default()));
    Err(Refusal::InvalidAnnotations(faults))
}

/// The pod with the template laid over it.
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
    let only_the_proxy =
        draft.containers.is_empty() && !pod::array(&pod["spec"]["containers"]).is_empty();
    if only_the_proxy {
        return Err(Refusal::InvalidPod(format!(
            "the pod has no container but {}, which is a native sidecar and so goes among the init containers, and \
             Kubernetes takes no pod without containers: add the app's container, or annotate the pod with {}: \"false\"",
            pod::PROXY,
            names::NATIVE_SIDECAR
        )));
    }
    warnings.extend(overlay::left_without_image(&draft));
    if !overrides.is_empty() {
        draft.annotate(names::OVERRIDES, sizes::overrides(overrides)?);
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

/// Renders a template for a plain pod; the error says what is wrong with it.
pub(super) fn try_template(config: &Config, name: &str, native: bool) -> Result<Value, String> {
    let pod = json!({"metadata": {"name": "try"}, "spec": {"containers": [{"name": "app", "image": "app"}]}});
    let target = Target {
        pod: &pod,
        namespace: "default",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: native,
    };
    let settings = Settings::new(config, &target).map_err(|refusal| refusal.to_string())?;
    let context =
        context::build(config, &target, &settings).map_err(|refusal| refusal.to_string())?;
    render(config, name, &context, &Steps::default()).map_err(|refusal| refusal.to_string())
}

/// Everything that the pod's templates add, as one pod.
fn render_all(
    config: &Config,
    target: &Target<'_>,
    settings: &Settings,
    steps: &Steps,
) -> Result<Draft, Refusal> {
    let wanted = pod::annotation(target.pod, names::TEMPLATES);
    let selected = config.templates.select(wanted)?;
    let context = context::build(config, target, settings)?;
    let mut all = Draft::new(Value::Object(Map::new()));
    for name in selected {
        let rendered = render(config, name, &context, steps).map_err(|refusal| match refusal {
            Refusal::Template(fault) => Refusal::Template(format!("template {name:?}: {fault}")),
            other => other,
        })?;
        overlay::combine(&mut all, Draft::new(rendered));
    }
    for (name, value) in &config.injected_annotations {
        all.annotate(name, value.clone());
    }
    Ok(all)
}

fn render(config: &Config, name: &str, context: &Context, steps: &Steps) -> Result<Value, Refusal> {
    let template = config
        .templates
        .get(name)
        .ok_or_else(|| Refusal::UnknownTemplate(format!("there is no template {name:?}")))?;
    let rendered = template
        .render(context, steps)
        .map_err(|error| match error {
            RenderError::Fault(fault) => Refusal::Template(fault.to_string()),
            RenderError::OutOfSteps(error) => error.into(),
        })?;
    validity::check_fragment(&rendered)
        .map_err(|refusal| Refusal::Template(refusal.to_string()))?;
    Ok(rendered)
}

/// The webhook's path tells of the cluster and the network; it wins over the template.
fn set_path_env(draft: &mut Draft, target: &Target<'_>) {
    let Some(proxy) = draft.container_mut(pod::PROXY) else {
        return;
    };
    for (name, value) in target.path_env {
        // The pod's own label of its network wins over the path; the template has both.
        if name != "ISTIO_META_NETWORK" {
            set_env(proxy, name, value);
        }
    }
}
