//! The fields of Istio's MeshConfig, so that a misspelt one is noticed.

use serde_json::{Map, Value};

use crate::{fault::Fault, quote};

/// The fields of `istio.mesh.v1alpha1.MeshConfig` (Istio 1.31), by their names in JSON.
const FIELDS: [&str; 50] = [
    "accessLogEncoding",
    "accessLogFile",
    "accessLogFormat",
    "ca",
    "caCertificates",
    "certificates",
    "configSources",
    "connectTimeout",
    "defaultConfig",
    "defaultDestinationRuleExportTo",
    "defaultHttpRetryPolicy",
    "defaultProviders",
    "defaultServiceExportTo",
    "defaultTrafficPolicy",
    "defaultVirtualServiceExportTo",
    "disableEnvoyListenerLog",
    "discoverySelectors",
    "dnsRefreshRate",
    "enableAutoMtls",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableTracing",
    "extensionProviders",
    "h2UpgradePolicy",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "localityLbSetting",
    "meshMTLS",
    "outboundClusterStatName",
    "outboundTrafficPolicy",
    "pathNormalization",
    "protocolDetectionTimeout",
    "proxyHttpPort",
    "proxyInboundListenPort",
    "proxyListenPort",
    "rootNamespace",
    "serviceEntryVisibility",
    "serviceScopeConfigs",
    "serviceSettings",
    "tcpKeepalive",
    "tlsDefaults",
    "trustDomain",
    "trustDomainAliases",
    "verifyCertificateAtClient",
    "zoneAwareLbSetting",
];

/// As many are named; the rest are as likely to be of another document.
const MAX_WARNINGS: usize = 20;
/// Longer names are not compared with those that are known.
const MAX_COMPARED: usize = 40;
/// The most letters by which a misspelt name differs.
const MAX_DISTANCE: usize = 3;

/// The fields that MeshConfig doesn't have, each with what may be meant. Istio ignores
/// them, and a mesh that is moved here must not fail by them.
pub(super) fn unknown(mesh: &Map<String, Value>) -> Vec<Fault> {
    let names = mesh.keys().filter(|name| !FIELDS.contains(&name.as_str()));
    let names = names.take(MAX_WARNINGS);
    names
        .map(|name| {
            let mut message = "not a field of MeshConfig that Pillion knows".to_owned();
            if let Some(meant) = meant(name) {
                message.push_str("; did you mean ");
                message.push_str(meant);
                message.push('?');
            }
            Fault::at(quote::excerpt(name, quote::NAME), message)
        })
        .collect()
}

/// The known field that is most like a name.
fn meant(name: &str) -> Option<&'static str> {
    if name.chars().count() > MAX_COMPARED {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let distance = |field: &str| strsim::osa_distance(&name, &field.to_ascii_lowercase());
    let fields = FIELDS.into_iter().map(|field| (distance(field), field));
    let (distance, field) = fields.min()?;
    // Of a short name, three other letters leave nothing.
    let is_alike = distance <= MAX_DISTANCE && distance * 3 <= name.chars().count();
    is_alike.then_some(field)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(mesh: &Value) -> Vec<String> {
        let faults = unknown(mesh.as_object().unwrap());
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn says_what_a_misspelt_field_may_mean() {
        let mesh =
            json!({"accessLogfile": "/dev/stdout", "enableAutoMTLS": true, "trustdomian": "x"});
        assert_eq!(
            texts(&mesh),
            [
                "accessLogfile: not a field of MeshConfig that Pillion knows; did you mean accessLogFile?",
                "enableAutoMTLS: not a field of MeshConfig that Pillion knows; did you mean enableAutoMtls?",
                "trustdomian: not a field of MeshConfig that Pillion knows; did you mean trustDomain?",
            ]
        );
    }

    #[test]
    fn guesses_nothing_of_a_name_that_is_like_none() {
        let long = "x".repeat(1000);
        for name in ["", "c", "policy", "mixerCheckServer", &long] {
            let warning = &texts(&json!({ name: 1 }))[0];
            assert!(warning.ends_with("that Pillion knows"), "{warning}");
            assert!(warning.len() < 200, "{warning}");
        }
    }

    #[test]
    fn knows_what_istio_has() {
        assert!(FIELDS.is_sorted());
        let all: Map<String, Value> = FIELDS
            .map(|name| (name.to_owned(), json!(1)))
            .into_iter()
            .collect();
        assert_eq!(unknown(&all), []);
    }

    #[test]
    fn names_a_limited_number() {
        let many: Map<String, Value> = (0..100).map(|at| (format!("x{at}"), json!(1))).collect();
        assert_eq!(unknown(&many).len(), MAX_WARNINGS);
    }
}
