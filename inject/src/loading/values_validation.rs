//! Rejects values that would break every pod, and those that switch on what Istio
//! has and Pillion does not.

use super::raw_values::{Global, RawValues};
use crate::{
    fault::Fault,
    value_checks::{
        self, Check, Invalid, interfaces, log_level, ports, ports_or_all, ranges, ranges_or_all,
    },
};

/// Every fault, with its path.
pub(super) fn faults(values: &RawValues) -> Vec<Fault> {
    let global = &values.global;
    let mut faults = unsupported(global, values.has_cni());
    faults.extend(texts(global));
    faults.extend(images(global));
    let resources = value_checks::resources(&global.proxy.resources.0);
    faults.extend(
        resources
            .into_iter()
            .map(|fault| fault.in_field("global.proxy.resources")),
    );
    faults
}

fn unsupported(global: &Global, has_cni: bool) -> Vec<Fault> {
    [
        (
            has_cni,
            "pilot.cni.enabled",
            "there is no CNI plugin; the init container sets up capture",
        ),
        (
            global.native_nftables,
            "global.nativeNftables",
            "there is no nftables mode; use iptables with its nft back end",
        ),
        (
            global.platform == "openshift",
            "global.platform",
            "OpenShift's uid ranges are not supported",
        ),
        (
            global.proxy.privileged,
            "global.proxy.privileged",
            "the proxy is never privileged",
        ),
        (
            global.proxy.enable_core_dump,
            "global.proxy.enableCoreDump",
            "core dumps can't be switched on",
        ),
    ]
    .into_iter()
    .filter(|(asked, _, _)| *asked)
    .map(|(_, path, message)| Fault::at(path, message))
    .collect()
}

/// The same checks as for the annotations that stand for these values.
fn texts(global: &Global) -> impl Iterator<Item = Fault> {
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
        let invalid = check(text).err()?;
        Some(Fault::at(
            format!("global.{key}"),
            format!("invalid value {text:?}: {invalid}"),
        ))
    })
}

fn pull_policy(value: &str) -> Result<(), Invalid> {
    matches!(value, "" | "Always" | "IfNotPresent" | "Never")
        .then_some(())
        .ok_or(Invalid::new("must be Always, IfNotPresent or Never"))
}

/// Checks the images: each is a whole reference, or a name that hub and tag complete.
fn images(global: &Global) -> Vec<Fault> {
    let images = [
        ("proxy.image", &global.proxy.image),
        ("proxy_init.image", &global.proxy_init.image),
    ];
    let mut faults: Vec<_> = images
        .iter()
        .filter(|(_, image)| image.is_empty() || image.contains(char::is_whitespace))
        .map(|(key, image)| {
            Fault::at(
                format!("global.{key}"),
                format!("{image:?} is not an image"),
            )
        })
        .collect();
    if images.iter().any(|(_, image)| !image.contains('/')) {
        for (key, text) in [("hub", global.hub.clone()), ("tag", global.tag())] {
            if text.is_empty() || text.contains(char::is_whitespace) {
                let message = format!(
                    "{text:?} can't be part of an image; set it, or set images with a registry and a tag"
                );
                faults.push(Fault::at(format!("global.{key}"), message));
            }
        }
    }
    faults
}
