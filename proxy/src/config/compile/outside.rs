//! How servers outside the mesh prove who they are, and what they are shown.

use pillion_certs::mesh::OutsideName;
use pillion_envoy_api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, SubjectAltNameMatcher, TlsCertificate,
        common_tls_context::ValidationContextType, subject_alt_name_matcher::SanType,
    },
    r#type::matcher::v3::string_matcher::MatchPattern,
};

use super::{
    fault::{Fault, at, at_index, each, refuse_if},
    subject_alt_names::{checked, pattern},
    text::bounded,
};
use crate::tables::{CertificateFiles, Outside, Proof};

/// Names of one context.
const MAX_NAMES: usize = 64;
/// The longest path of Linux.
const MAX_PATH: usize = 4_096;

/// How servers prove who they are, and what they are shown, according to the context of a client without the workload's
/// certificate.
pub(super) fn outside(
    validation: Option<ValidationContextType>,
    certificates: Vec<TlsCertificate>,
) -> Result<Outside, Fault> {
    Ok(Outside {
        proof: proof(validation)?,
        shown: shown(certificates)?,
    })
}

fn proof(validation: Option<ValidationContextType>) -> Result<Proof, Fault> {
    match validation {
        None => Ok(Proof::Unchecked),
        Some(ValidationContextType::ValidationContext(context)) => {
            of_context(context).map_err(at("validation_context"))
        }
        Some(_) => {
            let reason =
                "only validation_context is supported without the workload's own certificate";
            Err(Fault::new("validation_context_type", reason))
        }
    }
}

fn of_context(message: CertificateValidationContext) -> Result<Proof, Fault> {
    let (roots, names) = checked(message)?;
    Ok(Proof::Checked {
        roots: path(roots).map_err(at("trusted_ca"))?,
        names: each("match_typed_subject_alt_names", MAX_NAMES, names, name)?,
    })
}

/// The only certificate, if there is one.
fn shown(certificates: Vec<TlsCertificate>) -> Result<Option<CertificateFiles>, Fault> {
    let field = "tls_certificates";
    let mut certificates = certificates.into_iter();
    let Some(certificate) = certificates.next() else {
        return Ok(None);
    };
    if certificates.next().is_some() {
        return Err(Fault::new(field, "must have one element at most"));
    }
    files(certificate).map(Some).map_err(at_index(field, 0))
}

fn files(message: TlsCertificate) -> Result<CertificateFiles, Fault> {
    let TlsCertificate {
        certificate_chain,
        private_key,
        ocsp_staple,
    } = message;
    refuse_if(ocsp_staple.is_some(), "ocsp_staple")?;
    Ok(CertificateFiles {
        chain: path(certificate_chain).map_err(at("certificate_chain"))?,
        key: path(private_key).map_err(at("private_key"))?,
    })
}

fn path(source: Option<DataSource>) -> Result<Box<str>, Fault> {
    match source.and_then(|source| source.specifier) {
        Some(Specifier::Filename(path))
            if path.starts_with('/') && path.len() <= MAX_PATH && !path.contains('\0') =>
        {
            Ok(path.into_boxed_str())
        }
        _ => {
            let reason = "must be the absolute path of a file";
            Err(Fault::new("filename", reason))
        }
    }
}

fn name(message: SubjectAltNameMatcher) -> Result<OutsideName, Fault> {
    let kind = SanType::try_from(message.san_type);
    let Some(MatchPattern::Exact(text)) = pattern(message)? else {
        return Err(Fault::new("matcher.match_pattern", "must be exact"));
    };
    let text = bounded("exact", &text).map_err(at("matcher"))?;
    match kind {
        Ok(SanType::Dns) => Ok(OutsideName::Dns(text.to_string())),
        Ok(SanType::Uri) => Ok(OutsideName::Uri(text.to_string())),
        _ => Err(Fault::new("san_type", "must be DNS or URI")),
    }
}
