//! Clients of TLS that no request tells of.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// Clients of TLS that were not served to the end.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    violations: Counter,
}

impl Tls {
    /// Shows them.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_tls_violations",
            "Connections of TLS that were cut because the client broke its rules after the handshake; \
             pillion_connections_refused has those before",
            self.violations.clone(),
        );
    }

    /// So many clients were cut off because they do not speak TLS as they should.
    pub fn broken(&self, count: u64) {
        self.violations.inc_by(count);
    }
}
