//! Hosts that have pods which don't take the mesh's mutual TLS.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pillion_api::{ClientTlsMode, Subset, TrafficPolicy};

use super::{
    asked::Asked,
    first::First,
    first_pods::{FirstPod, HOSTS},
};
use crate::model::{
    hosts::{covers, is_wildcard},
    index::Index,
    objects::{Key, Pod, ProxyKind},
    rules::MtlsMode,
    world::{Destination, World},
};

/// The hosts that were looked at.
pub(super) struct PlainHosts<'a> {
    world: &'a World,
    index: &'a Index,
    hosts: BTreeMap<(&'a str, &'a Key), Vec<Plain<'a>>>,
}

/// A port of a Service at which a pod takes no mutual TLS.
struct Plain<'a> {
    port: u16,
    pod: &'a Pod,
    why: Why,
}

/// Why a pod takes no mutual TLS.
enum Why {
    /// It has no sidecar.
    Bare,
    /// Its sidecar does not capture the port.
    Passes,
    /// A PeerAuthentication says `DISABLE`.
    Disabled(Key),
}

impl<'a> PlainHosts<'a> {
    /// Looks at no host yet.
    pub fn new(world: &'a World, index: &'a Index) -> Self {
        let hosts = BTreeMap::new();
        Self {
            world,
            index,
            hosts,
        }
    }

    /// Whether a rule has clients speak mutual TLS anywhere.
    pub fn is_mutual_anywhere(policy: Option<&TrafficPolicy>, subsets: &[Subset]) -> bool {
        Asked::new(policy, subsets, mutual_mode).is_anywhere()
    }

    /// Describes, for each host of a rule, the ports at which the rule has clients use mutual TLS with pods that don't
    /// accept it. The rule's host must be complete.
    pub fn told(
        &mut self,
        host: &str,
        policy: Option<&TrafficPolicy>,
        subsets: &[Subset],
    ) -> Vec<String> {
        let mut asked = Asked::new(policy, subsets, mutual_mode);
        if !asked.is_anywhere() {
            return Vec::new();
        }
        let world = self.world;
        let all: Box<dyn Iterator<Item = &'a Arc<Destination>> + '_> = if is_wildcard(host) {
            let all = world.destinations.iter();
            Box::new(all.filter(|to| covers(host, &to.host)))
        } else {
            Box::new(world.destinations_of(host).iter())
        };
        let told = all.filter_map(|to| self.told_of(to, &mut asked));
        told.take(HOSTS).collect()
    }

    fn told_of(&mut self, to: &'a Arc<Destination>, asked: &mut Asked<'_>) -> Option<String> {
        let (world, index) = (self.world, self.index);
        let key = (&*to.host, &to.service);
        let all = self.hosts.entry(key);
        let all = all.or_insert_with(|| plain(world, index, to));
        let (mut ports, mut pods) = (First::default(), First::default());
        let (mut last, mut named) = (None, BTreeSet::new());
        for one in all.iter() {
            if !asked.is_for(one.port, &one.pod.labels) {
                continue;
            }
            if last != Some(one.port) {
                ports.add(one.port);
                last = Some(one.port);
            }
            let pod = &one.pod.key;
            if !named.insert(pod) {
                continue;
            }
            match &one.why {
                Why::Bare => pods.add(format_args!("{pod} has no sidecar")),
                Why::Passes => pods.add(format_args!("{pod}'s sidecar does not capture it")),
                Why::Disabled(by) => pods.add(format_args!(
                    "{pod} takes plain text only, by the PeerAuthentication {by}"
                )),
            }
        }
        (!ports.is_empty()).then(|| {
            format!(
                "tls.mode ISTIO_MUTUAL has clients speak mutual TLS to pods of {} that don't take it, at {}: \
                 {pods}. What is sent there fails. Remove tls, so that clients speak to each pod as it does, or \
                 have all pods take it",
                to.host,
                ports.of("port")
            )
        })
    }
}

/// The ports of a Service at which its first pods take no mutual TLS, in order. Gateways serve what their Gateways
/// say.
fn plain<'a>(world: &World, index: &'a Index, to: &Destination) -> Vec<Plain<'a>> {
    let mut plain = Vec::new();
    for first in FirstPod::all(index, to) {
        let pod = first.pod;
        if pod.proxy != ProxyKind::Sidecar {
            continue;
        }
        for (port, own) in first.ports() {
            let why = why(world, pod, own);
            plain.extend(why.map(|why| Plain { port, pod, why }));
        }
    }
    plain.sort_by_key(|one| one.port);
    plain
}

/// Why a pod takes no mutual TLS at its port, if it takes none. The pod's label does not matter: only
/// clients without a DestinationRule go by it.
fn why(world: &World, pod: &Pod, port: u16) -> Option<Why> {
    if !pod.has_proxy {
        return Some(Why::Bare);
    }
    if !pod.captured.has(port) {
        return Some(Why::Passes);
    }
    let authentication = &world.authentication;
    let mtls = authentication.mtls(&pod.key.namespace, &pod.labels, port);
    let by = mtls.decided_by.filter(|_| mtls.mode == MtlsMode::Disable);
    by.map(Why::Disabled)
}

fn mutual_mode(mode: ClientTlsMode) -> Option<&'static str> {
    match mode {
        ClientTlsMode::IstioMutual => Some("ISTIO_MUTUAL"),
        ClientTlsMode::Disable | ClientTlsMode::Simple | ClientTlsMode::Mutual => None,
    }
}
