//! `proxy-config routes`. Pure.

use serde_json::Value;

use crate::cli::{
    config_dump::{self, field, items, rule, text},
    table,
};

/// Which route tables are shown.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only the route table of this name, which listeners name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only virtual hosts with this domain, such as reviews or *.example.com. The table names only the first domain of a
    /// virtual host otherwise; -o json shows route tables whole.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
}

impl Filter {
    /// The route tables of a dump that are shown, in order.
    pub fn select<'a>(&self, dump: &'a Value) -> Vec<&'a Value> {
        let mut found = config_dump::routes(dump);
        found.retain(|table| {
            let name = self.name.as_ref();
            let mut hosts = items(table, "virtual_hosts").iter();
            name.is_none_or(|name| name == text(table, "name"))
                && (self.domain.is_none() || hosts.any(|host| self.has(host)))
        });
        found.sort_by(|a, b| order(text(a, "name")).cmp(&order(text(b, "name"))));
        found
    }

    /// Whether a virtual host is shown.
    fn has(&self, host: &Value) -> bool {
        let mut domains = items(host, "domains").iter();
        let wanted = self.domain.as_ref();
        wanted.is_none_or(|wanted| domains.any(|domain| domain == wanted))
    }

    /// The table of routes, with a row for each route.
    pub fn table(&self, tables: &[&Value]) -> String {
        let headings = ["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"];
        let mut rows = Vec::new();
        for table in tables {
            let hosts = items(table, "virtual_hosts").iter();
            for host in hosts.filter(|host| self.has(host)) {
                for route in items(host, "routes") {
                    rows.push(vec![
                        text(table, "name").to_owned(),
                        text(host, "name").to_owned(),
                        self.domain.clone().unwrap_or_else(|| domains(host)),
                        conditions(field(route, "match")),
                        origin(route),
                    ]);
                }
            }
        }
        table::format(&headings, &rows)
    }
}

/// Ports in their order, then other names.
fn order(name: &str) -> (u64, &str) {
    (name.parse().unwrap_or(u64::MAX), name)
}

/// The first domain, and how many more there are.
fn domains(host: &Value) -> String {
    let domains = items(host, "domains");
    let first = domains.first().and_then(Value::as_str).unwrap_or_default();
    match domains.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} + {} more...", more - 1),
    }
}

/// The condition on the path, and what else is asked for.
fn conditions(matches: &Value) -> String {
    let path = match (text(matches, "path"), text(matches, "prefix")) {
        ("", "") => other_path(matches),
        ("", prefix) => format!("{prefix}*"),
        (path, _) => path.to_owned(),
    };
    let names = |list: &str| -> Vec<String> {
        let named = items(matches, list).iter();
        named.map(|one| text(one, "name").to_owned()).collect()
    };
    let mut parts = vec![path];
    for (what, names) in [
        ("header", names("headers")),
        ("query", names("query_parameters")),
    ] {
        if !names.is_empty() {
            parts.push(format!("{what} {}", names.join(",")));
        }
    }
    parts.join("; ")
}

fn other_path(matches: &Value) -> String {
    let separated = text(matches, "path_separated_prefix");
    let regex = text(field(matches, "safe_regex"), "regex");
    match (separated, regex) {
        ("", "") => "-".to_owned(),
        ("", regex) => format!("regex {regex}"),
        (separated, _) => format!("{separated}/*"),
    }
}

/// The rule; without one, the status of a direct response.
fn origin(route: &Value) -> String {
    let status = field(field(route, "direct_response"), "status").as_u64();
    match (rule(route), status) {
        (rule, Some(status)) if rule.is_empty() => status.to_string(),
        (rule, _) => rule,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump() -> Value {
        let rule = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews";
        let of_rule = json!({"filter_metadata": {"istio": {"config": rule}}});
        let tables = [
            json!({"name": "http.8080", "virtual_hosts": [{"name": "*:8080", "domains": ["*"],
                "routes": [{"match": {"path": "/login"}, "metadata": of_rule}]}]}),
            json!({"name": "15014", "virtual_hosts": []}),
            json!({"name": "9080", "virtual_hosts": [
                {"name": "reviews.shop:9080", "domains": ["reviews.shop", "reviews", "10.0.0.1"],
                 "routes": [
                    {"match": {"prefix": "/", "headers": [{"name": "end-user"}]}, "metadata": of_rule},
                    {"match": {"safe_regex": {"regex": "/a.*"}}, "metadata": of_rule}]},
                {"name": "block_all", "domains": ["*"],
                 "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 502}}]}]}),
        ];
        let tables = tables.map(|table| json!({"route_config": table}));
        json!({"configs": [{
            "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
            "dynamic_route_configs": tables,
        }]})
    }

    #[test]
    fn the_table_has_a_row_for_each_route() {
        let dump = dump();
        assert_eq!(
            Filter::default().table(&Filter::default().select(&dump)),
            "NAME        VHOST NAME          DOMAINS                    MATCH                 VIRTUAL SERVICE\n\
             9080        reviews.shop:9080   reviews.shop + 2 more...   /*; header end-user   reviews.shop\n\
             9080        reviews.shop:9080   reviews.shop + 2 more...   regex /a.*            reviews.shop\n\
             9080        block_all           *                          /*                    502\n\
             http.8080   *:8080              *                          /login                reviews.shop\n"
        );
    }

    #[test]
    fn filters_by_name() {
        let dump = dump();
        let filter = Filter {
            name: Some("9080".to_owned()),
            ..Filter::default()
        };
        assert_eq!(filter.select(&dump).len(), 1);
    }

    #[test]
    fn finds_a_domain_that_is_not_the_first() {
        let dump = dump();
        let filter = Filter {
            domain: Some("10.0.0.1".to_owned()),
            ..Filter::default()
        };
        assert_eq!(
            filter.table(&filter.select(&dump)),
            "NAME   VHOST NAME          DOMAINS    MATCH                 VIRTUAL SERVICE\n\
             9080   reviews.shop:9080   10.0.0.1   /*; header end-user   reviews.shop\n\
             9080   reviews.shop:9080   10.0.0.1   regex /a.*            reviews.shop\n"
        );
    }
}
