//! CAs that are plugged in. The cluster tests have them, too.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

pub type Ca = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A root, which signs itself.
pub fn root() -> Ca {
    Ca::self_signed(params("root"), KeyPair::generate().unwrap()).unwrap()
}

/// An intermediate under a root.
pub fn under(root: &Ca) -> Ca {
    Ca::signed_by(params("intermediate"), KeyPair::generate().unwrap(), root).unwrap()
}
