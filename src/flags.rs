//! Values of flags that several roles have.

use std::{net::IpAddr, time::Duration};

use rustls::pki_types::DnsName;

/// Converts a duration for arithmetic with dates.
pub(crate) fn seconds(duration: Duration) -> time::Duration {
    time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)
}

/// A hundred years, so that a certificate's expiry date is supported everywhere.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// Parses a duration such as `90d`, `12h`, `30m`, `10s` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| {
        format!("{error}; valid durations are for example 90d, 12h, 30m, 10s or 500ms")
    })?;
    if duration > LONGEST {
        return Err("must not be longer than a hundred years".to_owned());
    }
    Ok(duration)
}

/// A duration in the largest unit that it is a whole number of, as [`duration`] takes it: `90d`.
pub(crate) fn written(duration: Duration) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let whole = units.into_iter().find(|(length, _)| {
        duration >= Duration::from_secs(*length)
            && duration.subsec_nanos() == 0
            && duration.as_secs().is_multiple_of(*length)
    });
    match whole {
        Some((length, unit)) => format!("{}{unit}", duration.as_secs() / length),
        None => format!("{duration:?}"),
    }
}

/// Checks that a CA is valid for long enough to be replaced by the next one.
///
/// # Errors
///
/// Returns an error if the CA's lifetime is too short, or a duration is 0.
pub(crate) fn check_lifetimes(
    ca_lifetime: Duration,
    certificate_lifetime: Duration,
    ca_overlap: Duration,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        ca_overlap * 6 <= ca_lifetime,
        "--ca-lifetime {} is too short: a CA is replaced after two thirds of it, in two steps that each take --ca-overlap {}; \
         it must be at least six times as long as that",
        written(ca_lifetime),
        written(ca_overlap)
    );
    anyhow::ensure!(
        !certificate_lifetime.is_zero() && !ca_overlap.is_zero(),
        "--certificate-lifetime and --ca-overlap must not be 0"
    );
    Ok(())
}

/// The revision that a flag names: empty is the default one.
pub(crate) fn revision(flag: &str) -> &str {
    if flag.is_empty() { "default" } else { flag }
}

/// Appends a revision to a name, unless it is the default one.
pub(crate) fn revisioned(name: &str, revision: &str) -> String {
    match revision {
        "default" => name.to_owned(),
        revision => format!("{name}-{revision}"),
    }
}

/// The names for the serving certificate of a Service, and more of them. Kubernetes calls
/// `SERVICE.NAMESPACE.svc`.
pub(crate) fn serving_names(
    service: &str,
    namespace: &str,
    domain: &str,
    more: &[String],
) -> Vec<String> {
    let mut names = vec![
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.{domain}"),
        format!("{service}.{namespace}"),
        service.to_owned(),
    ];
    names.extend(more.iter().cloned());
    names
}

/// Parses a name for a certificate. IP addresses are normalized, as in certificates
/// (`::1` for `0:0::1`).
pub(crate) fn serving_name(name: &str) -> Result<String, String> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match DnsName::try_from(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err("must be a DNS name or an IP address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_a_number_with_a_unit() {
        for (text, millis) in [
            ("90d", 90 * 86_400_000),
            ("12h", 43_200_000),
            ("30m", 1_800_000),
            ("10s", 10_000),
            ("500ms", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_largest_unit() {
        for (text, expected) in [
            ("7776000s", "90d"),
            ("24h", "1d"),
            ("25h", "25h"),
            ("2920m", "2920m"),
            ("10s", "10s"),
            ("500ms", "500ms"),
            ("1500ms", "1.5s"),
        ] {
            assert_eq!(written(duration(text).unwrap()), expected);
        }
        let error = check_lifetimes(
            Duration::from_hours(24 * 3_650),
            Duration::from_hours(24),
            Duration::from_hours(24 * 2_000),
        );
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("--ca-lifetime 3650d "), "{error}");
        assert!(error.contains("--ca-overlap 2000d;"), "{error}");
    }

    #[test]
    fn rejects_what_is_not_a_duration() {
        for text in ["", "1", "d", "-1s", "36526d", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
