//! `tracing` of Istio's ProxyConfig, in the mesh's configuration and on pods. Pure.

use pillion_api::Percentage;
use serde_json::Value;

use super::fields::{field, fields, flag, number, of_field, text_of};
use crate::model::{ProxyCollector, ProxyTracing, ServiceAddress, Tags};

/// Levels, scalars, lists and maps of a pod's ProxyConfig that are read.
const NODES: usize = 4_096;
/// Fields that are read.
const READ: [&str; 6] = [
    "sampling",
    "zipkin",
    "customTags",
    "maxPathTagLength",
    "enableIstioTags",
    TLS,
];
/// Collectors that Istio has, or had, and that are not built.
const NOT_BUILT: [&str; 4] = ["lightstep", "datadog", "stackdriver", "openCensusAgent"];
/// How the collector is connected to by TLS, which is not built.
const TLS: &str = "tlsSettings";

/// What a pod's annotation says about tracing; `None` for nothing, and for what is wrong. The injector
/// checks the same fields and refuses such pods, so only those are left that it has not seen, or that
/// are older than its checks.
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
    if let Some(address) = field(config, "zipkinAddress").filter(|address| !address.is_null()) {
        tracing.collector = of_field("zipkinAddress", zipkin(address))?;
    }
    let all = of_tracing(config)?;
    for (name, value) in &all {
        let read = read(&mut tracing, name, value);
        of_field(&format!("tracing.{name}"), read)?;
    }
    // Whoever asks for TLS must not get spans in the clear.
    if all.iter().any(|(name, value)| name == TLS && is_tls(value)) {
        tracing.collector = Some(ProxyCollector::NotBuilt(TLS.into()));
    }
    Ok(tracing)
}

/// The fields of `tracing` that mean nothing here.
pub(super) fn unknown(config: &Value) -> Vec<String> {
    let names = of_tracing(config).unwrap_or_default().into_iter();
    let names = names.map(|(name, _)| name);
    let is_known = |name: &str| READ.contains(&name) || NOT_BUILT.contains(&name);
    names.filter(|name| !is_known(name)).collect()
}

fn of_tracing(config: &Value) -> Result<Vec<(String, &Value)>, String> {
    let all = field(config, "tracing").map(fields).transpose();
    Ok(of_field("tracing", all)?.unwrap_or_default())
}

/// Whether these are settings for TLS. Without a mode, they are not.
fn is_tls(settings: &Value) -> bool {
    let mode = field(settings, "mode").filter(|mode| !mode.is_null());
    mode.is_some_and(|mode| mode.as_str() != Some("DISABLE"))
}

/// Reads a field of `tracing`.
fn read(tracing: &mut ProxyTracing, name: &str, value: &Value) -> Result<(), String> {
    match name {
        "sampling" => tracing.sampling = Some(percentage(value)?),
        "zipkin" => {
            let of_zipkin = fields(value)?.into_iter();
            for (_, address) in of_zipkin.filter(|(name, _)| name == "address") {
                tracing.collector = of_field("address", zipkin(address))?;
            }
        }
        "customTags" => tracing.tags = tags(value)?,
        "maxPathTagLength" => {
            let length = number(value)?;
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
        let is_host =
            !host.is_empty() && !host.contains('/') && !host.contains(char::is_whitespace);
        is_host.then(|| ServiceAddress {
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
    use serde_json::json;

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

    /// Spans would get to the collector in the clear.
    #[test]
    fn tls_is_not_built_whoever_else_is_named() {
        for (settings, is_told) in [
            ("{}", false),
            ("{mode: DISABLE}", false),
            ("{mode: SIMPLE}", true),
            ("{mode: ISTIO_MUTUAL, sni: a}", true),
        ] {
            let read = parse(&format!(
                "tracing: {{zipkin: {{address: 'z:1'}}, tlsSettings: {settings}}}"
            ));
            let tls = ProxyCollector::NotBuilt("tlsSettings".into());
            let wanted = if is_told {
                Some(tls)
            } else {
                zipkin_at("z", 1)
            };
            assert_eq!(read.unwrap().collector, wanted, "{settings}");
        }
    }

    #[test]
    fn names_fields_that_are_unknown() {
        let unknown = |text| unknown(&pillion_inject::yaml::parse(text).unwrap());
        assert_eq!(unknown("{}"), [""; 0]);
        assert_eq!(
            unknown("tracing: {sampling: 1, samplign: 2, datadog: {}, max_tags: 3}"),
            ["maxTags", "samplign"]
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
                "tracing: {zipkin: {address: 'http://zipkin:9411'}}",
                "tracing.zipkin: address: must be HOST:PORT, not \"http://zipkin:9411\"",
            ),
            (
                "tracing: {zipkin: zipkin:9411}",
                "tracing.zipkin: must be a map of fields, not \"zipkin:9411\"",
            ),
            (
                "tracing: {maxPathTagLength: '64'}",
                "tracing.maxPathTagLength: must be a number from 0 to 4294967295, without quotes, not \"64\"",
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

    /// Nobody else could tell whoever makes the pod.
    #[test]
    fn the_injector_refuses_what_is_wrong_here_and_nothing_else() {
        let config = pillion_inject::Config::builtin().unwrap();
        let is_refused = |text: &str| {
            let pod = json!({
                "metadata": {"name": "web", "annotations": {"proxy.istio.io/config": text}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            });
            let target = pillion_inject::Target {
                pod: &pod,
                namespace: "shop",
                workload: None,
                path_env: &[],
                cluster_has_native_sidecars: true,
            };
            pillion_inject::inject(&config, &target).is_err()
        };
        let tags = |count: usize| -> String {
            let tags = (0..count).map(|tag| format!("t{tag}: {{literal: {{value: a}}}}"));
            let tags: Vec<String> = tags.collect();
            format!("{{customTags: {{{}}}}}", tags.join(", "))
        };
        for tracing in [
            "{}",
            "[a]",
            "{sampling: 1}",
            "{sampling: 101}",
            "{sampling: '1'}",
            "{maxPathTagLength: 64}",
            "{maxPathTagLength: -1}",
            "{maxPathTagLength: 4294967296}",
            "{enableIstioTags: maybe}",
            "{zipkin: a}",
            "{zipkin: {address: null}}",
            "{zipkin: {address: ''}}",
            "{zipkin: {address: 'a:1'}}",
            "{zipkin: {address: a}}",
            "{zipkin: {address: 'a:0'}}",
            "{zipkin: {address: 'a/b:1'}}",
            "{customTags: [a]}",
            "{customTags: {a: null}}",
            "{customTags: {a: {}}}",
            "{customTags: {'': {literal: {value: b}}}}",
            "{customTags: {a: {literal: {value: b}}}}",
            "{customTags: {a: {literal: {value: ''}}}}",
            "{customTags: {a: {literal: {value: 1}}}}",
            "{customTags: {a: {literal: {value: b}, header: {name: c}}}}",
            "{customTags: {a: {header: {name: x-b, defaultValue: c}}}}",
            "{customTags: {a: {header: {name: 'x b'}}}}",
            "{customTags: {a: {environment: {name: B}}}}",
            "{customTags: {a: {environment: {name: 'B=C'}}}}",
            "{customTags: {a: {environment: {name: B, defaultValue: 1}}}}",
            "{datadog: {address: a}}",
            "{tlsSettings: {mode: SIMPLE}}",
            "{unknown: 1}",
            &tags(24),
            &tags(25),
        ] {
            let text = format!("tracing: {tracing}");
            assert_eq!(is_refused(&text), parse(&text).is_err(), "{text}");
        }
        for address in ["z", "z:1", ""] {
            let text = format!("zipkinAddress: '{address}'");
            assert_eq!(is_refused(&text), parse(&text).is_err(), "{text}");
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
