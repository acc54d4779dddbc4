//! Queries of requests.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The parameters: names, and values as they came. One without `=` has an empty value.
pub(super) fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&');
    let pairs = pairs.filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The value of a parameter, as it came.
pub(super) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut pairs = pairs(query);
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    Some(value)
}

/// A value without its percent-encoding. A plus is a plus, as in Envoy.
pub(super) fn decoded(value: &str) -> Cow<'_, str> {
    percent_decode_str(value).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_parameters() {
        let query = Some("usedonly&format=json&level=a=b");
        assert_eq!(parameter(query, "format"), Some("json"));
        assert_eq!(parameter(query, "level"), Some("a=b"));
        assert_eq!(parameter(query, "usedonly"), Some(""));
        assert_eq!(parameter(query, "form"), None);
        assert_eq!(parameter(None, "format"), None);
        assert_eq!(pairs(Some("")).count(), 0);
    }

    #[test]
    fn decodes_values() {
        assert_eq!(decoded("a+%5Eb%2b%"), "a+^b+%");
    }
}
