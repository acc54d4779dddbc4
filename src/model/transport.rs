//! TLS towards the endpoints of clusters.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    cluster::{Cluster, Discovery},
    hosts::is_wildcard,
    index::Index,
    names::{TLS_MODE, TLS_MODE_ISTIO},
    objects::{MeshConfig, Pod, ProxyKind, SliceEndpoint},
    policy::{CertificateFiles, ClientTls},
    rules::MtlsMode,
    world::{Destination, World},
};

/// How clients connect to the endpoints of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain text, or what the application itself speaks.
    Plaintext,
    /// Mutual TLS.
    Mutual(Servers),
    /// Mutual TLS to those endpoints that speak it, and plain text to the others.
    Auto(Servers),
    /// TLS that is not the mesh's.
    Outside(Outside),
}

/// Who is at the other end of TLS that is not the mesh's, and what the client shows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outside {
    /// The name that the client asks for; empty for none.
    pub sni: Arc<str>,
    /// How servers prove who they are. None: not at all.
    pub proof: Option<OutsideProof>,
    /// The certificate that the client shows. None: it shows nothing.
    pub certificate: Option<CertificateFiles>,
}

/// How servers prove who they are by certificates that are not the mesh's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutsideProof {
    /// The file with the roots behind their certificates; none: the system's.
    pub roots: Option<Arc<str>>,
    /// The DNS names and URIs that a certificate may have: one at least.
    pub names: Vec<Arc<str>>,
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
const NAMES: usize = 32;
/// The approximate limit of the bytes of names in all clusters of a proxy. Each cluster gets an equal share.
const NAMES_BYTES: usize = 64 << 20;
/// The approximate size of a name in a cluster, without its text.
const NAME: usize = 16;
/// The longest name that a client may ask for. Envoy takes no longer one.
const SERVER_NAME: usize = 255;

/// How clients connect to the endpoints of one of `clusters` clusters: as a DestinationRule says, or
/// else, with `enableAutoMtls`, by what each endpoint speaks.
pub(super) fn of_cluster(
    index: &Index,
    world: &World,
    cluster: &Cluster,
    clusters: usize,
) -> Transport {
    let mesh = &world.mesh;
    // It has nothing to do with what the mesh speaks.
    if let Some(outside) = outside(cluster, clusters) {
        return Transport::Outside(outside);
    }
    let destination = world.destination(&cluster.key.host, &cluster.service);
    let Some(to) = destination.filter(|_| mesh.mutual_tls) else {
        return Transport::Plaintext;
    };
    let servers = || Servers {
        sni: sni(cluster),
        names: names(index, mesh, to, clusters),
    };
    match &cluster.policy.tls {
        Some(ClientTls::Disable | ClientTls::Outside { .. }) => Transport::Plaintext,
        Some(ClientTls::IstioMutual {
            sni: own,
            names: said,
        }) => Transport::Mutual(Servers {
            sni: own.clone().unwrap_or_else(|| sni(cluster)),
            names: if said.is_empty() {
                names(index, mesh, to, clusters)
            } else {
                let said = said.iter().take(fitting(said, clusters));
                said.cloned().map(PeerName::Exact).collect()
            },
        }),
        None if to.is_external || !mesh.auto_mtls => Transport::Plaintext,
        // The client has chosen the address, which no endpoint's metadata goes with.
        None if cluster.discovery == Discovery::OriginalDestination => {
            if all_are_mutual(index, world, to, cluster.key.port) {
                Transport::Mutual(servers())
            } else {
                Transport::Plaintext
            }
        }
        None => Transport::Auto(servers()),
    }
}

/// What a rule with `SIMPLE` or `MUTUAL` says. Where it says nothing of names, the server has to be the one that is asked for, and
/// that is the host.
fn outside(cluster: &Cluster, clusters: usize) -> Option<Outside> {
    let Some(ClientTls::Outside {
        sni,
        names,
        roots,
        verifies,
        certificate,
    }) = &cluster.policy.tls
    else {
        return None;
    };
    let host = &cluster.key.host;
    let asked = sni.as_ref().unwrap_or(host);
    let names = match names.as_slice() {
        [] => vec![Arc::clone(asked)],
        said => said.iter().take(fitting(said, clusters)).cloned().collect(),
    };
    Some(Outside {
        // A wildcard is no name of a server.
        sni: match is_wildcard(asked) {
            true => "".into(),
            false => Arc::clone(asked),
        },
        proof: verifies.then(|| OutsideProof {
            roots: roots.clone(),
            names,
        }),
        certificate: certificate.clone(),
    })
}

/// How many of the names that a rule gives one of so many clusters has, the first ones: at least one. Without the
/// others, fewer servers are accepted.
pub(super) fn fitting(names: &[Arc<str>], clusters: usize) -> usize {
    let mut left = share(clusters);
    let fits = |name: &&Arc<str>| match left.checked_sub(bytes(name)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    names.iter().take_while(fits).count().max(1)
}

/// The bytes that names may take in each of so many clusters, approximately.
fn share(clusters: usize) -> usize {
    NAMES_BYTES / clusters.max(1)
}

fn bytes(name: &str) -> usize {
    NAME + name.len()
}

/// Whether an endpoint waits for its pod, which is not known yet: the slices may come first. Nothing says what the pod
/// speaks, and plain text would be a guess.
pub(super) fn waits(index: &Index, world: &World, endpoint: &SliceEndpoint) -> bool {
    let pod = endpoint.pod.as_ref().filter(|_| world.mesh.mutual_tls);
    pod.is_some_and(|pod| index.pod(pod).is_none())
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

/// Whether a Service's port has endpoints and all of them speak mutual TLS. Endpoints whose pods are not known yet
/// are treated like the others.
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
            pod.map_or_else(
                || waits(index, world, endpoint),
                |pod| is_mutual(world, pod, port),
            )
        })
}

/// The name that clients of a cluster ask for.
fn sni(cluster: &Cluster) -> Arc<str> {
    let sni = cluster.key.server_name();
    if sni.len() <= SERVER_NAME {
        sni.into()
    } else {
        "".into()
    }
}

/// The names of a Service's accounts, or of all in its namespace where none is known or there are too many.
/// Those of ServiceEntries are not known.
fn names(index: &Index, mesh: &MeshConfig, to: &Destination, clusters: usize) -> Vec<PeerName> {
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
    let prefixes = domains
        .iter()
        .map(|domain| format!("spiffe://{domain}/ns/{namespace}/sa/"));
    let prefixes: Vec<String> = prefixes.collect();
    let count = accounts.len() * prefixes.len();
    if (1..=NAMES).contains(&count) {
        let exact: BTreeSet<String> = prefixes
            .iter()
            .flat_map(|prefix| {
                accounts
                    .iter()
                    .map(move |account| format!("{prefix}{account}"))
            })
            .collect();
        if exact.iter().map(|name| bytes(name)).sum::<usize>() <= share(clusters) {
            let exact = exact.into_iter();
            return exact.map(|name| PeerName::Exact(name.into())).collect();
        }
    }
    let prefixes = prefixes.into_iter();
    prefixes
        .map(|prefix| PeerName::Prefix(prefix.into()))
        .collect()
}
