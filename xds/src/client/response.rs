//! Responses as they come from the server.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use pillion_envoy_api::{
    Any,
    envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource as Received},
};
use thiserror::Error;

use crate::{
    Resource,
    limits::{MAX_NAME_BYTES, MAX_RESOURCE_BYTES, MAX_VERSION_BYTES, shorten},
};

/// Why a client refuses a response as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Malformed {
    #[error("a resource has no name, or one of more than {MAX_NAME_BYTES} bytes")]
    Name,
    #[error("{0}: there are two of this name in one response")]
    Twice(String),
    #[error("{0}: the resource has no body")]
    NoBody(String),
    #[error("{name}: expected the type {expected:?}, found {found:?}")]
    Type {
        name: String,
        expected: &'static str,
        found: String,
    },
    #[error("{name}: {bytes} bytes are over the limit of {MAX_RESOURCE_BYTES} bytes")]
    TooLarge { name: String, bytes: usize },
    #[error("{0}: the version has more than {MAX_VERSION_BYTES} bytes")]
    Version(String),
}

/// A response that is well-formed.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) changed: Vec<Resource>,
    pub(super) removed: Vec<Arc<str>>,
}

/// Checks a response. No name is in it twice.
pub(super) fn accept(
    type_url: &'static str,
    response: DeltaDiscoveryResponse,
) -> Result<Accepted, Malformed> {
    let mut changed = Vec::with_capacity(response.resources.len());
    for one in response.resources {
        changed.push(resource(type_url, one)?);
    }
    let removed: Vec<Arc<str>> = response
        .removed_resources
        .into_iter()
        .map(Arc::from)
        .collect();
    removed.iter().try_for_each(|name| check_name(name))?;
    let mut names = HashSet::new();
    let all = changed.iter().map(|one| &one.name).chain(&removed);
    if let Some(twice) = all.into_iter().find(|name| !names.insert(&***name)) {
        return Err(Malformed::Twice(shown(twice)));
    }
    Ok(Accepted { changed, removed })
}

fn resource(type_url: &'static str, received: Received) -> Result<Resource, Malformed> {
    let name = received.name;
    check_name(&name)?;
    if received.version.len() > MAX_VERSION_BYTES {
        return Err(Malformed::Version(shown(&name)));
    }
    let Some(body) = received.resource else {
        return Err(Malformed::NoBody(shown(&name)));
    };
    if body.type_url != type_url {
        return Err(Malformed::Type {
            name: shown(&name),
            expected: type_url,
            found: shown(&body.type_url),
        });
    }
    if body.value.len() > MAX_RESOURCE_BYTES {
        return Err(Malformed::TooLarge {
            name: shown(&name),
            bytes: body.value.len(),
        });
    }
    Ok(Resource {
        name: name.into(),
        version: received.version.into(),
        body: Any {
            type_url: body.type_url,
            // A part of the response would keep the whole of it in memory.
            value: Bytes::copy_from_slice(&body.value),
        },
    })
}

fn check_name(name: &str) -> Result<(), Malformed> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Malformed::Name);
    }
    Ok(())
}

/// Text from outside, as messages show it.
fn shown(text: &str) -> String {
    shorten(text, 300).to_owned()
}
