//! Istio's kinds.

use crate::model::Kind;

/// The same kind, as the model calls it.
pub(in crate::discovery) fn kind(kind: pillion_api::Kind) -> Kind {
    match kind {
        pillion_api::Kind::VirtualService => Kind::VirtualService,
        pillion_api::Kind::DestinationRule => Kind::DestinationRule,
        pillion_api::Kind::Gateway => Kind::Gateway,
        pillion_api::Kind::ServiceEntry => Kind::ServiceEntry,
        pillion_api::Kind::Telemetry => Kind::Telemetry,
        pillion_api::Kind::PeerAuthentication => Kind::PeerAuthentication,
    }
}
