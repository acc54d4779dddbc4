//! What a pod speaks to others, by the clusters of its proxy and their endpoints. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::{
    config_dump::{self, field, items, rule, text},
    table,
};

/// How many endpoints a cluster has, and how many of these speak mutual TLS.
#[derive(Debug, Clone, Copy, Default)]
struct Endpoints {
    all: usize,
    mutual: usize,
}

/// A cluster's name, taken apart: `outbound|PORT|SUBSET|HOST`.
struct Name<'a> {
    port: &'a str,
    subset: &'a str,
    host: &'a str,
}

impl<'a> Name<'a> {
    fn of(cluster: &'a Value) -> Option<Self> {
        let parts: Vec<_> = text(cluster, "name").split('|').collect();
        match parts[..] {
            ["outbound", port, subset, host] => Some(Self { port, subset, host }),
            _ => None,
        }
    }

    /// Whether a user who is in a namespace means it.
    fn is(&self, wanted: &str, namespace: &str) -> bool {
        let of_service = |name: &str| {
            let rest = self.host.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(".svc."))
        };
        of_service(wanted)
            || of_service(&format!("{wanted}.{namespace}"))
            || self.host.strip_suffix('.').unwrap_or(self.host) == wanted
    }
}

/// The table of destinations, or of one; `None` if there is none.
pub(super) fn table(dump: &Value, to: Option<&str>, namespace: &str) -> Option<String> {
    let endpoints = endpoints(dump);
    let clusters = config_dump::clusters(dump);
    let found = clusters.into_iter().filter_map(|cluster| {
        let name = Name::of(cluster)?;
        let is_wanted = to.is_none_or(|wanted| name.is(wanted, namespace));
        is_wanted.then_some((name, cluster))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|(name, _)| (name.host, name.port.parse::<u16>().ok(), name.subset));
    let rows = found.iter().map(|(name, cluster)| {
        let of_cluster = endpoints.get(text(cluster, "name")).copied();
        row(name, cluster, of_cluster)
    });
    let rows: Vec<_> = rows.collect();
    let headings = [
        "DESTINATION",
        "PORT",
        "SUBSET",
        "SPEAKS",
        "ENDPOINTS",
        "DECIDED BY",
        "EXPECTED IDENTITY",
    ];
    (!rows.is_empty()).then(|| table::format(&headings, &rows))
}

fn row(name: &Name<'_>, cluster: &Value, endpoints: Option<Endpoints>) -> Vec<String> {
    let by_endpoint = items(cluster, "transport_socket_matches");
    let own = field(cluster, "transport_socket");
    let of_rule = match rule(cluster).as_str() {
        "" => "-".to_owned(),
        rule => format!("DestinationRule {rule}"),
    };
    let (speaks, decided_by, socket) = if own.is_object() {
        let speaks = match field(common(own), MESH_VALIDATION).is_object() {
            true => "mutual TLS",
            false => "TLS",
        };
        (speaks, of_rule, Some(own))
    } else if let [mutual, ..] = by_endpoint {
        let speaks = match endpoints {
            Some(Endpoints { mutual: 0, .. }) => "plaintext",
            Some(Endpoints { all, mutual }) if mutual < all => "both",
            _ => "mutual TLS",
        };
        let automatic = "each endpoint (auto mTLS)".to_owned();
        (speaks, automatic, Some(field(mutual, "transport_socket")))
    } else {
        ("plaintext", of_rule, None)
    };
    let counted = endpoints.map(|Endpoints { all, mutual }| match own.is_object() {
        true => format!("{all}/{all}"),
        false => format!("{mutual}/{all}"),
    });
    let subset = if name.subset.is_empty() {
        "-"
    } else {
        name.subset
    };
    vec![
        name.host.to_owned(),
        name.port.to_owned(),
        subset.to_owned(),
        speaks.to_owned(),
        counted.unwrap_or_else(|| "-".to_owned()),
        decided_by,
        socket.map_or_else(|| "-".to_owned(), expected),
    ]
}

/// Where TLS says how servers prove who they are, if they are of the mesh.
const MESH_VALIDATION: &str = "combined_validation_context";

fn common(socket: &Value) -> &Value {
    field(field(socket, "typed_config"), "common_tls_context")
}

/// The names that a server's certificate may have.
fn expected(socket: &Value) -> String {
    let of_mesh = field(common(socket), MESH_VALIDATION);
    let outside = field(common(socket), "validation_context");
    let (own, nameless) = if of_mesh.is_object() {
        let own = field(of_mesh, "default_validation_context");
        (own, "any of the mesh")
    } else if outside.is_object() {
        (outside, "any under its roots")
    } else {
        (outside, "any: nothing is verified")
    };
    let names = items(own, "match_typed_subject_alt_names").iter();
    let names: Vec<_> = names
        .map(|name| {
            let matcher = field(name, "matcher");
            match text(matcher, "prefix") {
                "" => text(matcher, "exact").to_owned(),
                prefix => format!("{prefix}*"),
            }
        })
        .collect();
    match names.is_empty() {
        true => nameless.to_owned(),
        false => names.join(","),
    }
}

/// The endpoints of each cluster that has them from the control plane.
fn endpoints(dump: &Value) -> BTreeMap<&str, Endpoints> {
    let assignments = config_dump::load_assignments(dump).into_iter();
    assignments
        .map(|assignment| {
            let groups = items(assignment, "endpoints").iter();
            let endpoints = groups.flat_map(|group| items(group, "lb_endpoints"));
            let mut counted = Endpoints::default();
            for endpoint in endpoints {
                counted.all += 1;
                counted.mutual += usize::from(is_mutual(endpoint));
            }
            (text(assignment, "cluster_name"), counted)
        })
        .collect()
}

fn is_mutual(endpoint: &Value) -> bool {
    let metadata = field(field(endpoint, "metadata"), "filter_metadata");
    metadata["envoy.transport_socket_match"]["tlsMode"] == "istio"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn socket(names: Value) -> Value {
        json!({"name": "envoy.transport_sockets.tls", "typedConfig": {"commonTlsContext": {
            "combinedValidationContext": {"defaultValidationContext": {
                "matchTypedSubjectAltNames": names}}}}})
    }

    /// TLS with a server outside the mesh, which proves itself by one of these names if there are any.
    fn outside(names: &[&str]) -> Value {
        let names = names
            .iter()
            .map(|name| json!({"sanType": "DNS", "matcher": {"exact": name}}));
        let names: Vec<_> = names.collect();
        let validation = match names.is_empty() {
            true => json!({}),
            false => json!({"validationContext": {"matchTypedSubjectAltNames": names}}),
        };
        json!({"name": "envoy.transport_sockets.tls", "typedConfig": {"commonTlsContext": validation}})
    }

    fn dump() -> Value {
        let rule = "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/db";
        let metadata = json!({"filterMetadata": {"istio": {"config": rule}}});
        let web = json!([{"sanType": "URI", "matcher": {"exact": "spiffe://cluster.local/ns/shop/sa/web"}}]);
        let by_endpoint = json!([
            {"name": "tlsMode-istio", "transportSocket": socket(web)},
            {"name": "tlsMode-disabled"},
        ]);
        let endpoint = |mode: &str| {
            json!({"metadata": {"filterMetadata": {
            "envoy.transport_socket_match": {"tlsMode": mode}}}})
        };
        json!({"configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [
                {"cluster": {"name": "outbound|80||web.shop.svc.cluster.local",
                    "transportSocketMatches": by_endpoint}},
                {"cluster": {"name": "outbound|3306||db.shop.svc.cluster.local", "metadata": metadata,
                    "transportSocket": socket(json!([]))}},
                {"cluster": {"name": "outbound|443||example.com"}},
                {"cluster": {"name": "outbound|443||api.example.com", "transportSocket": outside(&["api.example.com"])}},
                {"cluster": {"name": "outbound|443||old.example.com", "transportSocket": outside(&[])}},
                {"cluster": {"name": "BlackHoleCluster"}},
            ]},
            {"@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "dynamic_endpoint_configs": [
                {"endpoint_config": {"clusterName": "outbound|80||web.shop.svc.cluster.local", "endpoints": [
                    {"lbEndpoints": [endpoint("istio"), endpoint("istio"), {}]}]}},
            ]},
        ]})
    }

    #[test]
    fn says_what_is_spoken_to_whom() {
        assert_eq!(
            table(&dump(), None, "shop").unwrap(),
            "DESTINATION                  PORT   SUBSET   SPEAKS       ENDPOINTS   DECIDED BY                  EXPECTED IDENTITY\n\
             api.example.com              443    -        TLS          -           -                           api.example.com\n\
             db.shop.svc.cluster.local    3306   -        mutual TLS   -           DestinationRule db.shop     any of the mesh\n\
             example.com                  443    -        plaintext    -           -                           -\n\
             old.example.com              443    -        TLS          -           -                           any: nothing is verified\n\
             web.shop.svc.cluster.local   80     -        both         2/3         each endpoint (auto mTLS)   spiffe://cluster.local/ns/shop/sa/web\n"
        );
    }

    #[test]
    fn finds_a_destination_as_users_name_it() {
        for (to, lines) in [
            ("web", 2),
            ("web.shop", 2),
            ("web.shop.svc.cluster.local", 2),
            ("example.com", 2),
            ("we", 0),
            ("web.other", 0),
        ] {
            let found = table(&dump(), Some(to), "shop");
            assert_eq!(found.map_or(0, |text| text.lines().count()), lines, "{to}");
        }
    }
}
