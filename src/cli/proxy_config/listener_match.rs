//! For which connections a filter chain is, as a cell of a table. Pure.

use serde_json::Value;

use crate::cli::config_dump::{field, items, text};

/// The conditions of a chain; `ALL` without one.
pub(super) fn conditions(chain: &Value) -> String {
    let matches = field(chain, "filter_chain_match");
    let mut parts = Vec::new();
    let names = words(items(matches, "server_names"));
    if !names.is_empty() {
        parts.push(format!("SNI: {names}"));
    }
    let transport = text(matches, "transport_protocol");
    if !transport.is_empty() {
        parts.push(format!("Trans: {transport}"));
    }
    let protocols = words(items(matches, "application_protocols"));
    if !protocols.is_empty() {
        parts.push(format!("App: {protocols}"));
    }
    let address = addresses(matches);
    if !address.is_empty() {
        parts.push(format!("Addr: {address}"));
    }
    let sources: Vec<_> = items(matches, "source_prefix_ranges")
        .iter()
        .map(range)
        .collect();
    if !sources.is_empty() {
        parts.push(format!("Source: {}", sources.join(",")));
    }
    if parts.is_empty() {
        "ALL".to_owned()
    } else {
        parts.join("; ")
    }
}

fn addresses(matches: &Value) -> String {
    let ranges: Vec<_> = items(matches, "prefix_ranges").iter().map(range).collect();
    let port = field(matches, "destination_port").as_u64();
    match (ranges.as_slice(), port) {
        ([], None) => String::new(),
        ([], Some(port)) => format!("*:{port}"),
        (ranges, None) => ranges.join(","),
        (ranges, Some(port)) => format!("{}:{port}", ranges.join(",")),
    }
}

/// A range; one address without its length.
fn range(range: &Value) -> String {
    let address = text(range, "address_prefix");
    let length = field(range, "prefix_len").as_u64().unwrap_or(0);
    let whole = if address.contains(':') { 128 } else { 32 };
    if length == whole {
        address.to_owned()
    } else {
        format!("{address}/{length}")
    }
}

fn words(values: &[Value]) -> String {
    let words: Vec<_> = values.iter().filter_map(Value::as_str).collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_every_condition() {
        let of = |matches: Value| conditions(&json!({"filterChainMatch": matches}));
        assert_eq!(of(json!({})), "ALL");
        assert_eq!(
            of(
                json!({"transportProtocol": "raw_buffer", "applicationProtocols": ["http/1.1", "h2c"]})
            ),
            "Trans: raw_buffer; App: http/1.1,h2c"
        );
        assert_eq!(
            of(json!({"serverNames": ["a.b"], "prefixRanges": [
                {"addressPrefix": "10.0.0.1", "prefixLen": 32},
                {"addressPrefix": "fd00::", "prefixLen": 8}]})),
            "SNI: a.b; Addr: 10.0.0.1,fd00::/8"
        );
        assert_eq!(of(json!({"destinationPort": 9080})), "Addr: *:9080");
        assert_eq!(
            of(json!({"prefixRanges": [{"addressPrefix": "0.0.0.0"}]})),
            "Addr: 0.0.0.0/0"
        );
    }
}
