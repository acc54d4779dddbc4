//! The steps of an injection, in order.

use json_patch::Patch;
use minijinja::Value as Context;
use serde_json::{Map, Value, json};

use super::{
    Config, Injection, Refusal, Target, annotations as names, context,
    draft::{Draft, set_env},
    guards,
    light::Light,
    order, overlay, patch, pod, probes, prometheus,
    settings::{Settings, unsupported},
    status::Status,
    uninject,
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
    let template = render_all(config, target, &settings)?;
    let findings = guards::check(config, pod, &settings, &template)?;
    // The API server hands on so many bytes of warnings; these come first.
    let mut warnings = [findings.warnings(), warnings, settings.warnings(pod)].concat();

    let light = Light::new(pod, &template);
    let mut edit = edit(config, target, &settings, template, &light.pod)?;
    if light.is_moved_by(&edit.patch) || edit.restore.iter().any(|rest| light.is_moved_by(rest)) {
        let template = render_all(config, target, &settings)?;
        edit = self::edit(config, target, &settings, template, pod)?;
    }
    warnings.extend(edit.warnings);
    Ok(Injection {
        patch: edit.patch,
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

/// A pod's edit, as the patch that makes it.
struct Edit {
    patch: Patch,
    /// What the pod's record has to restore an original by.
    restore: Option<Patch>,
    warnings: Vec<String>,
}

/// Lays the template over `pod`, which may be lighter than the target's.
fn edit(
    config: &Config,
    target: &Target<'_>,
    settings: &Settings,
    template: Draft,
    pod: &Value,
) -> Result<Edit, Refusal> {
    let mut warnings = Vec::new();
    let status = Status::new(&template, pod, config.revision());
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
        draft.annotate(names::OVERRIDES, Value::Object(overrides).to_string());
    }
    set_path_env(&mut draft, target);
    if settings.merge_metrics {
        prometheus::merge(&mut draft, settings.status_port)?;
    }
    if settings.rewrite_probes {
        warnings.extend(probes::rewrite(&mut draft, settings.status_port));
    }
    order::order(&mut draft, settings.hold);
    let mut edited = draft.into_pod();
    let restore = uninject::record(pod, &mut edited, status);
    Ok(Edit {
        patch: patch::diff(pod, &edited),
        restore,
        warnings,
    })
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
    let context = context::build(config, &target, &settings);
    render(config, name, &context).map_err(|refusal| refusal.to_string())
}

/// Everything that the pod's templates add, as one pod.
fn render_all(config: &Config, target: &Target<'_>, settings: &Settings) -> Result<Draft, Refusal> {
    let wanted = pod::annotation(target.pod, names::TEMPLATES);
    let selected = config.templates.select(wanted)?;
    let context = context::build(config, target, settings);
    let mut all = Draft::new(Value::Object(Map::new()));
    for name in selected {
        let rendered = render(config, name, &context)
            .map_err(|refusal| Refusal::Template(format!("template {name:?}: {refusal}")))?;
        overlay::combine(&mut all, Draft::new(rendered));
    }
    for (name, value) in &config.injected_annotations {
        all.annotate(name, value.clone());
    }
    Ok(all)
}

fn render(config: &Config, name: &str, context: &Context) -> Result<Value, Refusal> {
    let template = config
        .templates
        .get(name)
        .ok_or_else(|| Refusal::UnknownTemplate(format!("there is no template {name:?}")))?;
    let rendered = template
        .render(context)
        .map_err(|error| Refusal::Template(error.to_string()))?;
    pod::check_fragment(&rendered).map_err(|refusal| Refusal::Template(refusal.to_string()))?;
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
