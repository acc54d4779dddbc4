//! What of a pod's traffic is captured.

use serde_json::Value;

use crate::{annotations, config::capture::Capture, pod};

/// Ports of the proxy itself, which inbound capture leaves alone: its own
/// metrics and its health.
const PROXY_PORTS: &str = "15090,15021";

/// What is captured: the pod's annotations over the configuration. An annotation that
/// is there counts even when it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PodCapture<'a> {
    pub include_outbound_ranges: &'a str,
    pub exclude_outbound_ranges: &'a str,
    pub include_inbound_ports: &'a str,
    pub exclude_inbound_ports: &'a str,
    pub include_outbound_ports: &'a str,
    pub exclude_outbound_ports: &'a str,
    pub exclude_interfaces: &'a str,
    pub rerouted_interfaces: &'a str,
}

/// What the capture rules have to know of the proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CapturingProxy<'a> {
    pub interception_mode: &'a str,
    pub uid: i64,
    pub status_port: u16,
}

impl<'a> PodCapture<'a> {
    pub fn new(pod: &'a Value, defaults: &'a Capture) -> Self {
        let setting =
            |name, default: &'a String| pod::annotation(pod, name).unwrap_or(default.as_str());
        Self {
            include_outbound_ranges: setting(
                annotations::INCLUDE_OUTBOUND_RANGES,
                &defaults.include_ip_ranges,
            ),
            exclude_outbound_ranges: setting(
                annotations::EXCLUDE_OUTBOUND_RANGES,
                &defaults.exclude_ip_ranges,
            ),
            include_inbound_ports: setting(
                annotations::INCLUDE_INBOUND_PORTS,
                &defaults.include_inbound_ports,
            ),
            exclude_inbound_ports: setting(
                annotations::EXCLUDE_INBOUND_PORTS,
                &defaults.exclude_inbound_ports,
            ),
            include_outbound_ports: setting(
                annotations::INCLUDE_OUTBOUND_PORTS,
                &defaults.include_outbound_ports,
            ),
            exclude_outbound_ports: setting(
                annotations::EXCLUDE_OUTBOUND_PORTS,
                &defaults.exclude_outbound_ports,
            ),
            exclude_interfaces: setting(
                annotations::EXCLUDE_INTERFACES,
                &defaults.exclude_interfaces,
            ),
            rerouted_interfaces: rerouted_interfaces(pod),
        }
    }

    /// The arguments of the init container, `istio-iptables`, in Istio's order and
    /// with its flags.
    pub fn arguments(&self, proxy: CapturingProxy<'_>) -> Vec<String> {
        let uid = proxy.uid.to_string();
        let excluded_ports = inbound_exclusions(self.exclude_inbound_ports, proxy.status_port);
        let always = [
            ("-p", "15001"),
            ("-z", "15006"),
            ("-u", &uid),
            ("-m", proxy.interception_mode),
            ("-i", self.include_outbound_ranges),
            ("-x", self.exclude_outbound_ranges),
            ("-b", self.include_inbound_ports),
            ("-d", &excluded_ports),
        ];
        let if_set = [
            ("-q", self.include_outbound_ports),
            ("-o", self.exclude_outbound_ports),
            ("-c", self.exclude_interfaces),
            ("-k", self.rerouted_interfaces),
        ];
        always
            .into_iter()
            .chain(if_set.into_iter().filter(|(_, value)| !value.is_empty()))
            .flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()])
            .collect()
    }
}

fn inbound_exclusions(excluded: &str, status_port: u16) -> String {
    let status_port = (status_port != 0).then(|| status_port.to_string());
    [PROXY_PORTS, excluded]
        .into_iter()
        .filter(|ports| !ports.is_empty())
        .chain(status_port.as_deref())
        .collect::<Vec<_>>()
        .join(",")
}

/// The annotation wins over its deprecated name.
fn rerouted_interfaces(pod: &Value) -> &str {
    pod::annotation(pod, annotations::REROUTE_INTERFACES)
        .or_else(|| pod::annotation(pod, annotations::KUBEVIRT_INTERFACES))
        .unwrap_or_default()
}
