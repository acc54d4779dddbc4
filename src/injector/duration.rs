//! Durations on the command line: `90d`, `12h`, `30m`, `10s`, `500ms`.

use std::time::Duration;

/// A hundred years: the end of a certificate is a date that everybody can read.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// Reads a duration.
///
/// # Errors
///
/// With what is wanted.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wanted(text))?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wanted(text)),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| format!("{text:?} is longer than a hundred years"))
}

fn wanted(text: &str) -> String {
    format!("{text:?} is no duration such as 90d, 12h, 30m, 10s or 500ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_a_number_with_a_unit() {
        assert_eq!(parse("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn rejects_what_is_none() {
        for text in [
            "",
            "1",
            "d",
            "1w",
            "-1s",
            "1.5h",
            "36526d",
            "99999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
