//! `proxy-config clusters`. Pure.

use serde_json::Value;

use crate::cli::{
    config_dump::{self, field, istio, rule, text},
    table,
};

/// Which clusters are shown.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only clusters of this host.
    #[arg(long, value_name = "HOST")]
    fqdn: Option<String>,
    /// Only clusters of this port.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only clusters of this subset.
    #[arg(long, value_name = "NAME")]
    subset: Option<String>,
    /// Only clusters of this direction.
    #[arg(long, value_enum)]
    direction: Option<Direction>,
}

/// Directions of traffic, as in clusters' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Direction {
    /// From the pod.
    Outbound,
    /// To the pod.
    Inbound,
}

/// The parts of a cluster's name: `DIRECTION|PORT|SUBSET|HOST`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Parts<'a> {
    host: &'a str,
    port: Option<u16>,
    subset: &'a str,
    direction: &'a str,
}

impl<'a> Parts<'a> {
    fn of(cluster: &'a Value) -> Self {
        let name = text(cluster, "name");
        let parts: Vec<_> = name.split('|').collect();
        let [direction, port, subset, host] = parts[..] else {
            return Self {
                host: name,
                port: None,
                subset: "",
                direction: "",
            };
        };
        // Of an inbound cluster, the metadata has the host.
        let service = &istio(cluster, "services")[0]["host"];
        Self {
            host: match host {
                "" => service.as_str().unwrap_or_default(),
                host => host,
            },
            port: port.parse().ok(),
            subset,
            direction,
        }
    }
}

impl Filter {
    /// The clusters of a dump that are shown, in order.
    pub fn select<'a>(&self, dump: &'a Value) -> Vec<&'a Value> {
        let mut found = config_dump::clusters(dump);
        found.retain(|cluster| self.has(&Parts::of(cluster)));
        found.sort_by(|a, b| Parts::of(a).cmp(&Parts::of(b)));
        found
    }

    fn has(&self, parts: &Parts<'_>) -> bool {
        let direction = match self.direction {
            None => parts.direction,
            Some(Direction::Outbound) => "outbound",
            Some(Direction::Inbound) => "inbound",
        };
        self.fqdn.as_ref().is_none_or(|fqdn| *fqdn == parts.host)
            && self.port.is_none_or(|port| parts.port == Some(port))
            && self
                .subset
                .as_ref()
                .is_none_or(|subset| *subset == parts.subset)
            && direction == parts.direction
    }
}

/// The table of clusters.
pub(super) fn table(clusters: &[&Value]) -> String {
    let headings = [
        "SERVICE FQDN",
        "PORT",
        "SUBSET",
        "DIRECTION",
        "TYPE",
        "DESTINATION RULE",
    ];
    let rows: Vec<_> = clusters.iter().map(|cluster| row(cluster)).collect();
    table::format(&headings, &rows)
}

fn row(cluster: &Value) -> Vec<String> {
    let parts = Parts::of(cluster);
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let own = text(field(cluster, "cluster_type"), "name");
    let kind = match (text(cluster, "type"), own) {
        ("", "") => "STATIC",
        ("", own) => own,
        (kind, _) => kind,
    };
    vec![
        or_dash(parts.host),
        parts
            .port
            .map_or_else(|| "-".to_owned(), |port| port.to_string()),
        or_dash(parts.subset),
        or_dash(parts.direction),
        kind.to_owned(),
        rule(cluster),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump() -> Value {
        let rule = "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/reviews";
        let cluster = |name: &str, kind: &str, istio: Value| json!({"cluster": {"name": name, "type": kind, "metadata": {"filterMetadata": {"istio": istio}}}});
        json!({"configs": [{
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "static_clusters": [{"cluster": {"name": "BlackHoleCluster"}}],
            "dynamic_active_clusters": [
                cluster("outbound|9080|v1|reviews.shop.svc", "EDS", json!({"config": rule})),
                cluster("outbound|9080||reviews.shop.svc", "EDS", json!({"config": rule})),
                cluster("outbound|80||a.shop.svc", "EDS", json!({})),
                cluster("inbound|9080||", "ORIGINAL_DST",
                    json!({"services": [{"host": "web.shop.svc"}]})),
            ],
        }]})
    }

    #[test]
    fn the_table_is_istio_s() {
        let dump = dump();
        assert_eq!(
            table(&Filter::default().select(&dump)),
            "SERVICE FQDN       PORT   SUBSET   DIRECTION   TYPE           DESTINATION RULE\n\
             BlackHoleCluster   -      -        -           STATIC\n\
             a.shop.svc         80     -        outbound    EDS\n\
             reviews.shop.svc   9080   -        outbound    EDS            reviews.shop\n\
             reviews.shop.svc   9080   v1       outbound    EDS            reviews.shop\n\
             web.shop.svc       9080   -        inbound     ORIGINAL_DST\n"
        );
    }

    #[test]
    fn filters_apply_together() {
        let dump = dump();
        let count = |filter: Filter| filter.select(&dump).len();
        let of_reviews = || Filter {
            fqdn: Some("reviews.shop.svc".to_owned()),
            ..Filter::default()
        };
        assert_eq!(count(of_reviews()), 2);
        assert_eq!(
            count(Filter {
                subset: Some("v1".to_owned()),
                port: Some(9080),
                ..of_reviews()
            }),
            1
        );
        assert_eq!(
            count(Filter {
                direction: Some(Direction::Inbound),
                ..Filter::default()
            }),
            1
        );
    }
}
