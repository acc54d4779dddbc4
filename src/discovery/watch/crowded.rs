//! Services of which the mesh does not know all ports: the log names each of them once in a while,
//! however often it changes.

use k8s_openapi::api::core::v1;
use kube::ResourceExt;
use tokio::time::Instant;

use crate::discovery::{
    convert::service::{PORTS, tcp_ports},
    report::Recent,
};

/// The Services that the log has named lately.
#[derive(Debug, Default)]
pub(super) struct Crowded(Recent);

impl Crowded {
    /// Says so if a Service has more ports than the mesh knows, unless that was said lately.
    pub fn look_at(&mut self, object: &v1::Service) {
        let ports = tcp_ports(object);
        if ports <= PORTS {
            return;
        }
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let (key, now) = (Recent::key((&namespace, &name)), Instant::now());
        if !self.0.is_new(key, now) {
            return;
        }
        self.0.remember(key, now);
        tracing::warn!(
            %namespace,
            name,
            ports,
            "a Service has more than {PORTS} TCP ports; the mesh does not know those that are listed after these: use \
             several Services"
        );
    }
}

#[cfg(test)]
mod tests {
    use pillion_telemetry::{Format, logged};
    use serde_json::json;

    use super::*;

    fn service(name: &str, ports: usize) -> v1::Service {
        let ports: Vec<_> = (1..=ports).map(|port| json!({"port": port})).collect();
        let object =
            json!({"metadata": {"namespace": "shop", "name": name}, "spec": {"ports": ports}});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_service_with_too_many_ports_is_named_once_however_often_it_changes() {
        let mut crowded = Crowded::default();
        let lines = logged(Format::Json, || {
            for ports in [PORTS, PORTS + 1, PORTS + 2, PORTS + 1] {
                crowded.look_at(&service("web", ports));
            }
            crowded.look_at(&service("other", PORTS + 1));
        });
        let names = ["web", "other"].map(|name| format!("\"name\":\"{name}\""));
        assert_eq!(
            names.map(|name| lines.matches(&name).count()),
            [1, 1],
            "{lines}"
        );
        assert!(lines.contains("\"ports\":257"), "{lines}");
    }
}
