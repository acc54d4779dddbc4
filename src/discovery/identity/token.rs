//! What a token itself says: when it expires. It is believed only of a token that the API
//! server has accepted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

/// How long a token without a readable date is taken to be good for.
const UNKNOWN: Duration = Duration::from_mins(10);

#[derive(Deserialize)]
struct Claims {
    /// When it expires, in seconds since 1970.
    exp: f64,
}

/// Returns how long a token is good for, from now.
pub fn lasts(token: &str) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    lasts_from(token, now)
}

fn lasts_from(token: &str, now: Duration) -> Duration {
    let Some(end) = end(token) else {
        return UNKNOWN;
    };
    end.saturating_sub(now)
}

/// When it expires, since 1970.
fn end(token: &str) -> Option<Duration> {
    let payload = token.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Duration::try_from_secs_f64(claims.exp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_lasts_until_its_date() {
        let now = Duration::from_secs(1_000);
        let lasts = |claims| lasts_from(&token(claims), now);
        assert_eq!(
            lasts(r#"{"exp": 1060, "aud": "x"}"#),
            Duration::from_secs(60)
        );
        assert_eq!(lasts(r#"{"exp": 900}"#), Duration::ZERO);
        for unknown in [r#"{"exp": "soon"}"#, r#"{"exp": -1}"#, "{}", ""] {
            assert_eq!(lasts(unknown), UNKNOWN, "{unknown}");
        }
        assert_eq!(lasts_from("no token", now), UNKNOWN);
    }
}
