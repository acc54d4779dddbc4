//! What the pod decides about the proxy without a container of its own: its image,
//! its control plane, its volumes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, Guard, listed, shortened};
use crate::inject::{Config, annotations as names, pod, settings::Settings};

/// Variables that tell the proxy whom to trust and who it is.
const IDENTITY: [&str; 7] = [
    "CA_ADDR",
    "INSTANCE_IP",
    "POD_NAME",
    "POD_NAMESPACE",
    "PROXY_CONFIG",
    "SERVICE_ACCOUNT",
    "TRUST_DOMAIN",
];

pub(super) fn find(config: &Config, pod: &Value, settings: &Settings) -> Vec<Finding> {
    [
        image(config, pod),
        own_environment(pod),
        own_config(config, settings),
        host_paths(pod),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn image(config: &Config, pod: &Value) -> Option<Finding> {
    let image = pod::annotation(pod, names::PROXY_IMAGE)?;
    if Settings::images(config, pod) == Settings::images(config, &Value::Null) {
        return None;
    }
    Some(Finding::new(
        Guard::ProxyImageOverride,
        format!(
            "annotation {} is {:?}",
            names::PROXY_IMAGE,
            shortened(image)
        ),
        "the proxy may not be the mesh's, and istio-init runs this image with NET_ADMIN and NET_RAW",
    ))
}

fn own_environment(pod: &Value) -> Option<Finding> {
    let proxy = pod::find_container(pod, pod::PROXY)?;
    let variables: BTreeSet<_> = pod::array(&proxy["env"])
        .iter()
        .map(pod::name)
        .filter(|name| IDENTITY.contains(name))
        .collect();
    if !variables.is_empty() {
        return Some(identity(format!(
            "the pod's own container {} sets in its env {}",
            pod::PROXY,
            listed(variables.iter().copied())
        )));
    }
    (!pod::array(&proxy["envFrom"]).is_empty()).then(|| {
        identity(format!(
            "the pod's own container {} has envFrom, which may set any of {}",
            pod::PROXY,
            listed(IDENTITY.iter().copied())
        ))
    })
}

/// The annotation `proxy.istio.io/config`, not the mesh's.
fn own_config(config: &Config, settings: &Settings) -> Option<Finding> {
    const DISCOVERY: &str = "discoveryAddress";
    let own = &settings.own_proxy_config;
    let discovery = own.text(DISCOVERY);
    let is_other = discovery.is_some() && discovery != config.mesh.default_config.text(DISCOVERY);
    let fields: Vec<_> = own
        .proxy_metadata()
        .map(|(name, _)| name)
        .filter(|name| IDENTITY.contains(name))
        .chain(is_other.then_some(DISCOVERY))
        .collect();
    let found = format!(
        "annotation {} sets {}",
        names::PROXY_CONFIG,
        listed(fields.iter().copied())
    );
    (!fields.is_empty()).then(|| identity(found))
}

fn identity(found: String) -> Finding {
    Finding::new(
        Guard::ProxyIdentityOverride,
        found,
        "the proxy may get its identity or its configuration from somewhere else than the mesh",
    )
}

fn host_paths(pod: &Value) -> Option<Finding> {
    let volumes = pod::annotation(pod, names::USER_VOLUME)?;
    let volumes = names::by_name(volumes).unwrap_or_default();
    let of_node: Vec<_> = volumes
        .iter()
        .filter(|volume| !volume["hostPath"].is_null())
        .map(pod::name)
        .collect();
    let found = format!(
        "annotation {} has hostPath volumes: {}",
        names::USER_VOLUME,
        listed(of_node.iter().copied())
    );
    let finding = || {
        Finding::new(
            Guard::UserVolumeHostPath,
            found,
            "the pod gets at files of its node",
        )
    };
    (!of_node.is_empty()).then(finding)
}
