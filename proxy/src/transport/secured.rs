//! What is known of a client that has proved who it is.

use std::sync::Arc;

use pillion_certs::mesh::Peer;
use rustls::{CommonState, ProtocolVersion};

use crate::{identity::Credentials, records::Parties, tables::ClientHello};

/// What is known of a connection's client that has proved who it is.
#[derive(Debug)]
pub(crate) struct Secured {
    /// What it has asked for.
    pub hello: ClientHello,
    pub peer: Peer,
    /// The protocol that was agreed on, if one was.
    pub protocol: Option<Box<[u8]>>,
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// Who speaks to whom, for the records.
    pub parties: Arc<Parties>,
}

impl Secured {
    /// After a handshake in which a client has shown this certificate.
    pub(super) fn new(
        hello: ClientHello,
        peer: Peer,
        state: &CommonState,
        credentials: &Credentials,
    ) -> Self {
        let parties = Parties::new(peer.uri(), credentials.identity.id().as_str());
        Self {
            hello,
            protocol: state.alpn_protocol().map(Box::from),
            version: version(state.protocol_version()),
            parties: Arc::new(parties),
            peer,
        }
    }
}

/// The version, as Envoy writes it.
fn version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    }
}
