//! Whose certificates are accepted.

use pillion_envoy_api::envoy::{
    config::core::v3::{ConfigSource, DataSource, config_source::ConfigSourceSpecifier},
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, SubjectAltNameMatcher,
        certificate_validation_context::TrustChainVerification, subject_alt_name_matcher::SanType,
    },
    r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
};

use super::{
    fault::{Fault, at, each, refuse_if},
    text::bounded,
};
use crate::tables::SanMatch;

/// Names of one context: the accounts of a service, or the trust domains of a mesh.
const MAX_SANS: usize = 1_024;

/// The names that a certificate may have; any if there is none.
pub(super) fn sans(message: CertificateValidationContext) -> Result<Vec<SanMatch>, Fault> {
    if message.trusted_ca.is_some() {
        let reason = "only the roots of the mesh are supported, the secret \"ROOTCA\"";
        return Err(Fault::new("trusted_ca", reason));
    }
    let (_, names) = checked(message)?;
    each("match_typed_subject_alt_names", MAX_SANS, names, san)
}

/// The roots and the names of a context that has whole chains checked, and nothing else said of them.
pub(super) fn checked(
    message: CertificateValidationContext,
) -> Result<(Option<DataSource>, Vec<SubjectAltNameMatcher>), Fault> {
    let CertificateValidationContext {
        trusted_ca,
        match_typed_subject_alt_names,
        crl,
        allow_expired_certificate,
        trust_chain_verification,
    } = message;
    refuse_if(crl.is_some(), "crl")?;
    refuse_if(allow_expired_certificate, "allow_expired_certificate")?;
    let verifies = i32::from(TrustChainVerification::VerifyTrustChain);
    refuse_if(
        trust_chain_verification != verifies,
        "trust_chain_verification",
    )?;
    Ok((trusted_ca, match_typed_subject_alt_names))
}

fn san(message: SubjectAltNameMatcher) -> Result<SanMatch, Fault> {
    if message.san_type != i32::from(SanType::Uri) {
        let reason = "must be URI: workloads have no other names";
        return Err(Fault::new("san_type", reason));
    }
    let san = match pattern(message)? {
        Some(MatchPattern::Exact(text)) => {
            bounded("exact", &text).map(|text| SanMatch::Exact(text.into()))
        }
        // An empty one is any name; Envoy refuses it, too.
        Some(MatchPattern::Prefix(text)) if !text.is_empty() => {
            bounded("prefix", &text).map(|text| SanMatch::Prefix(text.into()))
        }
        _ => Err(Fault::new("match_pattern", "must be exact, or a prefix")),
    };
    san.map_err(at("matcher"))
}

/// What a name is compared with, as it is written.
pub(super) fn pattern(message: SubjectAltNameMatcher) -> Result<Option<MatchPattern>, Fault> {
    let SubjectAltNameMatcher {
        san_type: _,
        matcher,
        oid,
    } = message;
    refuse_if(!oid.is_empty(), "oid")?;
    let StringMatcher {
        match_pattern,
        ignore_case,
    } = matcher.unwrap_or_default();
    refuse_if(ignore_case, "ignore_case").map_err(at("matcher"))?;
    Ok(match_pattern)
}

/// Checks that a secret comes from where Istio has it: the agent beside the proxy, or the control
/// plane.
pub(super) fn from_identity(source: Option<ConfigSource>) -> Result<(), Fault> {
    let source = source.and_then(|source| source.config_source_specifier);
    match source {
        Some(ConfigSourceSpecifier::ApiConfigSource(_) | ConfigSourceSpecifier::Ads(_)) => Ok(()),
        _ => Err(Fault::new("sds_config", "must be api_config_source or ads")),
    }
}
