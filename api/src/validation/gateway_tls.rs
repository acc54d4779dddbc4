//! TLS at gateways, which is not built yet: that is said once for a server, and not of each of its
//! fields.

use serde_json::{Map, Value};

use crate::findings::Findings;

const NOT_BUILT: &str = "TLS at gateways is not built yet (HTTPS, TLS); HTTP and TCP are";

/// Refuses the servers of a spec that ask for TLS, and takes them out of it, so that nothing else is said
/// of them.
pub(crate) fn refuse(findings: &mut Findings, spec: &mut Value) {
    let Some(servers) = spec.get_mut("servers").and_then(Value::as_array_mut) else {
        return;
    };
    findings.at("servers", |findings| {
        for (index, server) in servers.iter_mut().enumerate() {
            let Some((parent, field)) = asks(server) else {
                continue;
            };
            findings.at(index, |findings| {
                findings.at(parent, |findings| {
                    findings.at(field, |findings| findings.fault(NOT_BUILT));
                });
            });
            *server = Value::Object(Map::new());
        }
    });
}

/// The field by which a server asks for TLS.
fn asks(server: &Value) -> Option<(&'static str, &'static str)> {
    let text = |parent: &str, field: &str| {
        let text = server.get(parent)?.get(field)?.as_str()?;
        Some(text.to_ascii_uppercase())
    };
    if matches!(text("port", "protocol").as_deref(), Some("HTTPS" | "TLS")) {
        return Some(("port", "protocol"));
    }
    text("tls", "mode").filter(|mode| !mode.is_empty())?;
    Some(("tls", "mode"))
}
