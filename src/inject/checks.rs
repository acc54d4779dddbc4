//! What a setting's text may be, whether it comes from an annotation or from the
//! configuration. An error says what is wanted.

use std::net::IpAddr;

use serde_json::Value;

use super::{pod::short, proxy_ports, quantity};

/// A check of a text.
pub(super) type Check = fn(&str) -> Result<(), String>;

/// `true` and `false` as Go's `strconv.ParseBool` takes them, which Istio uses.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A port number.
pub(super) fn port(value: &str) -> Result<(), String> {
    value
        .parse::<u16>()
        .map(drop)
        .map_err(|_| "a port from 0 to 65535 is wanted".to_owned())
}

/// The proxy's status port: none of those that the proxy has for something else.
pub(super) fn status_port(value: &str) -> Result<(), String> {
    port(value)?;
    let other = value
        .parse()
        .ok()
        .filter(|port| *port != proxy_ports::STATUS);
    match other.and_then(proxy_ports::purpose) {
        Some(purpose) => Err(format!("the proxy has this port for {purpose}")),
        None => Ok(()),
    }
}

/// A whole number, as far as Kubernetes has them.
pub(super) fn number(value: &str) -> Result<(), String> {
    value
        .parse::<i32>()
        .ok()
        .filter(|number| *number >= 0)
        .map(drop)
        .ok_or_else(|| "a whole number from 0 to 2147483647 is wanted".to_owned())
}

/// How the app's traffic gets to the proxy.
pub(super) fn interception_mode(value: &str) -> Result<(), String> {
    matches!(value, "REDIRECT" | "TPROXY" | "NONE")
        .then_some(())
        .ok_or_else(|| "REDIRECT, TPROXY or NONE is wanted".to_owned())
}

/// As [`parse_bool`].
pub(super) fn boolean(value: &str) -> Result<(), String> {
    parse_bool(value)
        .map(drop)
        .ok_or_else(|| "true or false is wanted".to_owned())
}

/// Ports, separated by commas, or `*`.
pub(super) fn ports_or_all(value: &str) -> Result<(), String> {
    if value == "*" { Ok(()) } else { ports(value) }
}

/// Ports, separated by commas.
pub(super) fn ports(value: &str) -> Result<(), String> {
    items(value, |item| {
        port(item).map_err(|_| format!("{:?} is not a port (0–65535)", short(item)))
    })
}

/// Address ranges, separated by commas, or `*`.
pub(super) fn ranges_or_all(value: &str) -> Result<(), String> {
    if value == "*" { Ok(()) } else { ranges(value) }
}

/// Address ranges in CIDR form, separated by commas.
pub(super) fn ranges(value: &str) -> Result<(), String> {
    items(value, |item| {
        if is_cidr(item) {
            Ok(())
        } else {
            Err(format!(
                "{:?} is not a CIDR such as 10.0.0.0/8",
                short(item)
            ))
        }
    })
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.bytes().all(|byte| byte.is_ascii_digit())
        && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// Names of network interfaces, separated by commas. Linux takes up to 15 bytes without `/` and white space.
pub(super) fn interfaces(value: &str) -> Result<(), String> {
    items(value, |item| {
        let fits = (1..=15).contains(&item.len())
            && item
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'/');
        fits.then_some(())
            .ok_or_else(|| format!("{:?} is not the name of an interface", short(item)))
    })
}

/// A comma-separated list; an empty one is fine.
fn items(value: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    value.split(',').try_for_each(|item| check(item.trim()))
}

/// A quantity of Kubernetes.
pub(super) fn quantity(value: &str) -> Result<(), String> {
    quantity::is_valid(value)
        .then_some(())
        .ok_or_else(|| "a Kubernetes quantity such as 100m or 128Mi is wanted".to_owned())
}

/// A level of Envoy's log.
pub(super) fn log_level(value: &str) -> Result<(), String> {
    matches!(
        value,
        "trace" | "debug" | "info" | "warning" | "warn" | "error" | "critical" | "off"
    )
    .then_some(())
    .ok_or_else(|| "trace, debug, info, warning, error, critical or off is wanted".to_owned())
}

/// The faults of a container's `resources`: quantities may be texts and numbers.
pub(super) fn resources(resources: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for list in ["requests", "limits"] {
        for (name, value) in resources[list].as_object().into_iter().flatten() {
            let checked = match value {
                Value::String(text) => quantity(text),
                other => quantity(&other.to_string()),
            };
            if let Err(wanted) = checked {
                faults.push(format!("{list}.{name}: invalid value {value}: {wanted}"));
            }
        }
    }
    faults
}

/// A length of time as protobuf's JSON has it: seconds.
pub(super) fn duration(value: &str) -> Result<(), String> {
    let is_decimal = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(fraction) && fraction.len() <= 9
    };
    value
        .strip_suffix('s')
        .is_some_and(is_decimal)
        .then_some(())
        .ok_or_else(|| "a number of seconds such as 5s or 1.5s is wanted".to_owned())
}

/// The key of a label or an annotation: `name` or `prefix.example.com/name`.
pub(super) fn qualified_name(key: &str) -> Result<(), String> {
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
    (is_name && is_prefix)
        .then_some(())
        .ok_or_else(|| format!("{key:?} is no key such as name or example.com/name"))
}

/// The name of an environment variable, as Kubernetes takes it.
pub(super) fn variable(name: &str) -> Result<(), String> {
    let is_name = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'=';
    (!name.is_empty() && name.bytes().all(is_name))
        .then_some(())
        .ok_or_else(|| format!("{name:?} is no name of an environment variable"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(resources(&good), [""; 0]);
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
        assert_eq!(variable("ISTIO_META_DNS_CAPTURE"), Ok(()));
        for name in ["", "A=B", "A\nB"] {
            assert!(variable(name).is_err(), "{name:?}");
        }
    }
}
