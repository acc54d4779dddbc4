//! `Telemetry`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{headers, limits, names};
use crate::{
    CustomTag, Fault, Metadata, ProviderRef, TagSource, TelemetrySpec, Tracing, findings::Findings,
    path::shortened,
};

/// Validates a `Telemetry`.
pub(crate) fn telemetry(findings: &mut Findings, _: &Metadata, spec: &TelemetrySpec) {
    findings.some("selector", spec.selector.as_ref(), |findings, selector| {
        names::labels(findings, "matchLabels", &selector.match_labels);
    });
    if spec.tracing.is_empty() {
        findings.warn("says nothing: set tracing, the part of a Telemetry that is built");
    }
    findings.at("tracing", |findings| {
        limits::count(findings, spec.tracing.len(), limits::TRACING);
    });
    findings.each("tracing", &spec.tracing, tracing);
}

/// Reads tags as a Telemetry has them, for the mesh's configuration.
///
/// # Errors
///
/// What is wrong with them.
pub fn custom_tags(value: Value) -> Result<BTreeMap<String, CustomTag>, Vec<Fault>> {
    let tags: BTreeMap<String, CustomTag> =
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path: String = error.path().to_string().chars().take(200).collect();
            let message = error.inner().to_string().chars().take(200).collect();
            vec![Fault { path, message }]
        })?;
    let mut findings = Findings::default();
    all_custom_tags(&mut findings, &tags);
    findings.finish().map(|_| tags)
}

/// How requests are traced.
fn tracing(findings: &mut Findings, tracing: &Tracing) {
    findings.at("providers", |findings| {
        limits::count(findings, tracing.providers.len(), limits::NAMES);
        if tracing.providers.len() > 1 {
            findings.warn("only the first provider gets spans");
        }
    });
    findings.each("providers", &tracing.providers, provider);
    all_custom_tags(findings, &tracing.custom_tags);
}

/// Tags, by their names.
fn all_custom_tags(findings: &mut Findings, tags: &BTreeMap<String, CustomTag>) {
    findings.at("customTags", |findings| {
        limits::count(findings, tags.len(), limits::TAGS);
    });
    findings.each_key("customTags", tags, custom_tag);
}

/// A reference to a provider.
fn provider(findings: &mut Findings, provider: &ProviderRef) {
    findings.at("name", |findings| {
        limits::text(findings, &provider.name);
        if provider.name.is_empty() {
            findings.fault("must be set: the name of one of the mesh's extensionProviders");
        }
    });
}

/// A tag. Every span has it.
fn custom_tag(findings: &mut Findings, name: &str, tag: &CustomTag) {
    if name.is_empty() || name.len() > limits::TAG_NAME {
        let most = limits::TAG_NAME;
        findings.fault(format!("the name of a tag has from 1 to {most} bytes"));
    }
    match tag {
        CustomTag::Literal(value) => findings.at("literal", |findings| {
            findings.at("value", |findings| {
                if value.is_empty() {
                    findings.fault("must be set");
                }
                tag_value(findings, value);
            });
        }),
        CustomTag::Environment(source) => findings.at("environment", |findings| {
            from(findings, source, |name| !name.contains(['=', '\0']));
        }),
        CustomTag::Header(source) => findings.at("header", |findings| {
            from(findings, source, headers::is_name);
        }),
    }
}

/// Where a value is from.
fn from(findings: &mut Findings, source: &TagSource, is_name: impl Fn(&str) -> bool) {
    findings.at("name", |findings| {
        limits::text(findings, &source.name);
        if source.name.is_empty() {
            findings.fault("must be set");
        } else if !is_name(&source.name) {
            findings.fault(format!(
                "{:?} can't be such a name",
                shortened(&source.name)
            ));
        }
    });
    findings.at("defaultValue", |findings| {
        tag_value(findings, &source.default_value);
    });
}

fn tag_value(findings: &mut Findings, value: &str) {
    if value.len() > limits::TAG_VALUE {
        let most = limits::TAG_VALUE;
        findings.fault(format!(
            "has more than {most} bytes, of which spans have no more"
        ));
    }
}
