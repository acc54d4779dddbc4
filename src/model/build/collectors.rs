//! The Services and ServiceEntries that the addresses of collectors mean.

use std::sync::Arc;

use super::view::View;
use crate::model::{
    names::service_host,
    objects::ServiceAddress,
    world::{Destination, Port},
};

/// Why an address means nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing<'a> {
    /// The host is none that is seen.
    Host,
    /// It is of another namespace than the address says: of this one.
    Namespace(&'a str),
    /// It has no such port.
    Port(&'a Destination),
}

/// The destination that an address means, and its port.
///
/// # Errors
///
/// Returns what is missing of it.
pub(super) fn find<'a>(
    view: &'a View,
    address: &ServiceAddress,
) -> Result<(&'a Arc<Destination>, &'a Port), Missing<'a>> {
    let to = destination(view, &address.host).ok_or(Missing::Host)?;
    let namespace = &to.meta.key.namespace;
    let meant = address.namespace.as_ref();
    if meant.is_some_and(|meant| meant != namespace) {
        return Err(Missing::Namespace(namespace));
    }
    let port = to.port(address.port).ok_or(Missing::Port(to))?;
    Ok((to, port))
}

/// The destination of a host, which may be shortened as for DNS. One that may be a Service's is
/// looked for as that first: anybody may have a ServiceEntry for a host that reads the same.
fn destination<'a>(view: &'a View, host: &str) -> Option<&'a Arc<Destination>> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let named = of_service(view, host);
    let service = named.and_then(|(name, namespace)| {
        let full = service_host(name, namespace, &view.mesh.domain);
        let to = view.destination(&full)?;
        // Another host is that of the Service's externalName.
        let is_meant = to.host != full || *to.meta.key.namespace == *namespace;
        is_meant.then_some(to)
    });
    service.or_else(|| {
        // `example.com` reads like `zipkin.obs`; no other name of a Service reads like another host.
        let may_be_other = named.is_none() || host.matches('.').count() == 1;
        let to = view.destination(host);
        to.filter(|_| may_be_other)
    })
}

/// The name and the namespace of the Service that a host may mean.
fn of_service<'a>(view: &'a View, host: &'a str) -> Option<(&'a str, &'a str)> {
    let full = host.strip_suffix(&*view.mesh.domain);
    let full = full.and_then(|host| host.strip_suffix(".svc."));
    let with_svc = host.strip_suffix(".svc");
    let with_svc = with_svc.filter(|short| short.contains('.'));
    match full.or(with_svc).unwrap_or(host).split_once('.') {
        None => (full.is_none() && !host.contains(':')).then_some((host, &*view.namespace)),
        Some((_, namespace)) if namespace.contains('.') => None,
        Some(parts) => Some(parts),
    }
}
