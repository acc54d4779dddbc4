//! The ports that the proxy uses in a pod; they are Istio's.

/// Where iptables redirects what leaves the pod.
pub(crate) const OUTBOUND: u16 = 15001;
/// Where iptables redirects what comes to the pod.
pub(crate) const INBOUND: u16 = 15006;
/// The administrator's port: on loopback, and nobody else's business.
pub(crate) const ADMIN: u16 = 15000;
/// The kubelet's checks of the proxy.
pub(super) const HEALTH: u16 = 15021;
/// The proxy's own metrics.
pub(crate) const PROMETHEUS: u16 = 15090;

/// Whether a port is the proxy's own, besides its status port: it can't be one of a Gateway.
pub(crate) fn is_own(port: u16) -> bool {
    [OUTBOUND, INBOUND, ADMIN, HEALTH, PROMETHEUS].contains(&port)
}
