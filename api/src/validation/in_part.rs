//! What an invalid `PeerAuthentication` closes, which may have been stored while nobody validated it.
//! Ignoring the whole object would leave those ports open.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{limits, peer_authentication::port_number};
use crate::{Metadata, MutualTls, MutualTlsMode, Object, PeerAuthenticationSpec, WorkloadSelector};

/// The part of an invalid `PeerAuthentication` that closes ports, in the form of a valid one.
///
/// A mode that can't be read becomes `STRICT`, and one that opens what a wider scope may close, `UNSET`. `portLevelMtls`
/// without a selector, entries whose key is not a port, and entries above the limit are left out. Returns `None` if
/// the selector can't be read, and if nothing is `STRICT`: such an object must not take the place of a valid one.
pub fn peer_authentication_in_part(object: &Value) -> Option<Object<PeerAuthenticationSpec>> {
    let metadata = Metadata::deserialize(object.get("metadata")?).ok()?;
    let Value::Object(spec) = object.get("spec")? else {
        return None;
    };
    let match_labels = labels(spec.get("selector"))?;
    let mtls = spec.get("mtls").filter(|mtls| !mtls.is_null());
    let spec = PeerAuthenticationSpec {
        port_level_mtls: match spec.get("portLevelMtls") {
            Some(Value::Object(ports)) if !match_labels.is_empty() => self::ports(ports),
            _ => BTreeMap::new(),
        },
        selector: (!match_labels.is_empty()).then_some(WorkloadSelector { match_labels }),
        mtls: mtls.map(self::mtls),
    };
    let mut modes = spec.mtls.iter().chain(spec.port_level_mtls.values());
    let closes = modes.any(|mtls| mtls.mode == MutualTlsMode::Strict);
    closes.then_some(Object { metadata, spec })
}

/// The labels of a selector, which has none for all pods. Returns `None` if a part can't be read: fewer labels
/// would select more pods.
fn labels(selector: Option<&Value>) -> Option<BTreeMap<String, String>> {
    let fields = match selector {
        None | Some(Value::Null) => return Some(BTreeMap::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return None,
    };
    if fields.keys().any(|name| name != "matchLabels") {
        return None;
    }
    let labels = match fields.get("matchLabels") {
        None | Some(Value::Null) => return Some(BTreeMap::new()),
        Some(Value::Object(labels)) => labels.iter(),
        Some(_) => return None,
    };
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    labels.map(text).collect()
}

fn ports(ports: &Map<String, Value>) -> BTreeMap<String, MutualTls> {
    let valid = ports.iter().filter(|(port, _)| port_number(port).is_some());
    let valid = valid.map(|(port, value)| (port.clone(), mtls(value)));
    valid.take(limits::PORTS).collect()
}

fn mtls(value: &Value) -> MutualTls {
    let mode = match value {
        Value::Object(fields) if !fields.is_empty() => fields.get("mode"),
        Value::Object(_) | Value::Null => Some(&Value::Null),
        _ => None,
    };
    let mode = match mode {
        Some(Value::Null) => MutualTlsMode::Unset,
        Some(mode) => match MutualTlsMode::deserialize(mode) {
            Ok(MutualTlsMode::Strict) | Err(_) => MutualTlsMode::Strict,
            Ok(_) => MutualTlsMode::Unset,
        },
        None => MutualTlsMode::Strict,
    };
    MutualTls { mode }
}
