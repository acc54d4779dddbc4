//! Messages inside of others.

use pillion_envoy_api::{Any, is_known, unknown_fields};
use prost::Message;

use super::fault::Fault;

/// Decodes a resource. Fields that this proxy doesn't know would be dropped, and what they
/// ask for with them, so there must be none.
pub(super) fn message<M: Message + Default>(
    type_url: &'static str,
    bytes: &[u8],
) -> Result<M, Fault> {
    let unknown = unknown_fields(type_url, bytes);
    let unknown = unknown.map_err(|error| Fault::new("", error.to_string()))?;
    if let Some(path) = unknown.first() {
        let others = match unknown.len() {
            1 => String::new(),
            found => format!(", and {} more fields", found - 1),
        };
        return Err(Fault::new(
            path,
            format!("is not known to this proxy{others}"),
        ));
    }
    M::decode(bytes).map_err(|error| Fault::new("", format!("can't be decoded: {error}")))
}

/// Decodes a message inside of a resource that has been walked already.
pub(super) fn message_of<M: Message + Default>(
    type_url: &'static str,
    any: &Any,
) -> Result<M, Fault> {
    let unpacked = any.unpack(type_url);
    unpacked.map_err(|error| Fault::new("", error.to_string()))
}

/// What is plugged into Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension<'a> {
    /// A filter of Istio's whose work this proxy does by itself.
    Native,
    /// One with a message of ours.
    Known(&'a Any),
}

/// Filters that stand for what this proxy does natively, or for metadata that it needs no
/// filter for: Istio's metadata exchange, metrics, ALPN and gRPC statistics.
const NATIVE: [&str; 5] = [
    "envoy.tcp.metadataexchange.config.MetadataExchange",
    "io.istio.http.peer_metadata.Config",
    "stats.PluginConfig",
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
];

/// A message that has the type of the real one as a text, with which Istio configures filters
/// that its control plane has no types of.
#[derive(Clone, PartialEq, Message)]
struct TypedStruct {
    #[prost(string, tag = "1")]
    type_url: String,
}

const TYPED_STRUCTS: [&str; 2] = ["udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"];

/// Tells what an extension is, by the type of its configuration: its name is free.
pub(super) fn extension(config: Option<&Any>) -> Result<Extension<'_>, Fault> {
    let Some(config) = config else {
        return Err(Fault::new("", "is missing"));
    };
    let mut kind = name(&config.type_url).to_owned();
    if TYPED_STRUCTS.contains(&kind.as_str()) {
        let typed = TypedStruct::decode(config.value.clone());
        let typed = typed.map_err(|error| Fault::new("", format!("can't be decoded: {error}")))?;
        kind = name(&typed.type_url).to_owned();
    }
    if NATIVE.contains(&kind.as_str()) {
        return Ok(Extension::Native);
    }
    match is_known(&config.type_url) {
        true => Ok(Extension::Known(config)),
        false => {
            let kind: String = kind.chars().take(200).collect();
            Err(Fault::new(
                "",
                format!("{kind} is not supported by this proxy"),
            ))
        }
    }
}

/// The message's name in a type URL.
fn name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::type_url;

    use super::*;

    fn any(type_url: &str, value: Vec<u8>) -> Any {
        Any {
            type_url: type_url.to_owned(),
            value: value.into(),
        }
    }

    #[test]
    fn knows_istio_s_filters_by_their_types() {
        let stats = "type.googleapis.com/stats.PluginConfig";
        assert_eq!(extension(Some(&any(stats, vec![]))), Ok(Extension::Native));
        let typed = TypedStruct {
            type_url: stats.to_owned(),
        };
        let typed_struct = "type.googleapis.com/udpa.type.v1.TypedStruct";
        let wrapped = any(typed_struct, typed.encode_to_vec());
        assert_eq!(extension(Some(&wrapped)), Ok(Extension::Native));
        let router = any(type_url::ROUTER, vec![]);
        assert_eq!(extension(Some(&router)), Ok(Extension::Known(&router)));
    }

    #[test]
    fn refuses_what_is_not_known() {
        let name = "envoy.extensions.filters.http.lua.v3.Lua";
        let lua = any(&format!("type.googleapis.com/{name}"), vec![]);
        let fault = extension(Some(&lua)).unwrap_err();
        assert_eq!(
            fault,
            Fault::new("", format!("{name} is not supported by this proxy"))
        );
        assert!(extension(None).is_err());
    }
}
