//! TLS towards the endpoints of clusters.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    cluster::{Cluster, Discovery},
    index::Index,
    names::{TLS_MODE, TLS_MODE_ISTIO},
    objects::{MeshConfig, Pod, ProxyKind},
    policy::ClientTls,
    rules::MtlsMode,
    world::{Destination, World},
};

/// What connections to the endpoints of a cluster are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain text, or what the application itself speaks.
    Plaintext,
    /// Mutual TLS.
    Mutual(Servers),
    /// Mutual TLS to those endpoints that speak it, and plain text to the others.
    Auto(Servers),
}

/// Who is at the other end of mutual TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Servers {
    /// The name that the client asks for; empty for none.
    pub sni: Arc<str>,
    /// The URIs that a certificate may have, in order. None: any that the mesh trusts.
    pub names: Vec<PeerName>,
}

/// A URI of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerName {
    /// This one.
    Exact(Arc<str>),
    /// One that begins with this.
    Prefix(Arc<str>),
}

/// How many names a cluster lists. Of a service with more accounts, all accounts of its namespace
/// may be: each cluster of each port and subset has the whole list.
const NAMES: usize = 256;
/// The longest name that a client may ask for. Envoy takes no longer one.
const SERVER_NAME: usize = 255;

/// What connections to a cluster's endpoints are: what a DestinationRule says, or else, with
/// `enableAutoMtls`, what each of them speaks.
pub(super) fn of_cluster(index: &Index, world: &World, cluster: &Cluster) -> Transport {
    let mesh = &world.mesh;
    let destination = world.destination(&cluster.key.host, &cluster.service);
    let Some(to) = destination.filter(|_| mesh.mutual_tls) else {
        return Transport::Plaintext;
    };
    match &cluster.policy.tls {
        Some(ClientTls::Disable) => Transport::Plaintext,
        Some(ClientTls::IstioMutual { sni, names }) => {
            let mut servers = servers(index, mesh, to, cluster);
            if let Some(sni) = sni {
                servers.sni = Arc::clone(sni);
            }
            if !names.is_empty() {
                servers.names = names.iter().cloned().map(PeerName::Exact).collect();
            }
            Transport::Mutual(servers)
        }
        None if to.is_external || !mesh.auto_mtls => Transport::Plaintext,
        // The client has chosen the address, which no endpoint's metadata goes with.
        None if cluster.discovery == Discovery::OriginalDestination => {
            if all_are_mutual(index, world, to, cluster.key.port) {
                Transport::Mutual(servers(index, mesh, to, cluster))
            } else {
                Transport::Plaintext
            }
        }
        None => Transport::Auto(servers(index, mesh, to, cluster)),
    }
}

/// Whether a pod's proxy takes mutual TLS at a port.
pub(super) fn is_mutual(world: &World, pod: &Pod, port: u16) -> bool {
    let takes_it = || {
        let authentication = &world.authentication;
        let effective = authentication.mtls(&pod.key.namespace, &pod.labels, port);
        effective.mode != MtlsMode::Disable
    };
    world.mesh.mutual_tls
        // A gateway serves what its Gateways say.
        && pod.proxy == ProxyKind::Sidecar
        // The label alone may be anybody's, and what is not captured comes to the application.
        && pod.has_proxy
        && pod.captured.has(port)
        && pod.labels.get(TLS_MODE) == Some(TLS_MODE_ISTIO)
        && takes_it()
}

/// Whether all endpoints of a Service's port speak mutual TLS, of which there are some.
fn all_are_mutual(index: &Index, world: &World, to: &Destination, port: u16) -> bool {
    let Some(port) = to.port(port).filter(|_| to.external.is_none()) else {
        return false;
    };
    let slices = index.slices(&to.service);
    let mut endpoints = slices
        .filter_map(|slice| {
            let mut ports = slice.ports.iter();
            let own = ports.find(|own| own.name == port.name)?;
            Some(slice.endpoints.iter().map(|endpoint| (endpoint, own.port)))
        })
        .flatten()
        .peekable();
    endpoints.peek().is_some()
        && endpoints.all(|(endpoint, port)| {
            let pod = endpoint.pod.as_ref().and_then(|pod| index.pod(pod));
            pod.is_some_and(|pod| is_mutual(world, pod, port))
        })
}

fn servers(index: &Index, mesh: &MeshConfig, to: &Destination, cluster: &Cluster) -> Servers {
    let sni = cluster.key.server_name();
    Servers {
        sni: if sni.len() <= SERVER_NAME {
            sni.into()
        } else {
            "".into()
        },
        names: names(index, mesh, to),
    }
}

/// The names of a Service's accounts. Those of ServiceEntries are not known.
fn names(index: &Index, mesh: &MeshConfig, to: &Destination) -> Vec<PeerName> {
    if to.external.is_some() {
        return Vec::new();
    }
    let namespace = &to.service.namespace;
    let endpoints = index.slices(&to.service).flat_map(|slice| &slice.endpoints);
    let pods = endpoints.filter_map(|endpoint| index.pod(endpoint.pod.as_ref()?));
    // A slice may name a pod of another namespace, whose account is not the Service's.
    let own = pods.filter(|pod| pod.key.namespace == *namespace);
    let accounts: BTreeSet<&str> = own.map(|pod| &*pod.service_account).collect();
    let domains: BTreeSet<&str> = mesh.trust_domains().map(|domain| &**domain).collect();
    let names: BTreeSet<PeerName> = if accounts.is_empty() {
        BTreeSet::new()
    } else if accounts.len() * domains.len() > NAMES {
        let prefix = |domain| format!("spiffe://{domain}/ns/{namespace}/sa/");
        let prefixes = domains.into_iter().map(prefix);
        prefixes.map(|name| PeerName::Prefix(name.into())).collect()
    } else {
        let of_account = |account| {
            let name =
                move |domain: &&str| format!("spiffe://{domain}/ns/{namespace}/sa/{account}");
            domains.iter().map(name)
        };
        let all = accounts.into_iter().flat_map(of_account);
        all.map(|name| PeerName::Exact(name.into())).collect()
    };
    names.into_iter().collect()
}
