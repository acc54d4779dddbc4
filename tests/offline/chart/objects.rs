//! The objects that helm makes of the chart.

use pillion_envtest::chart;
use serde_json::Value;

/// What `helm template` makes of the chart, or its complaint.
pub fn try_template(namespace: &str, values: &[&str]) -> Result<String, String> {
    chart::template(namespace, values).map_err(|error| error.to_string())
}

/// The objects of the chart.
pub fn template(namespace: &str, values: &[&str]) -> Vec<Value> {
    let text = try_template(namespace, values)
        .unwrap_or_else(|complaint| panic!("{values:?}: {complaint}"));
    text.split("\n---\n")
        .map(|document| {
            pillion_inject::yaml::parse(document)
                .unwrap_or_else(|error| panic!("{values:?}: {error}\n{document}"))
        })
        .filter(|object| !object.is_null())
        .collect()
}

/// The objects of one kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

/// The object of a kind and a name.
pub fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut of_kind = of_kind(objects, kind).into_iter();
    of_kind
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}
