//! Guards what the pod decides about the proxy: its image, its control plane, its
//! volumes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    annotations, config::Config, findings::Finding, guard::Guard, images::Images, pod, quote,
    settings::Settings, user_volumes,
};

/// Variables that tell the proxy whom to trust, who it is, and what it does while nobody configures it.
const IDENTITY: [&str; 10] = [
    "CA_ADDR",
    "INSTANCE_IP",
    "PILLION_DISCOVERY",
    "PILLION_TRUST_DOMAIN_ALIASES",
    "PILLION_WHEN_UNREACHABLE",
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
    let image = pod::annotation(pod, annotations::PROXY_IMAGE)?;
    if Images::of(pod, &config.values) == Images::configured(&config.values) {
        return None;
    }
    Some(Finding::new(
        Guard::ProxyImageOverride,
        format!(
            "annotation {} is {:?}",
            annotations::PROXY_IMAGE,
            quote::excerpt(image, quote::NAME)
        ),
        "the proxy may not be the mesh's, and istio-init runs this image with NET_ADMIN and NET_RAW",
    ))
}

fn own_environment(pod: &Value) -> Option<Finding> {
    let proxy = pod::find_container(pod, pod::PROXY)?;
    let variables: BTreeSet<_> = pod::names(pod::array(&proxy["env"]))
        .filter(|name| IDENTITY.contains(name))
        .collect();
    if !variables.is_empty() {
        return Some(identity(format!(
            "the pod's own container {} sets in its env {}",
            pod::PROXY,
            quote::list(variables.iter().copied())
        )));
    }
    (!pod::array(&proxy["envFrom"]).is_empty()).then(|| {
        identity(format!(
            "the pod's own container {} has envFrom, which may set any of {}",
            pod::PROXY,
            quote::list(IDENTITY.iter().copied())
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
        annotations::PROXY_CONFIG,
        quote::list(fields.iter().copied())
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
    let volumes = pod::annotation(pod, annotations::USER_VOLUME)?;
    let volumes = user_volumes::parse(volumes).unwrap_or_default();
    let of_node: Vec<_> = volumes
        .iter()
        .filter(|volume| !volume["hostPath"].is_null())
        .map(pod::name)
        .collect();
    let found = format!(
        "annotation {} has hostPath volumes: {}",
        annotations::USER_VOLUME,
        quote::list(of_node.iter().copied())
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
