//! Capture that the pod switches off: by its templates, by the interception mode,
//! or by what it includes and excludes.

use serde_json::Value;

use super::{
    Finding, Guard,
    ranges::{Family, Ranges},
    shortened,
};
use crate::{
    Config, annotations as names, capture::rerouted_interfaces, config::Capture, draft::Draft, pod,
    settings::Settings,
};

/// The interface of a pod that container runtimes give it.
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

/// A mesh whose mode it is has chosen so itself.
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
    let wanted = pod::annotation(pod, names::TEMPLATES)?;
    if template.has_container(pod::INIT) || template.has_container(pod::VALIDATION) {
        return None;
    }
    Some(Finding::new(
        Guard::TemplatesWithoutCapture,
        format!(
            "annotation {} is {:?}, which has no {}",
            names::TEMPLATES,
            shortened(wanted),
            pod::INIT
        ),
        "the traffic of the pod's containers is not captured",
    ))
}

/// What of the traffic goes past the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Outbound,
    OutboundV4,
    OutboundV6,
    Inbound,
    Interface,
    Rerouted,
}

/// Gaps that the values do not have already are the pod's.
fn exclusions(defaults: &Capture, pod: &Value) -> Vec<Finding> {
    let own = Traffic::of(pod, defaults);
    let configured = Traffic::of(&Value::Null, defaults);
    if own == configured {
        return Vec::new();
    }
    let configured = configured.gaps();
    let mut gaps = own.gaps();
    gaps.retain(|gap| !configured.contains(gap));
    gaps.into_iter().map(Gap::finding).collect()
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
                    names::EXCLUDE_OUTBOUND_RANGES
                ),
                "the pod's outbound IPv4 traffic goes past the proxy",
            ),
            Self::OutboundV6 => (
                format!(
                    "annotation {} covers every IPv6 address that is included",
                    names::EXCLUDE_OUTBOUND_RANGES
                ),
                "the pod's outbound IPv6 traffic goes past the proxy",
            ),
            Self::Inbound => (
                format!("annotation {} names no port", names::INCLUDE_INBOUND_PORTS),
                "the pod's inbound traffic goes past the proxy",
            ),
            Self::Interface => (
                format!(
                    "annotation {} names {POD_INTERFACE}, which is the pod's interface",
                    names::EXCLUDE_INTERFACES
                ),
                "the pod's traffic goes past the proxy",
            ),
            Self::Rerouted => (
                format!(
                    "annotation {} (or {}) names {POD_INTERFACE}, which is the pod's interface",
                    names::REROUTE_INTERFACES,
                    names::KUBEVIRT_INTERFACES
                ),
                "the pod's inbound traffic is taken for outbound traffic",
            ),
        };
        Finding::new(Guard::CaptureExclusion, found, consequence)
    }
}

/// What is captured, as the annotations and the values come to.
#[derive(PartialEq, Eq)]
struct Traffic<'a> {
    include_ranges: &'a str,
    exclude_ranges: &'a str,
    include_inbound_ports: &'a str,
    include_outbound_ports: &'a str,
    exclude_interfaces: &'a str,
    rerouted_interfaces: &'a str,
}

impl<'a> Traffic<'a> {
    fn of(pod: &'a Value, defaults: &'a Capture) -> Self {
        let setting =
            |name, default: &'a String| pod::annotation(pod, name).unwrap_or(default.as_str());
        Self {
            include_ranges: setting(names::INCLUDE_OUTBOUND_RANGES, &defaults.include_ip_ranges),
            exclude_ranges: setting(names::EXCLUDE_OUTBOUND_RANGES, &defaults.exclude_ip_ranges),
            include_inbound_ports: setting(
                names::INCLUDE_INBOUND_PORTS,
                &defaults.include_inbound_ports,
            ),
            include_outbound_ports: setting(
                names::INCLUDE_OUTBOUND_PORTS,
                &defaults.include_outbound_ports,
            ),
            exclude_interfaces: setting(names::EXCLUDE_INTERFACES, &defaults.exclude_interfaces),
            rerouted_interfaces: rerouted_interfaces(pod),
        }
    }

    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        gaps.extend(self.outbound());
        if !has_port(self.include_inbound_ports) {
            gaps.push(Gap::Inbound);
        }
        if names_the_pods(self.exclude_interfaces) {
            gaps.push(Gap::Interface);
        }
        if names_the_pods(self.rerouted_interfaces) {
            gaps.push(Gap::Rerouted);
        }
        gaps
    }

    fn outbound(&self) -> Option<Gap> {
        let is_everywhere = self.include_ranges == "*" || has_port(self.include_outbound_ports);
        // Whether something is included, and whether something is left of it.
        let reach = |family| {
            let included = if is_everywhere {
                Ranges::unicast(family)
            } else {
                Ranges::parse(self.include_ranges, family).intersection(&Ranges::unicast(family))
            };
            let is_off = included.is_within(&Ranges::parse(self.exclude_ranges, family));
            (!included.is_empty(), !is_off)
        };
        match (reach(Family::V4), reach(Family::V6)) {
            ((_, false), (_, false)) => Some(Gap::Outbound),
            ((true, false), _) => Some(Gap::OutboundV4),
            (_, (true, false)) => Some(Gap::OutboundV6),
            _ => None,
        }
    }
}

/// Nothing listens on port 0.
fn has_port(list: &str) -> bool {
    let number = |port: &str| port.trim().parse::<u16>().unwrap_or_default();
    list == "*" || list.split(',').any(|port| number(port) != 0)
}

/// A `+` at the end of a name stands for any rest, as iptables has it.
fn names_the_pods(list: &str) -> bool {
    list.split(',').map(str::trim).any(|name| {
        name == POD_INTERFACE
            || name
                .strip_suffix('+')
                .is_some_and(|prefix| POD_INTERFACE.starts_with(prefix))
    })
}
