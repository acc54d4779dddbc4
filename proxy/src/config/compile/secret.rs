//! The roots of the mesh, which are the only secret that is asked for: keys never travel.

use std::str;

use pillion_certs::{Bundle, mesh::Trust};
use pillion_envoy_api::{
    envoy::{
        config::core::v3::{DataSource, data_source::Specifier},
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, secret::Type,
        },
    },
    type_url,
};

use super::{
    any::message,
    fault::{Fault, at, at_most, refuse_if},
};
use crate::bounds::MAX_ROOTS;

/// The longest text of them.
const MAX_BYTES: usize = 256 * 1024;

/// Compiles a resource of that name.
pub(crate) fn roots(name: &str, bytes: &[u8]) -> Result<Bundle, Fault> {
    let message: Secret = message(type_url::SECRET, bytes)?;
    if message.name != name {
        return Err(Fault::new(
            "name",
            format!("is {:?} in the resource {name:?}", message.name),
        ));
    }
    match message.r#type {
        Some(Type::ValidationContext(context)) => {
            trusted(context).map_err(at("validation_context"))
        }
        Some(Type::TlsCertificate(_)) => Err(Fault::new(
            "tls_certificate",
            "is not taken: this proxy makes its key itself",
        )),
        None => Err(Fault::new("validation_context", "is missing")),
    }
}

fn trusted(context: CertificateValidationContext) -> Result<Bundle, Fault> {
    let CertificateValidationContext {
        trusted_ca,
        match_typed_subject_alt_names,
        crl,
        allow_expired_certificate,
        trust_chain_verification,
    } = context;
    refuse_if(
        !match_typed_subject_alt_names.is_empty(),
        "match_typed_subject_alt_names",
    )?;
    refuse_if(crl.is_some(), "crl")?;
    refuse_if(allow_expired_certificate, "allow_expired_certificate")?;
    refuse_if(trust_chain_verification != 0, "trust_chain_verification")?;
    bundle(trusted_ca.unwrap_or_default()).map_err(at("trusted_ca"))
}

fn bundle(source: DataSource) -> Result<Bundle, Fault> {
    let (field, bytes) = match source.specifier {
        Some(Specifier::InlineBytes(bytes)) => ("inline_bytes", bytes),
        Some(Specifier::InlineString(text)) => ("inline_string", text.into()),
        Some(Specifier::Filename(_)) => return Err(Fault::unsupported("filename")),
        Some(Specifier::EnvironmentVariable(_)) => {
            return Err(Fault::unsupported("environment_variable"));
        }
        None => return Err(Fault::new("", "is missing")),
    };
    if bytes.len() > MAX_BYTES {
        let reason = format!("has {} bytes; {MAX_BYTES} are the most", bytes.len());
        return Err(Fault::new(field, reason));
    }
    let text = str::from_utf8(&bytes).map_err(|_| Fault::new(field, "is no PEM text"))?;
    let roots = Bundle::from_pem(text).map_err(|error| Fault::new(field, error.to_string()))?;
    if roots.is_empty() {
        return Err(Fault::new(field, "has no certificates"));
    }
    at_most(field, MAX_ROOTS, roots.len())?;
    // Which trust domains there are is not the roots' matter.
    let trusted = Trust::new(&roots, ["any".to_owned()]);
    trusted.map_err(|error| Fault::new(field, error.to_string()))?;
    Ok(roots)
}
