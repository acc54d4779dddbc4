//! `tracing` of a ProxyConfig. Discovery reads it, of pods that are there already: all that it could do
//! about a fault there is to leave the field out.

use serde_json::Value;

use super::fields::{camel_case, wrong};
use crate::{fault::Fault, quote};

/// How many tags a ProxyConfig may add to spans.
const TAGS: usize = 24;
/// The most bytes of a tag's name.
const TAG_NAME: usize = 256;
/// The most bytes of a tag's value.
const TAG_VALUE: usize = 1_024;
/// The most bytes of the name of a variable or header.
const SOURCE: usize = 8 * 1_024;
/// Where a tag's value comes from.
const SOURCES: [&str; 3] = ["literal", "environment", "header"];

/// The fields that have an effect.
const BUILT: [&str; 5] = [
    "sampling",
    "zipkin",
    "customTags",
    "maxPathTagLength",
    "enableIstioTags",
];
/// Collectors that Istio has, or had, and that are not built.
const NOT_BUILT: [&str; 4] = ["lightstep", "datadog", "stackdriver", "openCensusAgent"];
/// How the collector is connected to by TLS, which is not built.
const TLS: &str = "tlsSettings";

/// What is wrong with the fields.
pub(super) fn faults(tracing: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in fields(tracing) {
        let found = match camel_case(key).as_str() {
            "sampling" => unless(is_percentage(value), "a number from 0 to 100", value),
            "zipkin" => zipkin(value),
            "customTags" => tags(value),
            "maxPathTagLength" => unless(is_length(value), "a number from 0 to 4294967295", value),
            "enableIstioTags" => unless(value.is_boolean(), "true or false", value),
            _ => Vec::new(),
        };
        faults.extend(found.into_iter().map(|fault| fault.in_field(key)));
    }
    faults
}

/// What the fields ask for in vain, for whoever applies a pod.
pub(super) fn warnings(tracing: &Value) -> Vec<String> {
    let names = |is_meant: &dyn Fn(&str, &Value) -> bool| {
        let named = fields(tracing).map(|(key, value)| (camel_case(key), value));
        let named = named.filter(|(name, value)| is_meant(name, value));
        let names: Vec<String> = named.map(|(name, _)| name).collect();
        (!names.is_empty()).then(|| quote::list(names.iter().map(String::as_str)))
    };
    let is_not_built =
        |name: &str, value: &Value| NOT_BUILT.contains(&name) || (name == TLS && is_tls(value));
    let is_unknown =
        |name: &str, _: &Value| name != TLS && !BUILT.contains(&name) && !NOT_BUILT.contains(&name);
    let not_built = names(&is_not_built).map(|names| {
        format!(
            "tracing in the ProxyConfig asks for what is not built ({names}): requests are traced only where a \
             Telemetry or defaultProviders names a provider"
        )
    });
    let unknown = names(&is_unknown).map(|names| {
        format!("tracing in the ProxyConfig has unknown fields, which have no effect: {names}")
    });
    not_built.into_iter().chain(unknown).collect()
}

/// Whether a text is `HOST:PORT`, or empty, which stands for none.
pub(super) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return text.is_empty();
    };
    let is_host = !host.is_empty() && !host.contains('/') && !host.contains(char::is_whitespace);
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The fields that are set.
fn fields(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = map.as_object().into_iter().flatten();
    fields.filter(|(_, value)| !value.is_null())
}

fn unless(is_valid: bool, expected: &str, value: &Value) -> Vec<Fault> {
    if is_valid {
        Vec::new()
    } else {
        vec![wrong(expected, value)]
    }
}

fn is_percentage(value: &Value) -> bool {
    let number = value.as_f64();
    number.is_some_and(|number| (0.0..=100.0).contains(&number))
}

fn is_length(value: &Value) -> bool {
    let number = value.as_u64();
    number.is_some_and(|number| u32::try_from(number).is_ok())
}

/// Whether these are settings for TLS. Without a mode, they are not.
fn is_tls(settings: &Value) -> bool {
    let mut modes = fields(settings).filter(|(key, _)| key.as_str() == "mode");
    modes.any(|(_, mode)| mode.as_str() != Some("DISABLE"))
}

fn zipkin(value: &Value) -> Vec<Fault> {
    if !value.is_object() {
        return vec![wrong("a mapping", value)];
    }
    let mut faults = Vec::new();
    for (key, address) in fields(value) {
        if key == "address" && !address.as_str().is_some_and(is_address) {
            faults.push(wrong("HOST:PORT", address).in_field(key));
        }
    }
    faults
}

fn tags(value: &Value) -> Vec<Fault> {
    let Some(tags) = value.as_object() else {
        return vec![wrong("a mapping", value)];
    };
    if tags.len() > TAGS {
        let count = tags.len();
        let message = format!("has {count} tags, and at most {TAGS} are taken");
        return vec![Fault::new(message)];
    }
    let faults = tags.iter().filter_map(|(name, value)| {
        let fault = tag(name, value).err()?;
        Some(fault.in_field(&quote::excerpt(name, quote::NAME)))
    });
    faults.collect()
}

/// Checks a tag.
fn tag(name: &str, tag: &Value) -> Result<(), Fault> {
    if name.is_empty() || name.len() > TAG_NAME {
        let message = format!("the name of a tag has from 1 to {TAG_NAME} bytes");
        return Err(Fault::new(message));
    }
    let set = SOURCES.into_iter().filter(|kind| !tag[*kind].is_null());
    let set: Vec<&str> = set.collect();
    let [kind] = set[..] else {
        let message = "exactly one of literal, environment and header must be set";
        return Err(Fault::new(message));
    };
    let checked = source(kind, &tag[kind]);
    checked.map_err(|fault| fault.in_field(kind))
}

/// Checks where a tag's value comes from.
fn source(kind: &str, source: &Value) -> Result<(), Fault> {
    if !source.is_object() {
        return Err(wrong("a mapping", source));
    }
    if kind == "literal" {
        return match text(source, "value", TAG_VALUE)? {
            "" => Err(Fault::at("value", "must be set")),
            _ => Ok(()),
        };
    }
    let name = text(source, "name", SOURCE)?;
    let is_name = match kind {
        "header" => name.bytes().all(is_of_header),
        _ => !name.contains(['=', '\0']),
    };
    if name.is_empty() {
        return Err(Fault::at("name", "must be set"));
    }
    if !is_name {
        let name = quote::excerpt(name, quote::NAME);
        return Err(Fault::at("name", format!("{name:?} can't be such a name")));
    }
    text(source, "defaultValue", TAG_VALUE).map(|_| ())
}

/// A text; empty if it is not set.
fn text<'a>(source: &'a Value, field: &str, most: usize) -> Result<&'a str, Fault> {
    let text = match source.get(field) {
        None => "",
        Some(Value::String(text)) => text,
        Some(other) => return Err(wrong("a string", other).in_field(field)),
    };
    if text.len() > most {
        let message = format!("has {} bytes, and at most {most} are taken", text.len());
        return Err(Fault::at(field, message));
    }
    Ok(text)
}

/// Whether the name of a header may have it (RFC 9110, 5.1).
fn is_of_header(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(tracing: &Value) -> Vec<String> {
        faults(tracing).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn takes_what_istio_takes() {
        for tracing in [
            json!({}),
            json!({"sampling": 12.5, "maxPathTagLength": 0, "enableIstioTags": false}),
            json!({"sampling": null, "zipkin": null, "customTags": null}),
            json!({"zipkin": {}}),
            json!({"zipkin": {"address": ""}}),
            json!({"zipkin": {"address": "zipkin.istio-system:9411"}}),
            json!({"customTags": {"a": {"literal": {"value": "b"}}, "c": {"environment": {"name": "D"}},
                "e": {"header": {"name": "x-f", "defaultValue": "g"}}}}),
            // Others are not built or not known, and whoever has them is told.
            json!({"datadog": {"address": "$(HOST_IP):8126"}, "tlsSettings": {"mode": "SIMPLE"}, "foo": 1}),
        ] {
            assert_eq!(texts(&tracing), [""; 0], "{tracing}");
        }
    }

    #[test]
    fn names_each_field_that_is_wrong() {
        let long = "a".repeat(TAG_VALUE + 1);
        let many: Value = (0..=TAGS)
            .map(|n| (format!("t{n}"), json!({"literal": {"value": "b"}})))
            .collect();
        for (tracing, said) in [
            (
                json!({"sampling": "10"}),
                "sampling: must be a number from 0 to 100, not \"10\"",
            ),
            (
                json!({"max_path_tag_length": -1}),
                "max_path_tag_length: must be a number from 0 to 4294967295, not -1",
            ),
            (
                json!({"enableIstioTags": "no"}),
                "enableIstioTags: must be true or false, not \"no\"",
            ),
            (
                json!({"zipkin": "zipkin:9411"}),
                "zipkin: must be a mapping, not \"zipkin:9411\"",
            ),
            (
                json!({"zipkin": {"address": "http://zipkin:9411"}}),
                "zipkin.address: must be HOST:PORT, not \"http://zipkin:9411\"",
            ),
            (
                json!({"customTags": []}),
                "customTags: must be a mapping, not []",
            ),
            (
                json!({"customTags": many}),
                "customTags: has 25 tags, and at most 24 are taken",
            ),
            (
                json!({"customTags": {"": {"literal": {"value": "b"}}}}),
                "customTags: the name of a tag has from 1 to 256 bytes",
            ),
            (
                json!({"customTags": {"a": {"literal": {"value": "b"}, "header": {"name": "c"}}}}),
                "customTags.a: exactly one of literal, environment and header must be set",
            ),
            (
                json!({"customTags": {"a": {"literal": "b"}}}),
                "customTags.a.literal: must be a mapping, not \"b\"",
            ),
            (
                json!({"customTags": {"a": {"literal": {"value": 1}}}}),
                "customTags.a.literal.value: must be a string, not 1",
            ),
            (
                json!({"customTags": {"a": {"literal": {"value": long}}}}),
                "customTags.a.literal.value: has 1025 bytes, and at most 1024 are taken",
            ),
            (
                json!({"customTags": {"a": {"environment": {}}}}),
                "customTags.a.environment.name: must be set",
            ),
            (
                json!({"customTags": {"a": {"environment": {"name": "B=C"}}}}),
                "customTags.a.environment.name: \"B=C\" can't be such a name",
            ),
            (
                json!({"customTags": {"a": {"header": {"name": "x y"}}}}),
                "customTags.a.header.name: \"x y\" can't be such a name",
            ),
        ] {
            assert_eq!(texts(&tracing), [said], "{tracing}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["", "zipkin:9411", "[fd00::1]:9411", "10.0.0.1:1"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "zipkin",
            ":9411",
            "zipkin:",
            "zipkin:0",
            "zipkin:65536",
            "a b:1",
            "obs/zipkin:1",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn says_what_has_no_effect() {
        assert_eq!(warnings(&json!({"sampling": 1})), [""; 0]);
        let off = json!({"tlsSettings": {"mode": "DISABLE"}});
        assert_eq!(warnings(&off), [""; 0]);
        let said = warnings(
            &json!({"datadog": {}, "tls_settings": {"mode": "MUTUAL"}, "samplign": 5, "lightstep": null}),
        );
        let [not_built, unknown] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(
            not_built.contains("not built (datadog, tlsSettings)"),
            "{not_built}"
        );
        assert!(unknown.ends_with("no effect: samplign"), "{unknown}");
        assert!(said.iter().all(|warning| warning.len() < 256), "{said:?}");
    }
}
