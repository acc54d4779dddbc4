//! What values can't be: what would break every pod, and what Istio has and
//! Pillion does not.

use super::{Global, plain};
use crate::checks::{
    self, Check, interfaces, log_level, ports, ports_or_all, ranges, ranges_or_all,
};

/// Every fault, with its key.
pub(super) fn faults(global: &Global, has_cni: bool) -> Vec<String> {
    let mut faults = unsupported(global, has_cni);
    faults.extend(texts(global));
    faults.extend(images(global));
    let resources = &global.proxy.resources.0;
    faults.extend(
        checks::resources(resources)
            .into_iter()
            .map(|fault| format!("global.proxy.resources.{fault}")),
    );
    faults
}

fn unsupported(global: &Global, has_cni: bool) -> Vec<String> {
    [
        (
            has_cni,
            "pilot.cni.enabled: there is no CNI plugin; the init container sets up capture",
        ),
        (
            global.native_nftables,
            "global.nativeNftables: there is no nftables mode; iptables with its nft back end serves",
        ),
        (
            global.platform == "openshift",
            "global.platform: OpenShift's uid ranges are not supported",
        ),
        (
            global.proxy.privileged,
            "global.proxy.privileged: the proxy is never privileged",
        ),
        (
            global.proxy.enable_core_dump,
            "global.proxy.enableCoreDump: core dumps can't be switched on",
        ),
    ]
    .into_iter()
    .filter(|(asked, _)| *asked)
    .map(|(_, fault)| fault.to_owned())
    .collect()
}

/// The same checks as for the annotations that stand for these values.
fn texts(global: &Global) -> impl Iterator<Item = String> {
    let capture = &global.proxy.capture;
    let texts: [(&str, &str, Check); 9] = [
        ("proxy.logLevel", &global.proxy.log_level, log_level),
        (
            "proxy.includeIPRanges",
            &capture.include_ip_ranges,
            ranges_or_all,
        ),
        ("proxy.excludeIPRanges", &capture.exclude_ip_ranges, ranges),
        (
            "proxy.includeInboundPorts",
            &capture.include_inbound_ports,
            ports_or_all,
        ),
        (
            "proxy.excludeInboundPorts",
            &capture.exclude_inbound_ports,
            ports,
        ),
        (
            "proxy.includeOutboundPorts",
            &capture.include_outbound_ports,
            ports,
        ),
        (
            "proxy.excludeOutboundPorts",
            &capture.exclude_outbound_ports,
            ports,
        ),
        (
            "proxy.excludeInterfaces",
            &capture.exclude_interfaces,
            interfaces,
        ),
        ("imagePullPolicy", &global.image_pull_policy, pull_policy),
    ];
    texts.into_iter().filter_map(|(key, text, check)| {
        let wanted = check(text).err()?;
        Some(format!("global.{key}: invalid value {text:?}: {wanted}"))
    })
}

fn pull_policy(value: &str) -> Result<(), String> {
    matches!(value, "" | "Always" | "IfNotPresent" | "Never")
        .then_some(())
        .ok_or_else(|| "Always, IfNotPresent or Never is wanted".to_owned())
}

/// An image is a whole reference, or a name for which hub and tag are needed.
fn images(global: &Global) -> Vec<String> {
    let images = [
        ("proxy.image", &global.proxy.image),
        ("proxy_init.image", &global.proxy_init.image),
    ];
    let mut faults: Vec<_> = images
        .iter()
        .filter(|(_, image)| image.is_empty() || image.contains(char::is_whitespace))
        .map(|(key, image)| format!("global.{key}: {image:?} is no image"))
        .collect();
    if images.iter().any(|(_, image)| !image.contains('/')) {
        for (key, text) in [("hub", global.hub.clone()), ("tag", plain(&global.tag))] {
            if text.is_empty() || text.contains(char::is_whitespace) {
                faults.push(format!(
                    "global.{key}: {text:?} makes no image; set it, or whole images"
                ));
            }
        }
    }
    faults
}
