//! Hosts that are no destinations: what is said of them, and whether they are ExternalName Services, other
//! names of what may be a destination.

use std::collections::BTreeMap;

use crate::model::world::Alias;

/// The ExternalName Services, by their hosts.
pub(super) struct Aliases<'a>(BTreeMap<&'a str, &'a Alias>);

impl<'a> Aliases<'a> {
    pub fn new(aliases: &'a [Alias]) -> Self {
        let aliases = aliases.iter();
        Self(aliases.map(|alias| (&*alias.host, alias)).collect())
    }

    /// What a host stands for.
    pub fn target(&self, host: &str) -> Option<&'a str> {
        Some(&*self.0.get(host)?.target)
    }

    /// The same, if clients of a namespace see the Service.
    pub fn seen_by(&self, namespace: &str, host: &str) -> Option<&'a str> {
        let alias = self.0.get(host)?;
        let is_seen = alias.export_to.includes(namespace);
        is_seen.then_some(&*alias.target)
    }
}

/// Why a host is no destination, which is not an ExternalName Service.
pub(super) fn host(host: &str) -> String {
    format!(
        "this namespace sees no Service {host}, and no ServiceEntry for it that is in force (it is \
         missing, invalid, or of another revision)"
    )
}

/// Why an ExternalName Service with this target is no destination.
pub(super) fn target(alias: &str, target: &str) -> String {
    format!(
        "{alias} is an ExternalName Service, another name of {target}, but this namespace sees no \
         Service {target}, and no ServiceEntry for it that is in force"
    )
}
