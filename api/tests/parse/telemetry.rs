//! `Telemetry`.

use pillion_api::{AnyObject, CustomTag, Kind, Percentage, WorkloadMode};
use serde_json::json;

use crate::{read, warnings};

fn fault(text: &str) -> String {
    crate::fault(Kind::Telemetry, text)
}

/// The fault of an element of `tracing` with these fields.
fn tracing(fields: &str) -> String {
    fault(&format!("{{tracing: [{{{fields}}}]}}"))
}

#[test]
fn accepts_what_tracing_has() {
    let spec = "{selector: {matchLabels: {app: web}}, tracing: [
        {match: {mode: SERVER}, providers: [{name: zipkin}], randomSamplingPercentage: 10, disableSpanReporting: false,
         useRequestIdForTraceSampling: false, enableIstioTags: true,
         customTags: {a: {literal: {value: x}}, b: {environment: {name: POD_NAME, defaultValue: none}}, c: {header: {name: x-c}}}}]}";
    assert_eq!(warnings(Kind::Telemetry, spec), Vec::<String>::new());
    let Ok((AnyObject::Telemetry(object), _)) = read(Kind::Telemetry, spec) else {
        panic!("{spec}");
    };
    let [tracing] = &object.spec.tracing[..] else {
        panic!("{object:?}");
    };
    let mode = tracing.matches.as_ref().map(|matches| matches.mode);
    assert_eq!(mode, Some(WorkloadMode::Server));
    assert_eq!(
        tracing.random_sampling_percentage,
        Percentage::try_from(10.0).ok()
    );
    assert_eq!(tracing.custom_tags["a"], CustomTag::Literal("x".to_owned()));
}

#[test]
fn takes_both_versions() {
    for (version, is_known) in [("v1", true), ("v1alpha1", true), ("v1beta1", false)] {
        let object = json!({
            "apiVersion": format!("telemetry.istio.io/{version}"), "kind": "Telemetry", "metadata": {"name": "a"},
            "spec": {"tracing": [{}]},
        });
        let read = pillion_api::parse(Kind::Telemetry, object);
        assert_eq!(read.is_ok(), is_known, "{version}");
    }
}

/// Whoever wrote one for metrics has to learn that nothing of it is in force.
#[test]
fn names_what_is_not_built() {
    for (spec, field) in [
        ("{metrics: [{providers: [{name: prometheus}]}]}", "metrics"),
        (
            "{accessLogging: [{providers: [{name: envoy}]}]}",
            "accessLogging",
        ),
        (
            "{targetRefs: [{kind: Gateway, name: a}], tracing: [{}]}",
            "targetRefs",
        ),
        (
            "{tracing: [{disableContextPropagation: true}]}",
            "tracing[0].disableContextPropagation",
        ),
        (
            "{tracing: [{customTags: {a: {formatter: {value: '%PROTOCOL%'}}}}]}",
            "tracing[0].customTags[a].formatter",
        ),
    ] {
        let said = fault(spec);
        let wanted = format!("spec.{field}: this field of Istio's API is not built yet");
        assert!(said.starts_with(&wanted), "{said}");
    }
}

#[test]
fn a_percentage_is_from_0_to_100() {
    for good in ["0", "0.01", "100", "12.5"] {
        let spec = format!("{{tracing: [{{randomSamplingPercentage: {good}}}]}}");
        assert_eq!(warnings(Kind::Telemetry, &spec), Vec::<String>::new());
    }
    for bad in ["-1", "100.5"] {
        assert_eq!(
            tracing(&format!("randomSamplingPercentage: {bad}")),
            format!(
                "spec.tracing[0].randomSamplingPercentage: must be a number from 0 to 100, not {bad}"
            )
        );
    }
    assert!(tracing("randomSamplingPercentage: '10'").contains("write it without quotes"));
}

#[test]
fn refuses_what_cannot_be() {
    assert!(
        tracing("providers: [{}]").starts_with("spec.tracing[0].providers[0].name: must be set")
    );
    assert!(tracing("match: {mode: BOTH}").contains("must be one of CLIENT_AND_SERVER, CLIENT"));
    assert!(tracing("match: CLIENT").contains("must be an object with fields such as mode"));
    for (tag, said) in [
        ("{}", "exactly one of literal, environment and header"),
        (
            "{literal: {value: a}, header: {name: b}}",
            "exactly one of literal, environment and header",
        ),
        ("{literal: {}}", "literal.value: must be set"),
        ("{environment: {}}", "environment.name: must be set"),
        ("{header: {name: 'a b'}}", "header.name: \"a b\" can't be"),
        ("{environment: {name: 'A=B'}}", "environment.name: \"A=B\""),
    ] {
        let fault = tracing(&format!("customTags: {{a: {tag}}}"));
        assert!(fault.contains(said), "{fault}");
    }
    assert!(
        fault("{selector: {matchLabels: {'a b': c}}, tracing: [{}]}")
            .contains("the key of a label")
    );
}

#[test]
fn warns_of_what_has_no_effect() {
    let said = warnings(
        Kind::Telemetry,
        "{tracing: [{providers: [{name: a}, {name: b}]}]}",
    );
    assert_eq!(
        said,
        ["spec.tracing[0].providers: only the first provider gets spans"]
    );
    assert_eq!(warnings(Kind::Telemetry, "{}").len(), 1);
}

#[test]
fn bounds_tags() {
    let tags = |count: usize| {
        let tags: Vec<String> = (0..count)
            .map(|number| format!("t{number}: {{literal: {{value: a}}}}"))
            .collect();
        format!("customTags: {{{}}}", tags.join(", "))
    };
    let most = format!("{{tracing: [{{{}}}]}}", tags(24));
    assert_eq!(warnings(Kind::Telemetry, &most), Vec::<String>::new());
    assert!(tracing(&tags(25)).contains("there can't be more than 24"));
    let long = "a".repeat(1_025);
    assert!(
        tracing(&format!(
            "customTags: {{a: {{literal: {{value: {long}}}}}}}"
        ))
        .contains("more than 1024 bytes")
    );
    assert!(
        tracing(&format!(
            "customTags: {{{}: {{literal: {{value: a}}}}}}",
            "a".repeat(257)
        ))
        .contains("from 1 to 256 bytes")
    );
    let many = vec!["{}"; 17].join(", ");
    assert!(fault(&format!("{{tracing: [{many}]}}")).contains("there can't be more than 16"));
}
