//! Durations on command lines.

use std::time::Duration;

/// Reads a number of seconds such as `1.5` or `30s`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let number = number
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_a_number_of_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("3600s"), Ok(Duration::from_secs(3600)));
        for text in ["", "s", "-1", "soon", "1e40", "NaN", "inf"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }
}
