//! How servers outside the mesh prove who they are.

use pillion_certs::mesh::OutsideName;
use pillion_envoy_api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, SubjectAltNameMatcher,
        common_tls_context::ValidationContextType, subject_alt_name_matcher::SanType,
    },
    r#type::matcher::v3::string_matcher::MatchPattern,
};

use super::{
    fault::{Fault, at, each},
    subject_alt_names::{checked, pattern},
    text::bounded,
};
use crate::tables::Outside;

/// Names of one context.
const MAX_NAMES: usize = 64;
/// The longest path of Linux.
const MAX_PATH: usize = 4_096;

/// How servers prove who they are, according to the context of a client without a certificate.
pub(super) fn outside(validation: Option<ValidationContextType>) -> Result<Outside, Fault> {
    match validation {
        None => Ok(Outside::Unchecked),
        Some(ValidationContextType::ValidationContext(context)) => {
            of_context(context).map_err(at("validation_context"))
        }
        Some(_) => {
            let reason =
                "only validation_context is supported without a certificate for the client";
            Err(Fault::new("validation_context_type", reason))
        }
    }
}

fn of_context(message: CertificateValidationContext) -> Result<Outside, Fault> {
    let (roots, names) = checked(message)?;
    Ok(Outside::Checked {
        roots: path(roots).map_err(at("trusted_ca"))?,
        names: each("match_typed_subject_alt_names", MAX_NAMES, names, name)?,
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
