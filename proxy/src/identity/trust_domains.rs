//! The trust domains of the mesh.

use pillion_certs::SpiffeId;

/// What the workload's own identity may be of, and those of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrustDomains {
    /// The mesh's; `None` where nobody says it, and the CA decides.
    pub own: Option<String>,
    /// MeshConfig's `trustDomainAliases`: what the mesh was called before, or is called elsewhere.
    pub aliases: Vec<String>,
}

impl TrustDomains {
    /// Whether the workload may have an identity of that trust domain.
    pub(super) fn may_be(&self, trust_domain: &str) -> bool {
        let is_own = |own: &String| own == trust_domain;
        self.own.as_ref().is_none_or(is_own) || self.aliases.iter().any(is_own)
    }

    /// Those that are trusted by a workload of that identity: its own, and the mesh's.
    pub(super) fn trusted_by(&self, id: &SpiffeId) -> Vec<String> {
        let mut all = vec![id.trust_domain().to_owned()];
        for one in self.own.iter().chain(&self.aliases) {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(own: Option<&str>, aliases: &[&str]) -> TrustDomains {
        TrustDomains {
            own: own.map(str::to_owned),
            aliases: aliases.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn an_identity_is_of_the_mesh_s_trust_domain_or_an_alias() {
        let mesh = domains(Some("mesh"), &["old", "mesh"]);
        assert!(mesh.may_be("mesh") && mesh.may_be("old") && !mesh.may_be("other"));
        let unsaid = domains(None, &[]);
        assert!(unsaid.may_be("other"));
    }

    #[test]
    fn the_own_trust_domain_is_trusted_and_each_other_once() {
        let id = |domain| SpiffeId::new(domain, "shop", "web").unwrap();
        let mesh = domains(Some("mesh"), &["old", "mesh"]);
        assert_eq!(mesh.trusted_by(&id("mesh")), ["mesh", "old"]);
        assert_eq!(mesh.trusted_by(&id("old")), ["old", "mesh"]);
        assert_eq!(domains(None, &[]).trusted_by(&id("x")), ["x"]);
    }
}
