//! Checks of the text of a single setting, whether it comes from an annotation or
//! from the configuration.

use std::{borrow::Cow, net::IpAddr};

use ipnet::IpNet;
use serde_json::Value;

use crate::{fault::Fault, proxy_ports, quantity, quote};

/// What a text must be and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(Cow<'static, str>);

impl Invalid {
    pub const fn new(message: &'static str) -> Self {
        Self(Cow::Borrowed(message))
    }
}

impl From<String> for Invalid {
    fn from(message: String) -> Self {
        Self(Cow::Owned(message))
    }
}

/// A check of a text.
pub(crate) type Check = fn(&str) -> Result<(), Invalid>;

fn check(is_valid: bool, message: &'static str) -> Result<(), Invalid> {
    if is_valid {
        Ok(())
    } else {
        Err(Invalid::new(message))
    }
}

/// Reads `true` and `false` as Go's `strconv.ParseBool` does, which Istio uses.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads an address range in CIDR form.
pub(crate) fn parse_cidr(text: &str) -> Option<IpNet> {
    // `IpNet`'s own parser takes octets with leading zeros, which Linux reads as octal.
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    IpNet::new(address, bits.parse().ok()?).ok()
}

/// A port number.
pub(crate) fn port(value: &str) -> Result<(), Invalid> {
    check(value.parse::<u16>().is_ok(), "must be a port (0–65535)")
}

/// The proxy's status port: any but those that the proxy uses for something else.
pub(crate) fn status_port(value: &str) -> Result<(), Invalid> {
    port(value)?;
    let other = value
        .parse()
        .ok()
        .filter(|port| *port != proxy_ports::STATUS);
    match other.and_then(proxy_ports::purpose) {
        Some(purpose) => Err(format!("the proxy uses this port for {purpose}").into()),
        None => Ok(()),
    }
}

/// A whole number in the range that Kubernetes takes.
pub(crate) fn number(value: &str) -> Result<(), Invalid> {
    let is_valid = value.parse::<i32>().is_ok_and(|number| number >= 0);
    check(is_valid, "must be a whole number (0–2147483647)")
}

/// How the app's traffic gets to the proxy.
pub(crate) fn interception_mode(value: &str) -> Result<(), Invalid> {
    let is_valid = matches!(value, "REDIRECT" | "TPROXY" | "NONE");
    check(is_valid, "must be REDIRECT, TPROXY or NONE")
}

/// A boolean, as [`parse_bool`] reads it.
pub(crate) fn boolean(value: &str) -> Result<(), Invalid> {
    check(parse_bool(value).is_some(), "must be true or false")
}

/// Ports, separated by commas, or `*`.
pub(crate) fn ports_or_all(value: &str) -> Result<(), Invalid> {
    if value == "*" { Ok(()) } else { ports(value) }
}

/// Ports, separated by commas.
pub(crate) fn ports(value: &str) -> Result<(), Invalid> {
    items(value, |item| port(item).is_ok(), "a port (0–65535)")
}

/// Address ranges in CIDR form, separated by commas, or `*`.
pub(crate) fn ranges_or_all(value: &str) -> Result<(), Invalid> {
    if value == "*" { Ok(()) } else { ranges(value) }
}

/// Address ranges in CIDR form, separated by commas.
pub(crate) fn ranges(value: &str) -> Result<(), Invalid> {
    let is_cidr = |item: &str| parse_cidr(item).is_some();
    items(value, is_cidr, "a CIDR such as 10.0.0.0/8")
}

/// Names of network interfaces, separated by commas. Linux takes up to 15 bytes
/// without `/` and white space.
pub(crate) fn interfaces(value: &str) -> Result<(), Invalid> {
    let is_name = |item: &str| {
        (1..=15).contains(&item.len())
            && item
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'/')
    };
    items(value, is_name, "the name of a network interface")
}

/// Checks the items of a comma-separated list; an empty one is valid.
fn items(
    value: &str,
    is_valid: impl Fn(&str) -> bool,
    expected: &'static str,
) -> Result<(), Invalid> {
    if value.is_empty() {
        return Ok(());
    }
    match value.split(',').map(str::trim).find(|item| !is_valid(item)) {
        Some(item) => Err(format!("{:?} is not {expected}", quote::start(item)).into()),
        None => Ok(()),
    }
}

/// A quantity of Kubernetes.
pub(crate) fn quantity(value: &str) -> Result<(), Invalid> {
    check(
        quantity::is_valid(value),
        "must be a Kubernetes quantity such as 100m or 128Mi",
    )
}

/// A level of Envoy's log.
pub(crate) fn log_level(value: &str) -> Result<(), Invalid> {
    let is_valid = matches!(
        value,
        "trace" | "debug" | "info" | "warning" | "warn" | "error" | "critical" | "off"
    );
    check(
        is_valid,
        "must be trace, debug, info, warning, error, critical or off",
    )
}

/// The faults of a container's `resources`. Quantities may be strings or numbers.
pub(crate) fn resources(resources: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for list in ["requests", "limits"] {
        for (name, value) in resources[list].as_object().into_iter().flatten() {
            let checked = match value {
                Value::String(text) => quantity(text),
                other => quantity(&other.to_string()),
            };
            if let Err(invalid) = checked {
                faults.push(Fault::at(
                    format!("{list}.{name}"),
                    format!("invalid value {value}: {invalid}"),
                ));
            }
        }
    }
    faults
}

/// A duration as protobuf's JSON has it: in seconds.
pub(crate) fn duration(value: &str) -> Result<(), Invalid> {
    let is_decimal = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(fraction) && fraction.len() <= 9
    };
    let is_valid = value.strip_suffix('s').is_some_and(is_decimal);
    check(is_valid, "must be a number of seconds such as 5s or 1.5s")
}

/// The key of a label or an annotation: `name` or `prefix.example.com/name`.
pub(crate) fn qualified_name(key: &str) -> Result<(), Invalid> {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let ends_well = |part: &str| {
        part.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && part.ends_with(|letter: char| letter.is_ascii_alphanumeric())
    };
    let is_name = name.len() <= 63
        && ends_well(name)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_prefix = prefix.is_none_or(|prefix| {
        prefix.len() <= 253
            && prefix.split('.').all(ends_well)
            && prefix.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
            })
    });
    if is_name && is_prefix {
        Ok(())
    } else {
        Err(format!("{key:?} is not a key such as name or example.com/name").into())
    }
}

/// The name of an environment variable, as Kubernetes takes it.
pub(crate) fn variable_name(name: &str) -> Result<(), Invalid> {
    let is_allowed = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'=';
    if !name.is_empty() && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(format!("{name:?} can't be the name of an environment variable").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cidr_has_an_address_and_a_length() {
        for text in ["10.0.0.0/8", "10.1.2.3/08", "::/0", "2001:db8::1/128"] {
            assert_eq!(ranges(text), Ok(()), "{text}");
        }
        for text in [
            "10.0.0.0",
            "010.0.0.0/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "::/129",
            "a/8",
            "10.0.0.0/",
        ] {
            assert!(ranges(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_in_seconds() {
        for text in ["0s", "45s", "1.5s"] {
            assert_eq!(duration(text), Ok(()), "{text}");
        }
        for text in ["", "s", "5", "5m", "-5s", "abc", "1.s", ".5s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resources_are_quantities() {
        use serde_json::json;
        let good = json!({"requests": {"cpu": 2, "memory": "128Mi"}, "limits": {"cpu": 0.5}});
        assert_eq!(resources(&good), []);
        let bad = json!({"requests": {"cpu": "lots"}, "limits": {"memory": true}});
        assert_eq!(resources(&bad).len(), 2);
    }

    #[test]
    fn a_key_is_a_name_with_a_prefix() {
        for key in [
            "a",
            "app.kubernetes.io/name",
            "sidecar.istio.io/inject",
            "A_b.c-1",
        ] {
            assert_eq!(qualified_name(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "a b",
            "-a",
            "a/",
            "/a",
            "A.example/a",
            "a..b/c",
            "a/b/c",
        ] {
            assert!(qualified_name(key).is_err(), "{key}");
        }
    }

    #[test]
    fn a_variable_has_a_name() {
        assert_eq!(variable_name("ISTIO_META_DNS_CAPTURE"), Ok(()));
        for name in ["", "A=B", "A\nB"] {
            assert!(variable_name(name).is_err(), "{name:?}");
        }
    }
}
