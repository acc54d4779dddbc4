//! `tracing` of Istio's ProxyConfig, in the mesh's configuration and on pods. Pure.

use pillion_api::Percentage;
use serde_json::Value;

use super::fields::{field, fields, flag, number, of_field, text_of};
use crate::model::{ProxyCollector, ProxyTracing, ServiceAddress, Tags};

/// Levels, scalars, lists and maps of a pod's ProxyConfig that are read.
const NODES: usize = 4_096;
/// Collectors that Istio has, or had, and that are not built.
const NOT_BUILT: [&str; 4] = ["lightstep", "datadog", "stackdriver", "openCensusAgent"];

/// What a pod's annotation says about tracing; `None` for nothing, and for what is wrong: the injector
/// refuses a pod with a ProxyConfig that is none.
pub(super) fn of_annotation(text: &str) -> Option<ProxyTracing> {
    let config = pillion_inject::yaml::parse_bounded(text, NODES).ok()?;
    let read = of_proxy(&config).ok()?;
    (read != ProxyTracing::default()).then_some(read)
}

/// What a ProxyConfig says about tracing.
///
/// # Errors
///
/// Returns what is wrong with a field, and which.
pub(super) fn of_proxy(config: &Value) -> Result<ProxyTracing, String> {
    let mut tracing = ProxyTracing::default();
    // What it was called before it was a field of `tracing`.
    if let Some(address) = field(config, "zipkinAddress") {
        tracing.collector = of_field("zipkinAddress", zipkin(address))?;
    }
    let all = field(config, "tracing").map(fields).transpose();
    for (name, value) in of_field("tracing", all)?.unwrap_or_default() {
        let read = read(&mut tracing, &name, value);
        of_field(&format!("tracing.{name}"), read)?;
    }
    Ok(tracing)
}

/// Reads a field of `tracing`.
fn read(tracing: &mut ProxyTracing, name: &str, value: &Value) -> Result<(), String> {
    match name {
        "sampling" => tracing.sampling = Some(percentage(value)?),
        "zipkin" => {
            if let Some(address) = field(value, "address") {
                tracing.collector = of_field("address", zipkin(address))?;
            }
        }
        "customTags" => tracing.tags = tags(value)?,
        "maxPathTagLength" => {
            let length: u32 = number(value)?;
            // In Protobuf, it can't be told from none.
            tracing.max_path_length = (length > 0).then_some(length);
        }
        "enableIstioTags" => tracing.istio_tags = Some(flag(value)?),
        name if NOT_BUILT.contains(&name) => {
            tracing.collector = Some(ProxyCollector::NotBuilt(name.into()));
        }
        _ => {}
    }
    Ok(())
}

fn percentage(value: &Value) -> Result<Percentage, String> {
    let read = value.as_f64().map(Percentage::try_from);
    let read = read.and_then(Result::ok);
    read.ok_or_else(|| format!("must be a number from 0 to 100, not {value}"))
}

/// Reads the address of Zipkin; `None` for an empty one.
fn zipkin(value: &Value) -> Result<Option<ProxyCollector>, String> {
    let text = text_of(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!host.is_empty()).then(|| ServiceAddress {
            namespace: None,
            host: host.to_ascii_lowercase().into(),
            port,
        })
    });
    let address = address.ok_or_else(|| format!("must be HOST:PORT, not {text:?}"))?;
    Ok(Some(ProxyCollector::Zipkin(address)))
}

fn tags(value: &Value) -> Result<Tags, String> {
    let read = pillion_api::custom_tags(value.clone()).map_err(|faults| {
        let faults = faults.iter().map(ToString::to_string);
        faults.collect::<Vec<_>>().join(", ")
    })?;
    let tags = read.into_iter();
    Ok(tags.map(|(name, tag)| (name.into(), tag)).collect())
}

#[cfg(test)]
mod tests {
    use pillion_api::CustomTag;

    use super::*;

    fn parse(text: &str) -> Result<ProxyTracing, String> {
        of_proxy(&pillion_inject::yaml::parse(text).unwrap())
    }

    fn zipkin_at(host: &str, port: u16) -> Option<ProxyCollector> {
        Some(ProxyCollector::Zipkin(ServiceAddress {
            namespace: None,
            host: host.into(),
            port,
        }))
    }

    #[test]
    fn reads_what_is_used() {
        let read = parse(
            "tracing: {sampling: 12.5, zipkin: {address: 'Zipkin.obs:9411'}, max_path_tag_length: 64, enableIstioTags: false,\n\
             customTags: {a: {literal: {value: b}}}, tlsSettings: {mode: DISABLE}}",
        )
        .unwrap();
        assert_eq!(read.sampling, Percentage::try_from(12.5).ok());
        assert_eq!(read.collector, zipkin_at("zipkin.obs", 9411));
        assert_eq!(read.max_path_length, Some(64));
        assert_eq!(read.istio_tags, Some(false));
        assert_eq!(read.tags["a"], CustomTag::Literal("b".to_owned()));
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        for text in [
            "{}",
            "tracing: {}",
            "tracing: {zipkin: {}}",
            "tracing: {zipkin: {address: ''}, maxPathTagLength: 0}",
            "tracing:",
        ] {
            assert_eq!(parse(text), Ok(ProxyTracing::default()), "{text}");
        }
        // Whoever writes 0 means it.
        let none = parse("tracing: {sampling: 0}").unwrap();
        assert_eq!(none.sampling, Some(Percentage::default()));
    }

    #[test]
    fn knows_the_field_of_old_and_collectors_that_are_not_built() {
        let old = parse("zipkinAddress: zipkin:9411").unwrap();
        assert_eq!(old.collector, zipkin_at("zipkin", 9411));
        let dog = parse("tracing: {datadog: {address: 'a:1'}}").unwrap();
        assert_eq!(
            dog.collector,
            Some(ProxyCollector::NotBuilt("datadog".into()))
        );
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, said) in [
            (
                "tracing: {sampling: 101}",
                "tracing.sampling: must be a number from 0 to 100, not 101",
            ),
            (
                "tracing: {zipkin: {address: zipkin}}",
                "tracing.zipkin: address: must be HOST:PORT, not \"zipkin\"",
            ),
            (
                "tracing: [a]",
                "tracing: must be a map of fields, not [\"a\"]",
            ),
            (
                "tracing: {customTags: {a: {}}}",
                "tracing.customTags: a: exactly one of literal, environment and header must be set",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
    }

    #[test]
    fn an_annotation_says_it_or_nothing() {
        assert!(of_annotation("tracing: {sampling: 50}").is_some());
        for text in [
            "",
            "concurrency: 2",
            "tracing: {sampling: 500}",
            "{",
            &format!("[{}]", "a, ".repeat(NODES)),
        ] {
            assert_eq!(of_annotation(text), None);
        }
    }
}
