//! Which endpoints of a cluster are spoken to by TLS.

use std::sync::Arc;

use pillion_envoy_api::envoy::config::{
    cluster::v3::cluster::TransportSocketMatch,
    core::v3::{Metadata, TransportSocket},
};
use prost_types::{Struct, Value, value::Kind};

use super::{
    fault::{Fault, at, at_index, at_most},
    transport_socket::upstream,
};
use crate::tables::UpstreamTls;

/// Kinds of endpoints of one cluster.
const MAX_MATCHES: usize = 16;
/// Istio's key, and the longest value that is looked at.
const TLS_MODE: &str = "tlsMode";
const MAX_VALUE: usize = 63;

/// Which endpoints are spoken to by TLS, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sockets {
    /// The same for all of these.
    pub tls: Option<Arc<UpstreamTls>>,
    /// The first one that matches counts: a value of `tlsMode`, or any, and whether it has TLS.
    matches: Vec<(Option<Box<str>>, bool)>,
    otherwise: bool,
}

impl Sockets {
    /// Whether an endpoint is spoken to by TLS which says that of itself.
    pub fn secure(&self, tls_mode: Option<&str>) -> bool {
        let is_for = |wanted: &Option<Box<str>>| match wanted {
            None => true,
            Some(wanted) => Some(&**wanted) == tls_mode,
        };
        let found = self.matches.iter().find(|(wanted, _)| is_for(wanted));
        found.map_or(self.otherwise, |(_, has_tls)| *has_tls)
    }
}

/// What a cluster says of its transport.
pub(super) fn sockets(
    socket: Option<TransportSocket>,
    matches: Vec<TransportSocketMatch>,
) -> Result<Sockets, Fault> {
    const FIELD: &str = "transport_socket_matches";
    at_most(FIELD, MAX_MATCHES, matches.len())?;
    let mut sockets = Sockets::default();
    if let Some(socket) = &socket {
        let tls = upstream(socket).map_err(at("transport_socket"))?;
        sockets.otherwise = tls.is_some();
        sockets.tls = tls;
    }
    for (index, message) in matches.into_iter().enumerate() {
        let (wanted, tls) = one(message).map_err(at_index(FIELD, index))?;
        sockets.matches.push((wanted, tls.is_some()));
        match (&sockets.tls, tls) {
            (Some(known), Some(other)) if *known != other => {
                let reason = "must have the same TLS for all endpoints that it is for";
                return Err(Fault::new(FIELD, reason));
            }
            (None, Some(tls)) => sockets.tls = Some(tls),
            _ => {}
        }
    }
    Ok(sockets)
}

type Match = (Option<Box<str>>, Option<Arc<UpstreamTls>>);

fn one(message: TransportSocketMatch) -> Result<Match, Fault> {
    let TransportSocketMatch {
        // For Envoy's own statistics.
        name: _,
        r#match,
        transport_socket,
    } = message;
    let wanted = wanted(r#match.unwrap_or_default()).map_err(at("match"))?;
    let socket = transport_socket.ok_or_else(|| Fault::new("transport_socket", "is missing"))?;
    Ok((wanted, upstream(&socket).map_err(at("transport_socket"))?))
}

/// The value of `tlsMode` that an endpoint must have; `None` for any endpoint.
fn wanted(message: Struct) -> Result<Option<Box<str>>, Fault> {
    let Struct { mut fields } = message;
    let value = fields.remove(TLS_MODE);
    if let Some(other) = fields.keys().next() {
        let reason = format!("must be about {TLS_MODE}, not {other:?}");
        return Err(Fault::new("", reason));
    }
    match value {
        None => Ok(None),
        Some(value) => match text(value) {
            Some(text) => Ok(Some(text)),
            None => Err(Fault::new(TLS_MODE, "must be a text")),
        },
    }
}

/// What an endpoint says of itself, in the metadata `envoy.transport_socket_match`. An endpoint that
/// says something else than the matches can ask for is as one that says nothing.
pub(super) fn tls_mode(metadata: Option<Metadata>) -> Option<Box<str>> {
    let mut all = metadata?.filter_metadata;
    let mut said = all.remove("envoy.transport_socket_match")?;
    text(said.fields.remove(TLS_MODE)?)
}

fn text(value: Value) -> Option<Box<str>> {
    match value.kind {
        Some(Kind::StringValue(text)) if text.len() <= MAX_VALUE => Some(text.into_boxed_str()),
        _ => None,
    }
}
