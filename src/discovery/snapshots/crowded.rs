//! Namespaces with proxies for whose way of tracing there is no room: the log names each of them once
//! in a while, however often its proxies are told anew.

use tokio::time::Instant;

use crate::discovery::report::Recent;

/// The namespaces that the log has named lately.
#[derive(Debug, Default)]
pub(super) struct Crowded(Recent);

impl Crowded {
    /// Says that a proxy's requests are not traced, because there are so many ways to trace already,
    /// unless that was said of its namespace lately.
    pub fn tell(&mut self, namespace: &str, most: usize) {
        let (key, now) = (Recent::key(namespace), Instant::now());
        if !self.0.is_new(key, now) {
            return;
        }
        self.0.remember(key, now);
        tracing::warn!(
            namespace,
            "proxies that have the same view of the mesh have more than {most} different tracing settings, by their \
             annotations proxy.istio.io/config or by Telemetries; those beyond send their outbound requests untraced: \
             give more of them the same settings"
        );
    }
}
