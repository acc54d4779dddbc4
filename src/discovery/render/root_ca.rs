//! The roots that proxies trust, as the Secret that Istio's proxies ask for.

use pillion_envoy_api::envoy::{
    config::core::v3::{DataSource, data_source},
    extensions::transport_sockets::tls::v3::{CertificateValidationContext, Secret, secret},
};

/// The Secret's name.
pub(in crate::discovery) const ROOT_CA: &str = "ROOTCA";

/// The roots in PEM. A proxy's own certificate never travels: it makes its key itself.
pub(in crate::discovery) fn root_ca(roots: &str) -> Secret {
    let roots = DataSource {
        specifier: Some(data_source::Specifier::InlineBytes(
            roots.as_bytes().to_vec().into(),
        )),
    };
    Secret {
        name: ROOT_CA.to_owned(),
        r#type: Some(secret::Type::ValidationContext(
            CertificateValidationContext {
                trusted_ca: Some(roots),
                ..CertificateValidationContext::default()
            },
        )),
    }
}
