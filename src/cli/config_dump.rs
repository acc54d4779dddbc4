//! What a proxy's `/config_dump` has in it, be the proxy Envoy, which writes the fields' names
//! in snake case, or ours, which writes them in camel case. Pure.

use pillion_inject::camel_case;
use serde_json::Value;

/// A field of a message, by its name in the proto.
pub(in crate::cli) fn field<'a>(message: &'a Value, name: &str) -> &'a Value {
    message
        .get(name)
        .or_else(|| message.get(camel_case(name)))
        .unwrap_or(&Value::Null)
}

/// A field that is a list.
pub(in crate::cli) fn items<'a>(message: &'a Value, name: &str) -> &'a [Value] {
    let items = field(message, name).as_array();
    items.map(Vec::as_slice).unwrap_or_default()
}

/// A field that is text.
pub(in crate::cli) fn text<'a>(message: &'a Value, name: &str) -> &'a str {
    field(message, name).as_str().unwrap_or_default()
}

/// The listeners that are in force.
pub(in crate::cli) fn listeners(dump: &Value) -> Vec<&Value> {
    let static_ones = entries(dump, "ListenersConfigDump", "static_listeners");
    let dynamic = entries(dump, "ListenersConfigDump", "dynamic_listeners");
    let dynamic = dynamic.map(|entry| field(entry, "active_state"));
    present(static_ones.chain(dynamic), "listener")
}

/// The clusters that are in force.
pub(in crate::cli) fn clusters(dump: &Value) -> Vec<&Value> {
    let static_ones = entries(dump, "ClustersConfigDump", "static_clusters");
    let dynamic = entries(dump, "ClustersConfigDump", "dynamic_active_clusters");
    present(static_ones.chain(dynamic), "cluster")
}

/// The route tables that are in force.
pub(in crate::cli) fn routes(dump: &Value) -> Vec<&Value> {
    let static_ones = entries(dump, "RoutesConfigDump", "static_route_configs");
    let dynamic = entries(dump, "RoutesConfigDump", "dynamic_route_configs");
    present(static_ones.chain(dynamic), "route_config")
}

/// The endpoints that are in force, if the dump was asked for them.
pub(in crate::cli) fn load_assignments(dump: &Value) -> Vec<&Value> {
    let dynamic = entries(dump, "EndpointsConfigDump", "dynamic_endpoint_configs");
    present(dynamic, "endpoint_config")
}

/// The names of resources whose newest version is refused, and why.
pub(in crate::cli) fn refused(dump: &Value) -> Vec<(String, String)> {
    let lists = [
        ("ClustersConfigDump", "dynamic_active_clusters", "cluster"),
        ("ClustersConfigDump", "dynamic_warming_clusters", "cluster"),
        ("ListenersConfigDump", "dynamic_listeners", "listener"),
        ("RoutesConfigDump", "dynamic_route_configs", "route_config"),
    ];
    let mut refused = Vec::new();
    for (section, list, resource) in lists {
        for entry in entries(dump, section, list) {
            let failure = field(entry, "error_state");
            if failure.is_null() {
                continue;
            }
            let own = text(entry, "name");
            let name = match own {
                "" => text(field(entry, resource), "name"),
                own => own,
            };
            let name = if name.is_empty() { "a resource" } else { name };
            refused.push((name.to_owned(), text(failure, "details").to_owned()));
        }
    }
    refused
}

/// Istio's metadata of a resource: a field.
pub(in crate::cli) fn istio<'a>(resource: &'a Value, name: &str) -> &'a Value {
    let metadata = field(field(resource, "metadata"), "filter_metadata");
    &metadata["istio"][name]
}

/// The rule that a resource was made of, as `NAME.NAMESPACE`, by the path in Istio's metadata.
pub(in crate::cli) fn rule(resource: &Value) -> String {
    let path = istio(resource, "config").as_str().unwrap_or_default();
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        [.., "namespaces", namespace, _, name] => format!("{name}.{namespace}"),
        _ => String::new(),
    }
}

fn entries<'a>(dump: &'a Value, section: &str, list: &str) -> impl Iterator<Item = &'a Value> {
    let configs = dump["configs"].as_array().into_iter().flatten();
    let sections: Vec<_> = configs
        .filter(|config| {
            let found = config["@type"].as_str().unwrap_or_default();
            found.rsplit('.').next() == Some(section)
        })
        .flat_map(|config| items(config, list))
        .collect();
    sections.into_iter()
}

fn present<'a>(entries: impl Iterator<Item = &'a Value>, resource: &str) -> Vec<&'a Value> {
    let resources = entries.map(|entry| field(entry, resource));
    resources.filter(|resource| resource.is_object()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_both_ways_of_writing_names() {
        assert_eq!(text(&json!({"stat_prefix": "a"}), "stat_prefix"), "a");
        assert_eq!(text(&json!({"statPrefix": "b"}), "stat_prefix"), "b");
        assert_eq!(camel_case("default_filter_chain"), "defaultFilterChain");
    }

    #[test]
    fn says_what_is_refused() {
        let dump = json!({"configs": [{
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "dynamic_listeners": [
                {"name": "good", "active_state": {"listener": {"name": "good"}}},
                {"name": "bad", "error_state": {"details": "no"}},
            ],
        }]});
        assert_eq!(listeners(&dump).len(), 1);
        assert_eq!(refused(&dump), [("bad".to_owned(), "no".to_owned())]);
    }

    #[test]
    fn a_rule_is_named_as_a_pod_is() {
        let path = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews";
        let route = json!({"metadata": {"filterMetadata": {"istio": {"config": path}}}});
        assert_eq!(rule(&route), "reviews.shop");
        assert_eq!(rule(&json!({})), "");
    }
}
