//! PeerAuthentications.

use std::{collections::BTreeMap, fmt};

use pillion_api::{MutualTls, MutualTlsMode, PeerAuthenticationSpec, port_number};

use crate::model::objects::{Labels, Meta, Object};

/// What a pod's port takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MtlsMode {
    /// Plain text: the proxy does not end the mesh's TLS.
    Disable,
    /// Mutual TLS and plain text.
    #[default]
    Permissive,
    /// Mutual TLS only.
    Strict,
}

impl MtlsMode {
    /// The mode that a field says; none, if it leaves that to a wider scope.
    fn of(mtls: &MutualTls) -> Option<Self> {
        match mtls.mode {
            MutualTlsMode::Unset => None,
            MutualTlsMode::Disable => Some(Self::Disable),
            MutualTlsMode::Permissive => Some(Self::Permissive),
            MutualTlsMode::Strict => Some(Self::Strict),
        }
    }
}

impl fmt::Display for MtlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
        })
    }
}

/// A PeerAuthentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct PeerAuthentication {
    /// Its name and age.
    pub meta: Meta,
    /// The labels of its pods; none: all pods of the namespace.
    pub selector: Labels,
    /// What their ports take; none: as the wider scope says.
    pub mode: Option<MtlsMode>,
    /// What single ports take; none: as the others.
    pub ports: BTreeMap<u16, Option<MtlsMode>>,
}

impl PeerAuthentication {
    /// Whether it says of any port that it takes only mutual TLS.
    pub fn is_strict(&self) -> bool {
        let mut modes = self.ports.values().chain([&self.mode]);
        modes.any(|mode| *mode == Some(MtlsMode::Strict))
    }

    /// Reads an object.
    pub fn new(object: &Object<PeerAuthenticationSpec>) -> Self {
        let spec = &object.spec;
        let selector = spec.selector.clone().unwrap_or_default();
        let ports = spec.port_level_mtls.iter();
        let ports = ports.filter_map(|(port, mtls)| Some((port_number(port)?, MtlsMode::of(mtls))));
        Self {
            meta: object.meta.clone(),
            selector: selector.match_labels.into_iter().collect(),
            mode: spec.mtls.as_ref().and_then(MtlsMode::of),
            ports: ports.collect(),
        }
    }
}
