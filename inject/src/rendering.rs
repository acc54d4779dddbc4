//! Renders the templates that a pod gets.

use minijinja::Value as Context;
use serde_json::{Map, Value, json};

use crate::{
    annotations,
    config::Config,
    context,
    draft::Draft,
    fault::Fault,
    overlay, pod, pod_validation,
    refusal::Refusal,
    settings::Settings,
    steps::Steps,
    target::Target,
    template::{RenderError, Template},
};

/// Everything that the pod's templates add, as one pod.
pub(crate) fn render_all(
    config: &Config,
    target: &Target<'_>,
    settings: &Settings,
    steps: &Steps,
) -> Result<Draft, Refusal> {
    let requested = pod::annotation(target.pod, annotations::TEMPLATES);
    let selected = config.templates.select(requested)?;
    let context = context::build(config, target, settings)?;
    let mut all = Draft::new(Value::Object(Map::new()));
    for (name, template) in selected {
        let rendered = render(template, &context, steps).map_err(|error| match error {
            RenderError::Fault(fault) => Refusal::Template(format!("template {name:?}: {fault}")),
            RenderError::OutOfSteps(error) => error.into(),
        })?;
        overlay::combine(&mut all, Draft::new(rendered));
    }
    for (name, value) in &config.injected_annotations {
        all.annotate(name, value.clone());
    }
    Ok(all)
}

/// Renders a template for a plain pod, on trial.
pub(crate) fn try_template(
    config: &Config,
    template: &Template,
    native: bool,
) -> Result<Value, Fault> {
    let pod = json!({"metadata": {"name": "try"}, "spec": {"containers": [{"name": "app", "image": "app"}]}});
    let target = Target {
        pod: &pod,
        namespace: "default",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: native,
    };
    let refused = |refusal: Refusal| Fault::new(refusal.to_string());
    let settings = Settings::new(config, &target).map_err(refused)?;
    let context = context::build(config, &target, &settings).map_err(refused)?;
    render(template, &context, &Steps::default()).map_err(|error| match error {
        RenderError::Fault(fault) => fault,
        RenderError::OutOfSteps(error) => Fault::new(error.to_string()),
    })
}

fn render(template: &Template, context: &Context, steps: &Steps) -> Result<Value, RenderError> {
    let rendered = template.render(context, steps)?;
    pod_validation::check_fragment(&rendered)
        .map_err(|refusal| RenderError::Fault(Fault::new(refusal.to_string())))?;
    Ok(rendered)
}
