//! Istio's kinds.

use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;
use pillion_api::{AnyObject, Kind, Metadata, Warning};

use crate::{
    discovery::update::Update,
    model::{Change, Event, Key, Meta, Object},
};

/// The update for an object that was created or has changed, and what is likely a mistake in it.
///
/// # Errors
///
/// Returns why the object is invalid; the field's path is part of each text.
pub(in crate::discovery) fn applied(
    kind: Kind,
    object: &DynamicObject,
) -> Result<(Update, Vec<Warning>), Vec<String>> {
    let value = serde_json::to_value(object).map_err(|error| vec![error.to_string()])?;
    let (object, warnings) = pillion_api::parse(kind, value)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let event = match object {
        AnyObject::VirtualService(object) => Event::VirtualService(apply(object)),
        AnyObject::DestinationRule(object) => Event::DestinationRule(apply(object)),
        AnyObject::Gateway(object) => Event::Gateway(apply(object)),
        AnyObject::ServiceEntry(object) => Event::ServiceEntry(apply(object)),
        AnyObject::Telemetry(object) => Event::Telemetry(apply(object)),
        AnyObject::PeerAuthentication(object) => Event::PeerAuthentication(apply(object)),
    };
    Ok((Update::Object(Box::new(event)), warnings))
}

/// The update for the valid part of an invalid PeerAuthentication: ignoring it would leave ports open that it closes.
/// There is none for objects of other kinds.
pub(in crate::discovery) fn applied_in_part(kind: Kind, object: &DynamicObject) -> Option<Update> {
    if kind != Kind::PeerAuthentication {
        return None;
    }
    let value = serde_json::to_value(object).ok()?;
    let object = pillion_api::peer_authentication_in_part(&value)?;
    let event = Event::PeerAuthentication(apply(object));
    Some(Update::Object(Box::new(event)))
}

/// The update for an object that was deleted.
pub(in crate::discovery) fn deleted(kind: Kind, key: Key) -> Update {
    Update::Object(Box::new(match kind {
        Kind::VirtualService => Event::VirtualService(Change::Delete(key)),
        Kind::DestinationRule => Event::DestinationRule(Change::Delete(key)),
        Kind::Gateway => Event::Gateway(Change::Delete(key)),
        Kind::ServiceEntry => Event::ServiceEntry(Change::Delete(key)),
        Kind::Telemetry => Event::Telemetry(Change::Delete(key)),
        Kind::PeerAuthentication => Event::PeerAuthentication(Change::Delete(key)),
    }))
}

fn apply<S>(object: pillion_api::Object<S>) -> Change<Object<S>> {
    Change::Apply(Object {
        meta: meta(&object.metadata),
        spec: object.spec,
    })
}

fn meta(metadata: &Metadata) -> Meta {
    let created = metadata.creation_timestamp;
    Meta {
        key: Key::new(metadata.namespace.as_str(), metadata.name.as_str()),
        created: created.map_or(0, Timestamp::as_second),
    }
}
