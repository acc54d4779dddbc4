//! Takes an injection back.
//!
//! It does so by name, from the record in `sidecar.istio.io/status`, so that it works
//! on a pod that others have edited since. What names can't tell (a probe's port
//! had a name, an annotation another value, the user's own proxy container its
//! place) [`record`] finds out at injection, by taking the injection back on
//! trial, and puts into the record as a JSON Patch. So it is exact by
//! construction, whatever the templates do. Istio's record lacks that part;
//! there [`istio`] infers what can be inferred.

mod editing;
mod handlers;
mod istio;
mod proxy;
pub(crate) mod record;
mod restore;
mod scrape;
mod stubs;
mod take_back;
mod user_parts;

use serde_json::Value;

use self::take_back::take_back;
use crate::{
    already_injected,
    annotations::{OVERRIDES, STATUS},
    injection_record::InjectionRecord,
    pod,
    refusal::Refusal,
};

/// Undoes an injection: Pillion's own, or that of Istio's `sidecar` and `gateway`
/// templates. Returns `None` if the pod is not injected.
///
/// Edits that others made since stay, as long as they don't concern what the
/// injection changed. Pillion's own injection is undone exactly; for Istio's,
/// whose record has less, labels and annotations are removed if they have the value
/// that Istio gives them.
///
/// # Errors
///
/// When the record of the injection (`sidecar.istio.io/status`) is missing or
/// can't be read, or when the pod was changed in what it covers.
///
/// # Examples
///
/// ```
/// use pillion_inject::{Config, Outcome, Target, inject, uninject};
/// use serde_json::json;
///
/// let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}});
/// assert_eq!(uninject(&pod)?, None);
///
/// let target = Target {
///     pod: &pod,
///     namespace: "shop",
///     workload: None,
///     path_env: &[],
///     cluster_has_native_sidecars: true,
/// };
/// let Outcome::Injected(injection) = inject(&Config::builtin()?, &target)? else {
///     panic!("skipped");
/// };
/// let mut injected = pod.clone();
/// json_patch::patch(&mut injected, &injection.patch)?;
/// assert_eq!(uninject(&injected)?, Some(pod));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn uninject(pod: &Value) -> Result<Option<Value>, Refusal> {
    let Some(text) = pod::annotation(pod, STATUS) else {
        let found = already_injected::injected_containers(pod);
        return if found.is_empty() {
            Ok(None)
        } else {
            Err(no_record(&found))
        };
    };
    let record: InjectionRecord =
        serde_json::from_str(text).map_err(|error| unreadable(STATUS, &error))?;
    let overrides = record
        .overrides(pod)
        .map_err(|error| unreadable(OVERRIDES, &error))?;
    let mut undone = pod.clone();
    take_back(&mut undone, &record, overrides);
    match &record.restore {
        Some(rest) => {
            restore::check(rest).map_err(|error| unreadable(STATUS, &error))?;
            json_patch::patch(&mut undone, rest).map_err(|error| changed(&error))?;
        }
        None if record.is_istios() => istio::refuse_lost_handlers(&undone)?,
        None => {}
    }
    Ok(Some(undone))
}

fn no_record(found: &[&str]) -> Refusal {
    Refusal::InvalidPod(format!(
        "the pod has the container{} {} of an injection, but not the annotation {STATUS} that records it: what else \
         was changed is unknown. Remove by hand what was added, or start from the manifest as it was before",
        if found.len() == 1 { "" } else { "s" },
        found.join(", ")
    ))
}

fn unreadable(annotation: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::InvalidPod(format!(
        "the annotation {annotation}, which records the injection, can't be read: {error}. Restore it, or start from \
         the manifest as it was before the injection"
    ))
}

fn changed(error: &json_patch::PatchError) -> Refusal {
    Refusal::InvalidPod(format!(
        "the pod was changed since its injection, in parts that have to be restored: {error}. Start from the \
         manifest as it was before the injection"
    ))
}

#[cfg(test)]
mod tests;
