//! What of a pod's traffic is captured, unless its annotations say otherwise.

use serde::Deserialize;

/// `global.proxy.include…` and `exclude…`: comma-separated lists, where `*` is all.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Capture {
    #[serde(rename = "includeIPRanges")]
    pub include_ip_ranges: String,
    #[serde(rename = "excludeIPRanges")]
    pub exclude_ip_ranges: String,
    pub include_inbound_ports: String,
    pub exclude_inbound_ports: String,
    pub include_outbound_ports: String,
    pub exclude_outbound_ports: String,
    pub exclude_interfaces: String,
}

impl Default for Capture {
    fn default() -> Self {
        let all = || "*".to_owned();
        Self {
            include_ip_ranges: all(),
            exclude_ip_ranges: String::new(),
            include_inbound_ports: all(),
            exclude_inbound_ports: String::new(),
            include_outbound_ports: String::new(),
            exclude_outbound_ports: String::new(),
            exclude_interfaces: String::new(),
        }
    }
}
