//! What pods' ports take: mutual TLS, plain text, or both, and which PeerAuthentication says so.

mod of_namespace;

use std::{collections::BTreeMap, sync::Arc};

use self::of_namespace::OfNamespace;
pub(super) use self::of_namespace::SELECTING;
use super::{
    objects::{Key, Labels},
    rules::{MtlsMode, PeerAuthentication},
};

/// What a port takes, and who says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effective {
    /// What it takes.
    pub mode: MtlsMode,
    /// The PeerAuthentication that says it. None: the default.
    pub decided_by: Option<Key>,
}

impl Effective {
    /// Of a port in a mesh without mutual TLS.
    pub(super) fn plaintext() -> Self {
        Self {
            mode: MtlsMode::Disable,
            decided_by: None,
        }
    }

    fn of((object, mode): (&PeerAuthentication, MtlsMode)) -> Self {
        Self {
            mode,
            decided_by: Some(object.meta.key.clone()),
        }
    }
}

/// What holds for some pods.
#[derive(Clone, Debug)]
pub(super) struct Applied<'a> {
    of_pods: Option<&'a PeerAuthentication>,
    /// What the ports take that no PeerAuthentication names.
    pub others: Effective,
}

impl Applied<'_> {
    /// What a port takes.
    pub fn mtls(&self, port: u16) -> Effective {
        let of_port = self.of_pods.and_then(|of_pods| {
            let mode = (*of_pods.ports.get(&port)?)?;
            Some(Effective::of((of_pods, mode)))
        });
        of_port.unwrap_or_else(|| self.others.clone())
    }
}

/// The PeerAuthentications of a mesh.
#[derive(Debug, Default)]
pub(super) struct Authentication {
    root: Arc<str>,
    namespaces: BTreeMap<Arc<str>, OfNamespace>,
}

impl Authentication {
    /// Takes in the objects, in any order. Those without a selector in the `root` namespace are for
    /// the pods of all namespaces.
    pub fn new(root: &Arc<str>, objects: impl IntoIterator<Item = PeerAuthentication>) -> Self {
        let mut namespaces: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in objects {
            let of_namespace = namespaces.entry(Arc::clone(&object.meta.key.namespace));
            of_namespace.or_default().push(object);
        }
        let namespaces = namespaces.into_iter();
        Self {
            root: Arc::clone(root),
            namespaces: namespaces
                .map(|(namespace, objects)| (namespace, OfNamespace::new(objects)))
                .collect(),
        }
    }

    /// What a port of the pods with these labels takes. Port, pods, namespace and mesh: the narrowest
    /// scope that says it decides. In each of them, the oldest object holds, also if it leaves it to
    /// a wider one.
    pub fn mtls(&self, namespace: &str, labels: &Labels, port: u16) -> Effective {
        self.of(namespace, labels).mtls(port)
    }

    /// The same of all ports of the pods with these labels that no PeerAuthentication names.
    pub fn mtls_of_pods(&self, namespace: &str, labels: &Labels) -> Effective {
        self.of(namespace, labels).others
    }

    /// The ports of the pods with these labels that a PeerAuthentication names, in order. All others
    /// are as [`Authentication::mtls_of_pods`] says.
    pub fn named_ports(&self, namespace: &str, labels: &Labels) -> Vec<(u16, Effective)> {
        let applied = self.of(namespace, labels);
        let ports = applied.of_pods.into_iter();
        let ports = ports.flat_map(|of_pods| of_pods.ports.keys());
        ports.map(|port| (*port, applied.mtls(*port))).collect()
    }

    /// What holds for the pods with these labels, to be asked about many ports.
    pub fn of(&self, namespace: &str, labels: &Labels) -> Applied<'_> {
        let of_pods = self.of_pods(namespace, labels);
        let scopes = [
            of_pods,
            self.of_namespace(namespace),
            self.of_namespace(&self.root),
        ];
        let mut scopes = scopes.into_iter().flatten();
        let found = scopes.find_map(|object| Some((object, object.mode?)));
        let others = found.map_or_else(Effective::default, Effective::of);
        Applied { of_pods, others }
    }

    /// Whether any of them says that only mutual TLS is taken.
    pub fn is_strict_anywhere(&self) -> bool {
        let mut all = self.namespaces().flat_map(|(_, objects)| objects);
        all.any(PeerAuthentication::is_strict)
    }

    /// Whether the object of that name is for the whole mesh.
    pub fn is_of_mesh(&self, object: &Key) -> bool {
        object.namespace == self.root
            && (self.of_namespace(&self.root)).is_some_and(|one| one.meta.key == *object)
    }

    /// The objects of each namespace, the oldest first, but for those that are left out.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Arc<str>, &[PeerAuthentication])> {
        let all = self.namespaces.iter();
        all.map(|(namespace, own)| (namespace, own.objects()))
    }

    /// The objects that no pod is compared with: a namespace has too many older ones.
    pub fn left_out(&self) -> impl Iterator<Item = &Key> {
        self.namespaces.values().flat_map(OfNamespace::left_out)
    }

    /// The object for chosen pods.
    fn of_pods(&self, namespace: &str, labels: &Labels) -> Option<&PeerAuthentication> {
        self.namespaces.get(namespace)?.of_pods(labels)
    }

    /// The object for all pods of a namespace.
    fn of_namespace(&self, namespace: &str) -> Option<&PeerAuthentication> {
        self.namespaces.get(namespace)?.of_all()
    }
}
