//! Whether a certificate in a proxy's answer to `/certs` is valid, and for how long. Pure.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::config_dump::text;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What a certificate's dates mean at a time; with how many seconds there are between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    /// It becomes valid later.
    NotYet { wait: u64 },
    /// It is valid, and stays so.
    Valid { left: u64 },
    /// It was valid until then.
    Expired { ago: u64 },
    /// It has no dates, or none that can be read.
    Unknown,
}

impl Validity {
    /// Returns what the dates of Envoy's `CertificateDetails` mean.
    pub(super) fn of(certificate: &Value, now: Timestamp) -> Self {
        let date = |name| text(certificate, name).parse::<Timestamp>().ok();
        let (Some(from), Some(until)) = (date("valid_from"), date("expiration_time")) else {
            return Self::Unknown;
        };
        let until_now = |date: Timestamp| date.duration_since(now).as_secs().unsigned_abs();
        if now > until {
            Self::Expired {
                ago: until_now(until),
            }
        } else if now < from {
            Self::NotYet {
                wait: until_now(from),
            }
        } else {
            Self::Valid {
                left: until_now(until),
            }
        }
    }
}

/// A number of seconds as people say it: `12s`, `4m`, `23h41m`, `9d`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds >= 2 * DAY => format!("{}d", seconds / DAY),
        _ => match seconds % HOUR / MINUTE {
            0 => format!("{}h", seconds / HOUR),
            minutes => format!("{}h{minutes}m", seconds / HOUR),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dates_are_compared_with_the_clock() {
        let certificate = json!({
            "valid_from": "2026-11-30T00:00:00.000Z",
            "expiration_time": "2026-12-01T00:00:00Z",
        });
        for (now, expected) in [
            ("2026-11-29T23:59:00Z", Validity::NotYet { wait: 60 }),
            ("2026-11-30T00:00:00Z", Validity::Valid { left: DAY }),
            ("2026-11-30T00:19:00Z", Validity::Valid { left: 85_260 }),
            ("2026-12-01T00:00:00Z", Validity::Valid { left: 0 }),
            (
                "2026-12-04T00:00:01Z",
                Validity::Expired { ago: 3 * DAY + 1 },
            ),
        ] {
            let now = now.parse().unwrap();
            assert_eq!(Validity::of(&certificate, now), expected, "{now}");
        }
        for unclear in [
            json!({"expiration_time": "2026-12-01T00:00:00Z"}),
            json!({"valid_from": "2026-11-30T00:00:00Z", "expiration_time": "tomorrow"}),
            json!("x"),
        ] {
            let found = Validity::of(&unclear, Timestamp::UNIX_EPOCH);
            assert_eq!(found, Validity::Unknown, "{unclear}");
        }
    }

    #[test]
    fn spans_are_short() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (299, "4m"),
            (HOUR, "1h"),
            (23 * HOUR + 41 * MINUTE + 9, "23h41m"),
            (DAY, "24h"),
            (2 * DAY - 1, "47h59m"),
            (9 * DAY + HOUR, "9d"),
            (3_650 * DAY, "3650d"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }
}
