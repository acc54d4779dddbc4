//! What of the pod's traffic is captured: the arguments of `istio-iptables`.

use serde_json::Value;

use super::{annotations as names, config::Capture, pod, settings::Settings};

/// Ports of the proxy itself, which inbound capture leaves alone: its own
/// metrics and its health.
const PROXY_PORTS: &str = "15090,15021";

/// The arguments of the init container, in Istio's order and with its flags.
pub(super) fn arguments(defaults: &Capture, settings: &Settings, pod: &Value) -> Vec<String> {
    // An annotation that is there counts even when it is empty.
    let annotated = |name: &str, default: &str| {
        pod::annotation(pod, &format!("traffic.sidecar.istio.io/{name}"))
            .unwrap_or(default)
            .to_owned()
    };
    let uid = settings.capture_uid().to_string();
    let mut arguments: Vec<String> = ["-p", "15001", "-z", "15006", "-u", &uid]
        .map(str::to_owned)
        .into();
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("-m", settings.interception_mode.clone());
    add(
        "-i",
        annotated("includeOutboundIPRanges", &defaults.include_ip_ranges),
    );
    add(
        "-x",
        annotated("excludeOutboundIPRanges", &defaults.exclude_ip_ranges),
    );
    add(
        "-b",
        annotated("includeInboundPorts", &defaults.include_inbound_ports),
    );
    add(
        "-d",
        inbound_exclusions(
            &annotated("excludeInboundPorts", &defaults.exclude_inbound_ports),
            settings.status_port,
        ),
    );
    for (flag, value) in [
        (
            "-q",
            annotated("includeOutboundPorts", &defaults.include_outbound_ports),
        ),
        (
            "-o",
            annotated("excludeOutboundPorts", &defaults.exclude_outbound_ports),
        ),
        (
            "-c",
            annotated("excludeInterfaces", &defaults.exclude_interfaces),
        ),
        ("-k", rerouted_interfaces(pod).to_owned()),
    ] {
        if !value.is_empty() {
            add(flag, value);
        }
    }
    arguments
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

/// The annotation of today before its deprecated name.
pub(super) fn rerouted_interfaces(pod: &Value) -> &str {
    pod::annotation(pod, names::REROUTE_INTERFACES)
        .or_else(|| pod::annotation(pod, names::KUBEVIRT_INTERFACES))
        .unwrap_or_default()
}
