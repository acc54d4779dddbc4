//! `extensionProviders` of Istio's MeshConfig, as far as they are for tracing. Pure.

mod common;
mod opentelemetry;
mod zipkin;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use self::{common::Fault, opentelemetry::opentelemetry, zipkin::zipkin};
use super::fields::{fields, of_field, text_of};
use crate::model::Provider;

/// Reads the list. What is not built is in it as that: somebody else may use it.
///
/// # Errors
///
/// Returns what is wrong with a provider, and which.
pub(super) fn providers(value: &Value) -> Result<BTreeMap<Arc<str>, Provider>, String> {
    let elements: &[Value] = match value {
        Value::Null => &[],
        Value::Array(elements) => elements.as_slice(),
        other => return Err(format!("must be a list, not {other}")),
    };
    let mut providers = BTreeMap::new();
    for (index, element) in elements.iter().enumerate() {
        let of_element = |fault| format!("[{index}]: {fault}");
        let (name, provider) = provider(element).map_err(of_element)?;
        if providers.insert(Arc::clone(&name), provider).is_some() {
            return Err(of_element(format!(
                "another provider has the name {name} already"
            )));
        }
    }
    Ok(providers)
}

/// Reads a provider and its name.
fn provider(element: &Value) -> Result<(Arc<str>, Provider), String> {
    let (mut name, mut kinds) = ("", Vec::new());
    for (field, value) in fields(element)? {
        match field.as_str() {
            "name" => name = of_field("name", text_of(value))?,
            _ => kinds.push((field, value)),
        }
    }
    if name.is_empty() {
        return Err("name: must be set".to_owned());
    }
    let provider = match kinds.as_slice() {
        [(kind, value)] => of_field(kind, of_kind(kind, value))?,
        _ => return Err(format!("{name} must have exactly one kind of provider")),
    };
    Ok((name.into(), provider))
}

fn of_kind(kind: &str, value: &Value) -> Result<Provider, String> {
    let read = match kind {
        "zipkin" => zipkin(value),
        "opentelemetry" => opentelemetry(value),
        _ => return Ok(Provider::NotBuilt(kind.into())),
    };
    match read {
        Ok(provider) => Ok(Provider::Tracing(provider)),
        Err(Fault::NotBuilt(what)) => Ok(Provider::NotBuilt(format!("{kind} with {what}").into())),
        Err(Fault::Wrong(fault)) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{CollectorProtocol, Delivery, TracingProvider, Zipkin};

    fn parse(text: &str) -> Result<BTreeMap<Arc<str>, Provider>, String> {
        providers(&pillion_inject::yaml::parse(text).unwrap())
    }

    fn one(fields: &str) -> Provider {
        let mut all = parse(&format!("[{{name: a, {fields}}}]")).unwrap();
        all.remove("a").unwrap()
    }

    fn built(fields: &str) -> TracingProvider {
        match one(fields) {
            Provider::Tracing(provider) => provider,
            Provider::NotBuilt(what) => panic!("{what}"),
        }
    }

    #[test]
    fn reads_zipkin() {
        let read = built("zipkin: {service: Zipkin.obs.svc.cluster.local, port: 9411}");
        assert_eq!(&*read.service.host, "zipkin.obs.svc.cluster.local");
        assert_eq!((read.service.port, read.max_path_length), (9411, None));
        assert_eq!(read.protocol, CollectorProtocol::Zipkin(Zipkin::default()));
        let read = built(
            "zipkin: {service: obs/z, port: 1, path: /spans, maxTagLength: 9, enable64bitTraceId: true, timeout: 2s,\n\
             traceContextOption: USE_B3_WITH_W3C_PROPAGATION, headers: [{name: X-Token, value: b}]}",
        );
        assert_eq!(read.service.namespace.as_deref(), Some("obs"));
        assert_eq!(read.max_path_length, Some(9));
        let expected = Zipkin {
            path: "/spans".into(),
            short_trace_ids: true,
            with_w3c: true,
            delivery: Delivery {
                timeout: Some(Duration::from_secs(2)),
                headers: vec![("x-token".into(), "b".into())],
            },
        };
        assert_eq!(read.protocol, CollectorProtocol::Zipkin(expected));
    }

    #[test]
    fn reads_opentelemetry_by_grpc_and_http() {
        let read = built(
            "opentelemetry: {service: otel.obs, port: 4317, grpc: {timeout: 1s, initialMetadata: [{name: a, value: b}]}}",
        );
        let CollectorProtocol::OpenTelemetry(grpc) = read.protocol else {
            panic!("{read:?}");
        };
        assert_eq!(grpc.path, None);
        assert_eq!(grpc.delivery.timeout, Some(Duration::from_secs(1)));
        assert_eq!(grpc.delivery.headers.len(), 1);
        let read = built(
            "opentelemetry: {service: otel.obs, port: 4318, http: {path: /v1/traces, headers: [{name: a, value: b}]}}",
        );
        let CollectorProtocol::OpenTelemetry(http) = read.protocol else {
            panic!("{read:?}");
        };
        assert_eq!(http.path.as_deref(), Some("/v1/traces"));
        assert_eq!(http.delivery.headers.len(), 1);
    }

    /// Others may be for something else than tracing, and must not keep the configuration out.
    #[test]
    fn what_is_not_built_is_named() {
        for (fields, what) in [
            ("datadog: {service: a, port: 1}", "datadog"),
            (
                "envoyExtAuthzHttp: {service: a, port: 1}",
                "envoyExtAuthzHttp",
            ),
            (
                "opentelemetry: {service: a, port: 1, dynatraceSampler: {tenant: b}}",
                "opentelemetry with dynatraceSampler",
            ),
            (
                "zipkin: {service: a, port: 1, headers: [{name: a, envName: B}]}",
                "zipkin with headers.envName",
            ),
            (
                "opentelemetry: {service: a, port: 1, path: /spans}",
                "opentelemetry with path",
            ),
            (
                "opentelemetry: {service: a, port: 1, http: {path: /v1, uri: b}}",
                "opentelemetry with http.uri",
            ),
            (
                "opentelemetry: {service: a, port: 1, grpc: {initialMetadata: [{name: a, envName: B}]}}",
                "opentelemetry with grpc.initialMetadata.envName",
            ),
        ] {
            assert_eq!(one(fields), Provider::NotBuilt(what.into()));
        }
        assert_eq!(parse("").unwrap().len(), 0);
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, said) in [
            ("{}", "must be a list, not {}"),
            ("[{zipkin: {}}]", "[0]: name: must be set"),
            (
                "[{name: a}]",
                "[0]: a must have exactly one kind of provider",
            ),
            (
                "[{name: a, zipkin: {port: 1}}]",
                "[0]: zipkin: service: must be set",
            ),
            (
                "[{name: a, zipkin: {service: z}}]",
                "[0]: zipkin: port: must be set to a number from 1 to 65535",
            ),
            (
                "[{name: a, zipkin: {service: z, port: 70000}}]",
                "[0]: zipkin: port: must be a number from 1 to 65535, without quotes, not 70000",
            ),
            (
                "[{name: a, zipkin: {service: z, port: '9411'}}]",
                "[0]: zipkin: port: must be a number from 1 to 65535, without quotes, not \"9411\"",
            ),
            (
                "[{name: a, zipkin: {service: z, port: 1, headers: [{name: b}]}}]",
                "[0]: zipkin: headers: \"b\" has no value",
            ),
            (
                "[{name: a, opentelemetry: {service: z, port: 1, http: {}}}]",
                "[0]: opentelemetry: http: path: must begin with / and have no spaces, not \"\"",
            ),
            (
                "[{name: a, opentelemetry: {service: z, port: 1, http: {path: /v1}, grpc: {}}}]",
                "[0]: opentelemetry: http and grpc can't be set together: the collector's port speaks one of them",
            ),
            (
                "[{name: a, x: {}}, {name: a, y: {}}]",
                "[1]: another provider has the name a already",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
    }
}
