//! Guards capture: whether the pod switches it off by its templates, by the
//! interception mode, or by what it includes and excludes.

use serde_json::Value;

use super::ranges::{Family, Ranges};
use crate::{
    annotations,
    capture::PodCapture,
    config::{Config, capture::Capture},
    draft::Draft,
    findings::Finding,
    guard::Guard,
    pod, quote,
    settings::Settings,
};

/// The network interface that container runtimes give a pod.
const POD_INTERFACE: &str = "eth0";

const NONE: &str = "NONE";

pub(super) fn find(
    config: &Config,
    pod: &Value,
    settings: &Settings,
    template: &Draft,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if settings.interception_mode == NONE {
        findings.extend(mode(config));
    } else {
        findings.extend(templates(pod, template));
    }
    findings.extend(exclusions(&config.values.proxy.capture, pod));
    findings
}

/// Nothing is found where the mesh itself has this mode.
fn mode(config: &Config) -> Option<Finding> {
    let of_mesh = config.mesh.default_config.text("interceptionMode");
    let finding = || {
        Finding::new(
            Guard::InterceptionModeNone,
            "the pod's interception mode is NONE",
            "no traffic is captured, and only what is sent to the proxy itself goes through it",
        )
    };
    (of_mesh != Some(NONE)).then(finding)
}

fn templates(pod: &Value, template: &Draft) -> Option<Finding> {
    let requested = pod::annotation(pod, annotations::TEMPLATES)?;
    if template.has_container(pod::INIT) || template.has_container(pod::VALIDATION) {
        return None;
    }
    Some(Finding::new(
        Guard::TemplatesWithoutCapture,
        format!(
            "annotation {} is {:?}, which has no {}",
            annotations::TEMPLATES,
            quote::excerpt(requested, quote::NAME),
            pod::INIT
        ),
        "the traffic of the pod's containers is not captured",
    ))
}

/// A part of the traffic that goes past the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Outbound,
    OutboundV4,
    OutboundV6,
    Inbound,
    Interface,
    Rerouted,
}

/// The gaps that the values do not have already.
fn exclusions(defaults: &Capture, pod: &Value) -> Vec<Finding> {
    let own = PodCapture::new(pod, defaults);
    let configured = PodCapture::new(&Value::Null, defaults);
    if own == configured {
        return Vec::new();
    }
    let configured = gaps(&configured);
    let mut added = gaps(&own);
    added.retain(|gap| !configured.contains(gap));
    added.into_iter().map(Gap::finding).collect()
}

impl Gap {
    fn finding(self) -> Finding {
        let (found, consequence) = match self {
            Self::Outbound => (
                "the annotations traffic.sidecar.istio.io/… leave no outbound address or port to capture"
                    .to_owned(),
                "the pod's outbound traffic goes past the proxy",
            ),
            Self::OutboundV4 => (
                format!(
                    "annotation {} covers every IPv4 address that is included",
                    annotations::EXCLUDE_OUTBOUND_RANGES
                ),
                "the pod's outbound IPv4 traffic goes past the proxy",
            ),
            Self::OutboundV6 => (
                format!(
                    "annotation {} covers every IPv6 address that is included",
                    annotations::EXCLUDE_OUTBOUND_RANGES
                ),
                "the pod's outbound IPv6 traffic goes past the proxy",
            ),
            Self::Inbound => (
                format!("annotation {} names no port", annotations::INCLUDE_INBOUND_PORTS),
                "the pod's inbound traffic goes past the proxy",
            ),
            Self::Interface => (
                format!(
                    "annotation {} names {POD_INTERFACE}, which is the pod's interface",
                    annotations::EXCLUDE_INTERFACES
                ),
                "the pod's traffic goes past the proxy",
            ),
            Self::Rerouted => (
                format!(
                    "annotation {} (or {}) names {POD_INTERFACE}, which is the pod's interface",
                    annotations::REROUTE_INTERFACES,
                    annotations::KUBEVIRT_INTERFACES
                ),
                "the pod's inbound traffic is taken for outbound traffic",
            ),
        };
        Finding::new(Guard::CaptureExclusion, found, consequence)
    }
}

fn gaps(capture: &PodCapture<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    gaps.extend(outbound(capture));
    if !has_port(capture.include_inbound_ports) {
        gaps.push(Gap::Inbound);
    }
    if has_pod_interface(capture.exclude_interfaces) {
        gaps.push(Gap::Interface);
    }
    if has_pod_interface(capture.rerouted_interfaces) {
        gaps.push(Gap::Rerouted);
    }
    gaps
}

fn outbound(capture: &PodCapture<'_>) -> Option<Gap> {
    let is_everywhere =
        capture.include_outbound_ranges == "*" || has_port(capture.include_outbound_ports);
    // Whether something is included, and whether something is left of it.
    let reach = |family| {
        let included = if is_everywhere {
            Ranges::unicast(family)
        } else {
            Ranges::parse(capture.include_outbound_ranges, family)
                .intersection(&Ranges::unicast(family))
        };
        let is_off = included.is_within(&Ranges::parse(capture.exclude_outbound_ranges, family));
        (!included.is_empty(), !is_off)
    };
    match (reach(Family::V4), reach(Family::V6)) {
        ((_, false), (_, false)) => Some(Gap::Outbound),
        ((true, false), _) => Some(Gap::OutboundV4),
        (_, (true, false)) => Some(Gap::OutboundV6),
        _ => None,
    }
}

/// Whether a list of ports has one. Nothing listens on port 0.
fn has_port(list: &str) -> bool {
    let number = |port: &str| port.trim().parse::<u16>().unwrap_or_default();
    list == "*" || list.split(',').any(|port| number(port) != 0)
}

/// Whether a list of interfaces has the pod's. A `+` at the end of a name stands for
/// any rest, as in iptables.
fn has_pod_interface(list: &str) -> bool {
    list.split(',').map(str::trim).any(|name| {
        name == POD_INTERFACE
            || name
                .strip_suffix('+')
                .is_some_and(|prefix| POD_INTERFACE.starts_with(prefix))
    })
}
