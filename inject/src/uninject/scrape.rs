//! Restores the app's own scrape annotations.

use serde_json::{Map, Value};

use super::editing::annotations_mut;
use crate::annotations::SCRAPE_TARGETS;

/// Puts back the annotations that an injection moved into the proxy's
/// environment, as far as `scrape` (what it moved) has them.
pub(super) fn restore(pod: &mut Value, scrape: &Map<String, Value>) {
    if scrape.is_empty() {
        return;
    }
    let targets = scrape.get("targets").and_then(Value::as_array);
    let first = targets.and_then(|targets| targets.first());
    let Some(annotations) = annotations_mut(pod) else {
        return;
    };
    for name in ["scrape", "path", "port"] {
        // Of several targets the first one lends its path and port.
        let derived = |value| first.is_some_and(|first| first.get(name) == Some(value));
        if let Some(value) = scrape
            .get(name)
            .filter(|value| value.is_string() && !derived(value))
        {
            annotations.insert(format!("prometheus.io/{name}"), value.clone());
        }
    }
    if let Some(targets) = targets
        && !annotations.contains_key(SCRAPE_TARGETS)
    {
        let text = |target: &Value, key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let list: Vec<_> = targets
            .iter()
            .map(|target| format!("{}:{}", text(target, "port"), text(target, "path")))
            .collect();
        annotations.insert(SCRAPE_TARGETS.to_owned(), list.join(",").into());
    }
}
