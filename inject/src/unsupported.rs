//! What a pod can ask of Istio and Pillion does not have.

use serde_json::Value;

use crate::{annotations, pod, value_checks::parse_bool};

/// A feature that a pod asks for and Pillion does not have. The text says what to
/// do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The interception mode TPROXY.
    #[error("interception mode TPROXY is not supported by this version of Pillion; use REDIRECT")]
    Tproxy,
    /// The annotation `sidecar.istio.io/bootstrapOverride`.
    #[error(
        "annotation {:?} is not supported: the proxy is not Envoy and has no bootstrap; remove the annotation",
        annotations::BOOTSTRAP_OVERRIDE
    )]
    BootstrapOverride,
    /// The annotation `sidecar.istio.io/capNetBindService`.
    #[error(
        "annotation {:?} is not supported: set the pod's sysctl net.ipv4.ip_unprivileged_port_start instead",
        annotations::CAP_NET_BIND_SERVICE
    )]
    CapNetBindService,
    /// The annotation `sidecar.istio.io/enableCoreDump`.
    #[error(
        "annotation {:?} is not supported: core dumps can't be switched on; remove the annotation",
        annotations::ENABLE_CORE_DUMP
    )]
    EnableCoreDump,
    /// A variable that has the proxy answer the pod's DNS queries.
    #[error(
        "DNS capture ({0}=true) is not supported by this version of Pillion; leave {0} out of proxyMetadata and of \
         the containers' env"
    )]
    DnsCapture(&'static str),
}

/// The variables that ask for DNS capture: Istio's proxy reads the first one, and its init
/// container reads all of them.
const DNS_CAPTURE: [&str; 3] = ["ISTIO_META_DNS_CAPTURE", "REDIRECT_DNS", "CAPTURE_ALL_DNS"];

/// The variable that asks for DNS capture, if one of these does.
pub(crate) fn dns_capture<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<Unsupported> {
    let asking = |(name, value): (&'a str, &'a str)| {
        let known = DNS_CAPTURE.into_iter().find(|known| *known == name)?;
        (parse_bool(value) == Some(true)).then_some(Unsupported::DnsCapture(known))
    };
    variables.into_iter().find_map(asking)
}

/// The variables that the pod's own part of the proxy and of the init container sets.
pub(crate) fn own_variables(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    let own = [pod::PROXY, pod::INIT].into_iter();
    let containers = own.filter_map(move |name| pod::find_container(pod, name));
    let variables = containers.flat_map(|container| pod::array(&container["env"]));
    variables.filter_map(|variable| Some((pod::name(variable), variable["value"].as_str()?)))
}

/// All unsupported features that a pod with this interception mode asks for.
pub(crate) fn find(pod: &Value, interception_mode: &str) -> Vec<Unsupported> {
    let annotation = |name| pod::annotation(pod, name);
    let is_true = |name| annotation(name).and_then(parse_bool) == Some(true);
    [
        (interception_mode == "TPROXY", Unsupported::Tproxy),
        (
            annotation(annotations::BOOTSTRAP_OVERRIDE).is_some(),
            Unsupported::BootstrapOverride,
        ),
        (
            is_true(annotations::CAP_NET_BIND_SERVICE),
            Unsupported::CapNetBindService,
        ),
        (
            is_true(annotations::ENABLE_CORE_DUMP),
            Unsupported::EnableCoreDump,
        ),
    ]
    .into_iter()
    .filter(|(asked, _)| *asked)
    .map(|(_, feature)| feature)
    .collect()
}
